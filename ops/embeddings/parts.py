"""What is embedded of an index: its pieces in parts that a small model takes whole."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

MAX_CHARS = 1200
"""Of a part. Small models read 512 tokens, and code may have a token for two or three characters."""


class Part(msgspec.Struct, frozen=True):
    """Some lines of a piece, below the piece's name."""

    row: int
    """The piece's in the index."""
    line: int
    """The part's first, counted from the piece's first."""
    text: str


def of_index(path: Path) -> Iterator[Part]:
    """Yield the parts of all pieces of the index at `path`, in its order."""
    with closing(sqlite3.connect(path)) as connection:
        for row, name, text in connection.execute("SELECT rowid, name, text FROM knowledge ORDER BY rowid"):
            yield from (Part(row, line, part) for line, part in cut(name, text))


def cut(name: str, text: str) -> Iterator[tuple[int, str]]:
    """Yield a piece as parts of whole lines, each with its first line's place and `name` on top; longer lines are cut off."""
    room = MAX_CHARS - len(name) - 1
    if room <= 0:
        yield 0, name[:MAX_CHARS]
        return
    part: list[str] = []
    first = size = 0
    for at, whole in enumerate(text.split("\n")):
        line = whole[:room]
        if part and size + len(line) + 1 > room:
            yield first, "\n".join((name, *part))
            part, first, size = [], at, 0
        part.append(line)
        size += len(line) + 1
    yield first, "\n".join((name, *part))
