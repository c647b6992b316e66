"""Workflows as pure data and functions: reading and checking definitions, and what a run's events make of one. No I/O."""
