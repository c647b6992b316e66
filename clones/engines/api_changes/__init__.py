"""Sigma, `api-changes`: what of the public surface is gone, changed or new since an earlier version."""

from clones.engines.api_changes.engine import analyse

__all__ = ["analyse"]
