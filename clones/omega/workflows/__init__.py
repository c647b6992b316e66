"""Omega's workflows: definitions and how they are put into force, the driving of runs, what is told to them, their sleep."""
