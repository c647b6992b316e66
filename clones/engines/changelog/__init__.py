"""Sigma, `changelog`: a draft of the changelog from the commits since an earlier version."""

from clones.engines.changelog.engine import analyse

__all__ = ["analyse"]
