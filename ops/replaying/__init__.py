"""A recorded period of the ledger driven once more, through another realm, and what came of it held against what came of it then."""
