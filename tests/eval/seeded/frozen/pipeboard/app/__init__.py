"""Pipeboard: what the build machines are doing, on one page."""
