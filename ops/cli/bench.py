"""`sanctuary bench`: durable tasks against what raw nats-py needs for the same stored steps, on this machine, now."""

import asyncio
import importlib
import sys
from collections.abc import Sequence
from typing import cast

import click
import msgspec
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bus.errors import SanctuaryError
from ops.bench.figures import Run
from ops.bench.measure import IN_FLIGHT, QUICK, SYNCS, Effort, Sync, measure

COLUMNS = (
    "sync",
    "in flight",
    "tasks/s",
    "p50\nms",
    "p99\nms",
    "start\np50 ms",
    "start\np99 ms",
    "floor\ntasks/s",
    "ratio",
)


@click.command(name="bench", short_help="Measure against raw nats-py.")
@click.option(
    "--sync", "syncs", multiple=True, type=click.Choice(list(SYNCS)), help="Only this durability of the server."
)
@click.option("--in-flight", multiple=True, type=click.IntRange(1, 10_000), help="Only this many tasks at once.")
@click.option(
    "--workflows", is_flag=True, help="Measure steps of workflows beside bare tasks, and how Omegas share them."
)
@click.option("--archive", is_flag=True, help="Measure a ledger of a million entries: archived, verified, exported.")
@click.option("--notary", is_flag=True, help="Measure tasks with and without a notary, and how soon all is signed.")
@click.option("--quick", is_flag=True, help="One short round each, to see that it works; the figures mean little.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def bench(syncs: tuple[str, ...], in_flight: tuple[int, ...], quick: bool, as_json: bool, **others: bool) -> None:
    r"""Measure durable tasks with a handler that does nothing.

    The submitter and the worker are processes of their own, on a server of their own with a fresh store in the directory
    for temporary files. The floor is what nats-py alone needs for the stored steps: stored publish, pull, stored result,
    acknowledgement, result seen. Both are measured in turn, and the ratio is the median of pairs next to each other.

    \b
    p50, p99              from submit to the result seen
    start p50, start p99  from the task stored to the start of its handler
    default, always       when the server calls fsync: every 100 ms, or before each acknowledgement

    With --workflows it measures what a step of a workflow costs beside a bare task, and how much faster three Omegas are
    than one, with the share of a core that each process used: what could not be faster is at its end there.

    With --archive it writes a million entries and measures how fast they are archived, verified, exported and looked up, and
    the most memory that each of these commands had.

    With --notary it measures what a notary costs: the same tasks on a ledger that one signs and on one that nobody signs, in
    turn, on one server; and how long after the last of them all entries are signed.
    """
    named = [name for name, is_named in others.items() if is_named]
    if len(named) > 1 or (named and (syncs or in_flight)):
        raise click.UsageError("--workflows, --archive and --notary go neither together nor with --sync or --in-flight")
    chosen = cast(Sequence[Sync], syncs or tuple(SYNCS))
    effort = QUICK if quick else Effort()
    try:
        if named:
            _other(named[0], quick=quick, as_json=as_json)
            return
        runs = asyncio.run(_measure(chosen, in_flight or IN_FLIGHT, effort))
    except SanctuaryError as error:
        raise click.ClickException(error.message) from None
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode({"runs": runs}), indent=2))
    else:
        Console().print(table(runs))


def _other(name: str, *, quick: bool, as_json: bool) -> None:
    """Measure what one of the other options names; each has a module of its own, which takes its time to load."""
    module = importlib.import_module(f"ops.cli.bench_{name}")
    measured = module.measured(quick=quick)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(measured), indent=2))
    else:
        Console().print(module.tables(measured))


def table(runs: Sequence[Run]) -> Table:
    """Return the runs as people read them."""
    title = "Durable tasks, no-op handler, against raw nats-py"
    shown = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False, padding=(0, 1, 0, 0))
    for column in COLUMNS:
        shown.add_column(column, justify="left" if column == "sync" else "right", no_wrap=True)
    for run in runs:
        shown.add_row(
            run.sync,
            f"{run.in_flight:,}",
            f"{run.tasks_per_s:,.0f}",
            *(f"{value:,.1f}" for value in (run.p50_ms, run.p99_ms, run.start_p50_ms, run.start_p99_ms)),
            f"{run.floor_tasks_per_s:,.0f}",
            f"{run.ratio_to_floor:.2f}",
        )
    return shown


async def _measure(syncs: Sequence[Sync], in_flight: Sequence[int], effort: Effort) -> list[Run]:
    """Return the runs, and show on stderr how far it is."""
    runs: list[Run] = []
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        total = len(syncs) * len(in_flight) * effort.pairs
        bar = progress.add_task("starting", total=total)

        def on_pair(sync: Sync, level: int, done: int) -> None:
            progress.update(
                bar,
                description=f"{sync}, {level} in flight: round {done} of {effort.pairs}",
                completed=len(runs) * effort.pairs + done,
            )

        async for run in measure(syncs, in_flight, effort, on_pair):
            runs.append(run)
            if not sys.stderr.isatty():
                click.echo(f"{run.sync}, {run.in_flight} in flight: ratio {run.ratio_to_floor:.2f}", err=True)
    return runs
