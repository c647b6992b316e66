"""Whether the ledger is whole: what it must hold, and what it may tell of tasks and of runs. Omega and `sanctuary audit check` ask."""
