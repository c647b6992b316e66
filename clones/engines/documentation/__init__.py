"""Sigma, `documentation`: an API reference in Markdown and documentation coverage, both from the source text alone."""

from clones.engines.documentation.engine import analyse

__all__ = ["analyse"]
