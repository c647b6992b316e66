"""On which line of a TOML text a key stands: `tomllib` does not say. Pure."""

import re
import tomllib
from typing import Any

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*\[\[?\s*({_KEYS})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_KEYS})\s*=")


def line_of(text: str, path: tuple[str, ...]) -> int | None:
    """Return the number of the line that gives `path` its value, or else the nearest key or table around it; None: none is there.

    `text` is valid TOML. What an inline table or a list of several lines holds is found on the line where that begins.
    """
    best: tuple[int, int] | None = None
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if (header := _HEADER.match(line)) is not None:
            table = found = _split(header[1])
        elif (assignment := _ASSIGNMENT.match(line)) is not None:
            found = table + _split(assignment[1])
        else:
            continue
        if path[: len(found)] == found and (best is None or len(found) > best[0]):
            best = (len(found), number)
    return best[1] if best else None


def _split(keys: str) -> tuple[str, ...]:
    """Return the parts of a dotted key."""
    parts: list[str] = []
    nested: Any = tomllib.loads(f"{keys} = 0")
    while isinstance(nested, dict):
        ((key, nested),) = nested.items()
        parts.append(key)
    return tuple(parts)
