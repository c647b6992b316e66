"""The part of `sanctuary bench` that measures the notary, as people read it."""

import asyncio

import click
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ops.bench.notary import EFFORT, QUICK, measure
from ops.bench.notary_figures import NotaryRun


def measured(*, quick: bool) -> NotaryRun:
    """Measure, and tell on stderr how far it is."""
    return asyncio.run(
        measure(QUICK if quick else EFFORT, lambda done, of: click.echo(f"pair {done} of {of}", err=True))
    )


def tables(run: NotaryRun) -> Group:
    """Return the measurement as people read it."""
    title = f"Tasks with and without a notary, {run.in_flight} in flight, {run.entries:,} entries a round"
    shown = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False, padding=(0, 1, 0, 0))
    columns = (
        "tasks/s\nwithout",
        "tasks/s\nwith",
        "ratio",
        "entries/s",
        "all signed\nafter s",
        "notary\ncores",
        "broker\ncores",
    )
    for column in columns:
        shown.add_column(column, justify="right", no_wrap=True)
    shown.add_row(
        f"{run.tasks_per_s:,.0f}",
        f"{run.signed_tasks_per_s:,.0f}",
        f"{run.ratio:.2f}",
        f"{run.entries_per_s:,.0f}",
        f"{run.signed_after_s:.1f}",
        *("-" if cores is None else f"{cores:.2f}" for cores in (run.notary_cores, run.broker_cores)),
    )
    return Group(
        shown, Text(f"The ratio was {run.ratio_lowest:.2f} to {run.ratio_highest:.2f} over {run.pairs} pairs.")
    )
