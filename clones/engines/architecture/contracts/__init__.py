"""Contracts on imports: those that a target declares for import-linter, and one that is proposed where it declares none."""
