"""How values are written for people, and what strangers wrote is made safe to print."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ops.durations import in_minutes

if TYPE_CHECKING:
    from rich.console import JustifyMethod, RenderableType
    from rich.table import Table


def clean(text: str) -> str:
    """Return `text` on one line and without control characters: what is in the ledger must not drive the terminal."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "�" for char in text).strip()


def shortened(text: str, limit: int) -> str:
    """Return `text`, clean and of at most `limit` characters."""
    line = clean(text)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def duration(seconds: float | None) -> str:
    """Return a duration of any length in a few characters; `-` where it is not known."""
    if seconds is None:
        return "-"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    return in_minutes(seconds)


def moment(at: datetime) -> str:
    """Return a time of day here, with the date where it is not today's."""
    local = at.astimezone()
    today = datetime.now(UTC).astimezone().date()
    return local.strftime("%H:%M:%S.%f" if local.date() == today else "%Y-%m-%d %H:%M:%S.%f")[:-3]


def size(count: float) -> str:
    """Return a number of bytes in a few characters."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Sequence[str] = (),
    cut: str | None = None,
    least: Sequence[str] = (),
) -> "Table":
    """Return a table; the columns named in `right` are flush right.

    With `cut` every row is one line there: that column gets what room the others leave and ends in an ellipsis, the others
    stay whole, and where there is no room those in `least` are left out, the first one first.

    Cells are plain text, made clean here.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cells = [[clean(cell) for cell in row] for row in rows]
    width = None if cut is None else _terminal_width()
    room = None
    if cut is not None and width is not None:
        kept, room = fitting(columns, cells, cut=cut, least=least, width=width)
        cells = [[cell for column, cell in zip(columns, row, strict=True) if column in kept] for row in cells]
        columns = kept
    tight = room is not None
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0 if tight else 1, 0, 0), show_edge=not tight)
    for index, column in enumerate(columns):
        justify: JustifyMethod = "right" if column in right else "left"
        if room is None:
            shown.add_column(column, justify=justify, overflow="fold")
        elif column == cut:
            shown.add_column(column, justify=justify, overflow="ellipsis", no_wrap=True, max_width=room)
        else:
            least_width = _width(column, [row[index] for row in cells])
            shown.add_column(column, justify=justify, no_wrap=True, min_width=least_width)
    for row in cells:
        shown.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    return shown


def fitting(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, cut: str, least: Sequence[str], width: int
) -> tuple[list[str], int]:
    """Return which columns have room on `width` characters, and how many of them `cut` may use; 0 where it is left out.

    Columns in `least` are left out until the others stand whole and `cut` has `MIN_CUT`.
    """
    widths = {column: _width(column, [row[index] for row in rows]) for index, column in enumerate(columns)}
    kept = list(columns)

    def room() -> int:
        # One character between two columns.
        return width - sum(widths[column] + 1 for column in kept if column != cut)

    for column in least:
        if room() >= (min(widths[cut], MIN_CUT) if cut in kept else 0):
            break
        kept.remove(column)
    return kept, max(room(), MIN_CUT) if cut in kept else 0


def _width(column: str, cells: Iterable[str]) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, (column, *cells)))


def _terminal_width() -> int | None:
    from rich.console import Console

    return Console().width if sys.stdout.isatty() else None


MIN_CUT = 16
"""A text that is cut to less than this says nothing."""
STYLES = {
    "ready": "green",
    "ok": "green",
    "completed": "green",
    "running": "cyan",
    "starting": "yellow",
    "degraded": "yellow",
    "suspect": "yellow",
    "dead": "bold red",
    "draining": "yellow",
    "waiting": "yellow",
    "retrying": "yellow",
    "parked": "yellow",
    "cancelled": "yellow",
    "note": "yellow",
    "failed": "bold red",
    "wrong": "bold red",
    "missing": "bold red",
}
"""Words that have a colour on a terminal wherever they fill a cell."""


def show(shown: "RenderableType") -> None:
    """Print tables and such as wide as the terminal; elsewhere plain lines, the cells of a table separated by tabs."""
    from rich.console import Console

    if sys.stdout.isatty():
        # A row that is wider than any terminal is for the terminal to fold: what is cut off here could not be copied.
        Console(highlight=False).print(shown, crop=False)
    else:
        for line in _lines(shown):
            click.echo(line)


def _lines(shown: "RenderableType") -> Iterator[str]:
    from rich.console import Group
    from rich.table import Table

    if isinstance(shown, Group):
        for part in shown.renderables:
            yield from _lines(part)
    elif isinstance(shown, Table):
        yield "\t".join(str(column.header) for column in shown.columns)
        for cells in zip(*(column.cells for column in shown.columns), strict=True):
            yield "\t".join(map(str, cells))
    else:
        yield str(shown)
