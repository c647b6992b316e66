"""Sigma, `documentation`: an API reference, documentation coverage, and what docstrings and documents get wrong."""

from clones.engines.documentation.engine import analyse

__all__ = ["analyse"]
