"""The part of `sanctuary bench` that measures the archive, as people read it."""

import asyncio
from collections.abc import Iterator

import click
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ops.bench.archive import ArchiveRun, measure
from ops.cli.text import size

ENTRIES, QUICK_ENTRIES = 1_000_000, 8_000


def measured(*, quick: bool) -> ArchiveRun:
    """Measure, and tell on stderr how far it is."""
    return asyncio.run(measure(QUICK_ENTRIES if quick else ENTRIES, lambda text: click.echo(text, err=True)))


def tables(run: ArchiveRun) -> Group:
    """Return the measurement as people read it."""
    title = f"{run.entries:,} entries, {size(run.ledger_bytes)} in the server; each line is a whole command"
    shown = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("command", "entries/s", "entries/s\nof a core", "seconds", "most\nmemory", "written"):
        shown.add_column(column, justify="left" if column == "command" else "right", no_wrap=True)
    for row in _rows(run):
        shown.add_row(*row)
    found = f"{run.lookups} tasks looked up by id in the archive: p50 {run.lookup_p50_ms:.1f} ms, p99 {run.lookup_p99_ms:.1f} ms."
    return Group(shown, Text(found))


def _rows(run: ArchiveRun) -> Iterator[tuple[str, ...]]:
    for step in run.steps:
        yield (
            step.name,
            f"{step.entries_per_s:,.0f}",
            f"{run.entries / step.processor_s:,.0f}",
            f"{step.seconds:.1f}",
            size(step.peak_memory_bytes),
            size(step.size_bytes) if step.size_bytes else "-",
        )
