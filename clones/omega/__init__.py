"""Omega: coordinates. Each module here does one of the things that only Omega does; `coordination` runs them all."""
