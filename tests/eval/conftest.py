"""The seeded applications are read by the engines, never collected: some of their modules look like tests."""

collect_ignore = ["seeded"]
