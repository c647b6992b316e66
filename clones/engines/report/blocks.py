"""What a part of the report is made of where its task type needs no page of its own: tables, lists, pictures, texts."""

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from clones.engines.report import wording
from clones.engines.report.checks import Check
from clones.engines.report.pictures import Picture
from clones.engines.report.verdict import Risk, Tile, Tone
from clones.engines.report.wording import Some, some

MAX_CELL_CHARS = 600
MAX_TEXT_CHARS = 40_000


class Cell(msgspec.Struct, frozen=True):
    """One value of a table."""

    text: str
    kind: Literal["prose", "code", "number", "place"] = "prose"
    """`prose` has code between backticks; a `place` is a file, with its line where it has one."""
    line: int | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A table's row; the first cell names it."""

    cells: tuple[Cell, ...]
    check: Check | None = None


class Table(msgspec.Struct, frozen=True, kw_only=True, tag="table"):
    """Rows under headings; `more` says where the rest of them is."""

    title: str
    columns: tuple[str, ...]
    rows: Some[Row]
    what: str
    """What the rows are, in the plural."""
    full: str
    """Where all of them stand."""
    note: str = ""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """An item of a list, with what belongs to it."""

    text: str
    where: str = ""
    check: Check | None = None
    details: tuple["Point", ...] = ()


class Points(msgspec.Struct, frozen=True, kw_only=True, tag="points"):
    """A list."""

    title: str
    points: Some[Point]
    what: str
    full: str
    note: str = ""
    ordered: bool = False


class Figure(msgspec.Struct, frozen=True, kw_only=True, tag="figure"):
    """A picture."""

    picture: Picture
    caption: str
    alt: str


class Text(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """A file's text, as it is, to be copied."""

    title: str
    text: str
    name: str
    note: str = ""


class Notice(msgspec.Struct, frozen=True, kw_only=True, tag="notice"):
    """A sentence that has to be seen."""

    tone: Tone
    text: str


Block = Table | Points | Figure | Text | Notice


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """One task's part: its verdict, what stands out, and its blocks in their order."""

    tile: Tile
    blocks: tuple[Block, ...]
    risks: tuple[Risk, ...] = ()
    """Without their anchor, which the part does not know."""


def prose(value: str) -> Cell:
    """Return text in which backticks stand round code."""
    return Cell(wording.cut(value, MAX_CELL_CHARS))


def code(value: str) -> Cell:
    """Return a name."""
    return Cell(wording.cut(value, MAX_CELL_CHARS), "code")


def number(value: float | None) -> Cell:
    """Return a count."""
    return Cell(wording.number(value), "number")


def figure(value: str) -> Cell:
    """Return a value that is rounded already."""
    return Cell(value, "number")


def place(file: str | None, line: int | None) -> Cell:
    """Return where something is; an empty cell for nowhere."""
    return Cell(file or "", "place", line if file else None)


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Row],
    *,
    limit: int,
    what: str,
    full: str,
    total: int | None = None,
    note: str = "",
) -> list[Block]:
    """Return a table of the first `limit` rows; nothing where there is no row."""
    every = list(rows)
    kept = some(every, limit, total)
    return [Table(title=title, columns=tuple(columns), rows=kept, what=what, full=full, note=note)] if every else []


def points(
    title: str,
    items: Iterable[Point],
    *,
    limit: int,
    what: str,
    full: str,
    note: str = "",
    ordered: bool = False,
) -> list[Block]:
    """Return a list of the first `limit` items; nothing where there is none."""
    every = list(items)
    kept = some(every, limit)
    return [Points(title=title, points=kept, what=what, full=full, note=note, ordered=ordered)] if every else []


def picture(found: Picture | None, caption: str, alt: str) -> list[Block]:
    """Return a picture; nothing where the task left none."""
    return [] if found is None else [Figure(picture=found, caption=caption, alt=alt)]
