"""Sigma, `knowledge`: a searchable index of code and documents, with an overview and a glossary."""

from clones.engines.knowledge.engine import analyse

__all__ = ["analyse"]
