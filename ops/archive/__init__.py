"""The ledger in files: sealed segments, their index, and the ledger read as if all of it were still in the stream."""
