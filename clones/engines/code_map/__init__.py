"""Gamma, `code-map`: entry points, what each package is for, who uses whom, and an order to read it in."""

from clones.engines.code_map.engine import analyse

__all__ = ["analyse"]
