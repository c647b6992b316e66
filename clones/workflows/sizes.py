"""How large a value may be that expressions make. Pure.

The limits are part of what an expression's value is: a run that is replayed meets the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any

MOST_VALUES = 1_000_000
"""Within one value."""
MOST_CHARS = 16_000_000
"""Of all text within one value; more than a message takes."""


class TooMuch(Exception):
    """An expression takes more work, or its value is larger, than it may."""


def check_size(value: Any) -> None:
    """Return where a value is one that can be written.

    Raises:
        TooMuch: it is larger than `MOST_VALUES` or `MOST_CHARS`.
    """
    values, chars = MOST_VALUES, MOST_CHARS
    todo = [value]
    while todo:
        part = todo.pop()
        values -= 1
        if isinstance(part, str):
            chars -= len(part)
        elif isinstance(part, Mapping):
            todo += part.values()
            chars -= sum(map(len, part))
        elif isinstance(part, list | tuple):
            todo += part
        if values < len(todo) or chars < 0:
            raise TooMuch(f"it is larger than {MOST_VALUES:,} values or {MOST_CHARS:,} characters")


def joined(parts: Iterable[str]) -> str:
    """Return texts as one, each of them asked for when it is its turn.

    Raises:
        TooMuch: it is longer than `MOST_CHARS`.
    """
    taken: list[str] = []
    chars = MOST_CHARS
    for part in parts:
        taken.append(part)
        chars -= len(part)
        if chars < 0:
            raise TooMuch(f"it is longer than {MOST_CHARS:,} characters")
    return "".join(taken)
