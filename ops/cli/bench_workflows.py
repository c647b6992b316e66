"""The part of `sanctuary bench` that measures workflows, as people read it."""

import asyncio
import sys

import click
from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ops.bench.flow_figures import Cores, Overhead, Sharing
from ops.bench.workflows import EFFORT, QUICK, FlowRuns, measure


def measured(*, quick: bool) -> FlowRuns:
    """Measure, and tell on stderr how far it is."""

    def on_pair(what: str, done: int, of: int) -> None:
        click.echo(f"{what}: pair {done} of {of}", err=True)

    if sys.stderr.isatty():
        click.echo("starting a server, a worker and Omegas; this takes some minutes", err=True)
    return asyncio.run(measure(QUICK if quick else EFFORT, on_pair))


def tables(runs: FlowRuns) -> Group:
    """Return the measurement as people read it."""
    shared = runs.sharing
    verdict = f"{shared.omegas} Omegas: {shared.speed_up:.2f} times as fast as one. Limit: {shared.limit}."
    return Group(_overhead(runs.overhead), _sharing(shared), Text(verdict), Text(_by_step(shared)))


def _by_step(row: Sharing) -> str:
    if row.cores is None:
        return ""
    used, rate = row.cores[0], row.steps_per_s[0]
    parts = {"broker": used.broker, "Omega": sum(used.omegas), "worker": used.worker, "submitter": used.submitter}
    told = ", ".join(f"{part} {share / rate * 1000:.2f} ms" for part, share in parts.items())
    most = row.machine_cores * rate / sum(parts.values())
    return f"Processor time of a step, one Omega: {told}; {row.machine_cores} cores do at most {most:,.0f} steps/s."


def _overhead(rows: list[Overhead]) -> Table:
    shown = _table("Steps of chains beside as many bare tasks")
    for column in ("in flight", "tasks/s", "steps/s", "ratio", "task\np50 ms", "step\np50 ms", "ratio"):
        shown.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        shown.add_row(
            f"{row.in_flight:,}",
            f"{row.tasks_per_s:,.0f}",
            f"{row.steps_per_s:,.0f}",
            f"{row.throughput_ratio:.2f}",
            f"{row.task_p50_ms:,.1f}",
            f"{row.step_p50_ms:,.1f}",
            f"{row.latency_ratio:.2f}",
        )
    return shown


def _sharing(row: Sharing) -> Table:
    shown = _table(f"{row.runs:,} runs of ten steps, all at once; shares of a core")
    shown.add_column("Omegas", justify="right")
    for column in ("steps/s", "broker", "each Omega", "worker", "submitter", f"machine\n(of {row.machine_cores})"):
        shown.add_column(column, justify="right", no_wrap=True)
    used: tuple[Cores | None, Cores | None] = row.cores or (None, None)
    for omegas, rate, cores in zip((1, row.omegas), row.steps_per_s, used, strict=True):
        shown.add_row(f"{omegas}", f"{rate:,.0f}", *_shares(cores))
    return shown


def _shares(cores: Cores | None) -> list[str]:
    if cores is None:
        return ["-"] * 5
    omegas = " ".join(f"{each:.2f}" for each in cores.omegas)
    broker, worker, submitter, machine = (
        f"{each:.2f}" for each in (cores.broker, cores.worker, cores.submitter, cores.machine)
    )
    return [broker, omegas, worker, submitter, machine]


def _table(title: str) -> Table:
    return Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False, padding=(0, 1, 0, 0))
