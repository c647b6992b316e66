"""Directories that Sanctuary itself makes, told by what lies in them: they may lie in a target, and are no part of it."""

from pathlib import Path

_STORE = ("lock", "nats-server.json", "keys")
_REPORT = ("report.html", "report.md", "security/security.sarif")


def is_store(directory: Path) -> bool:
    """Tell whether a network's server keeps its data here, and the keys of its users."""
    return all((directory / name).exists() for name in _STORE)


def is_report(directory: Path) -> bool:
    """Tell whether a review has written its report here."""
    return all((directory / name).exists() for name in _REPORT)
