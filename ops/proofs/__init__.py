"""The ledger as proof: Merkle tree, signed checkpoints, inclusion and consistency proofs, witnesses."""
