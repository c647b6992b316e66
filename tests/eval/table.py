"""Parts of the evaluation as a table for a person, or as JSON for a program."""

from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.eval.outcome import Part, Row

_WORDS = {True: ("holds", "green"), False: ("FAILS", "bold red"), None: ("open", "yellow")}
_COUNTED = ("recall", "precision", "F1", "Youden")


def show(part: Part, console: Console, *, why: bool) -> None:
    """Print a part: its rows, what was demanded of it, and with `why` what our own engine got wrong."""
    console.print(f"\n{part.name}: {part.title}", style="bold", markup=False, highlight=False)
    if part.rows:
        console.print(_table(part.rows, is_plain=not console.is_terminal))
    for verdict in part.verdicts:
        word, style = _WORDS[verdict.holds]
        console.print(Text.assemble((f"{word}  ", style), verdict.text), soft_wrap=True)
    if why:
        for line in part.wrong:
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


def plain(part: Part) -> dict[str, Any]:
    """Return a part as JSON values."""
    told: dict[str, Any] = msgspec.to_builtins(part)
    for row, figures in zip(told["rows"], part.rows, strict=True):
        if figures.score is not None:
            row["score"] |= {name.lower(): getattr(figures.score, name.lower()) for name in _COUNTED}
    return told


def _table(rows: tuple[Row, ...], *, is_plain: bool) -> Table:
    is_counted = any(row.score is not None for row in rows)
    table = Table(box=None if is_plain else box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("material")
    table.add_column("engine")
    for heading in (*(("found", "false", *_COUNTED) if is_counted else ()), "seconds"):
        table.add_column(heading, justify="right")
    before = ""
    for row in rows:
        material, before = ("" if row.material == before else row.material), row.material
        table.add_row(material, row.engine, *(_counts(row) if is_counted else ()), f"{row.seconds:.1f}")
    return table


def _counts(row: Row) -> tuple[str, ...]:
    if row.score is None:
        return ("",) * (2 + len(_COUNTED))
    score = row.score
    found = f"{score.hit}/{score.hit + score.missed}"
    false = f"{score.false}/{score.false + score.spared}"
    return (found, false, *(f"{getattr(score, name.lower()):.2f}" for name in _COUNTED))
