"""`sanctuary status`: who is there and how it fares, who is missed, and what waits."""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from ops.cli.options import FAILED, archive_option, json_option, print_json, run, where_options
from ops.cli.text import clean, duration, moment, show, table
from ops.connect import Where
from ops.hints import command_line
from ops.status import KnownSchedule, Runs, Snapshot, take
from schemas import QueueStatus, StatusResponse

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bus.network import Network

EVERY_S = 1.0
MOST_MISSED = 10
"""So many of those that are missed are named; --json has them all."""
INSTANCES = ("instance", "state", "health", "tasks", "success", "uptime", "version", "falls back for")
LEAST = ("version", "uptime", "success", "falls back for", "tasks")
"""What gives way first on a narrow terminal."""
SCHEDULES = ("schedule", "state", "workflow", "next", "last run", "")
QUEUES = ("queue", "priority", "waiting", "taken", "oldest")


@click.command()
@where_options
@json_option
@click.option("-w", "--watch", is_flag=True, help="Renew every second until Ctrl-C; with --json one object a line.")
@click.option(
    "--at", metavar="TIME", help="As it stood then, by the ledger: 90s, 15m, 2h, 3d ago, or 2026-11-20T10:00Z."
)
@archive_option
def status(where: Where, *, as_json: bool, watch: bool, at: str | None, archive: Path | None) -> None:
    """Show who is there, how it fares, and how many tasks wait, what workflows do. Exits with 1 when nobody answers.

    \b
    tasks    how many run, of how many that may run at once
    success  how many of the tasks that ended there completed
    waiting  tasks that nobody has taken yet, the oldest since when
    taken    tasks that run, wait for another attempt, or are parked
    asleep   runs of workflows that only wait, and that nobody holds meanwhile
    """  # noqa: D301  click reads the backspace as "keep these lines"
    if at is None:
        run(_status(where, as_json=as_json, watch=watch))
    else:
        run(_status_at(where, archive, at, as_json=as_json, watch=watch))


async def _status_at(where: Where, archive: Path | None, at: str, *, as_json: bool, watch: bool) -> None:
    from ops.cli.status_at import print_status_at

    if watch:
        raise ValueError("what was does not change: --at goes without --watch")
    await print_status_at(where, archive, at, as_json=as_json)


async def _status(where: Where, *, as_json: bool, watch: bool) -> int:
    async with where.open("status") as network:
        if watch:
            return await _watch(network, as_json=as_json)
        snapshot = await take(network)
        if as_json:
            print_json(msgspec.to_builtins(snapshot))
        else:
            show(_view(snapshot))
        return 0 if snapshot.instances else FAILED


async def _watch(network: "Network", *, as_json: bool) -> int:
    if as_json or not sys.stdout.isatty():
        while True:
            snapshot = await take(network)
            if as_json:
                click.echo(msgspec.json.encode(snapshot))
            else:
                show(_view(snapshot))
            await asyncio.sleep(EVERY_S)
    from rich.live import Live

    with Live(auto_refresh=False, screen=True) as live:
        while True:
            live.update(_view(await take(network)), refresh=True)
            await asyncio.sleep(EVERY_S)


def _view(snapshot: Snapshot) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    if snapshot.instances:
        rows = map(_row, snapshot.instances)
        parts.append(table(INSTANCES, rows, right=("tasks", "success", "uptime"), cut=INSTANCES[-1], least=LEAST))
    parts += (Text(line, style) for line, style in _words(snapshot))
    waiting = [queue for queue in snapshot.queues or () if queue.waiting or queue.taken]
    if waiting:
        parts.append(table(QUEUES, map(_queue_row, waiting), right=("waiting", "taken", "oldest")))
    elif snapshot.queues is None:
        parts.append(Text(f"The queues cannot be read: {snapshot.queues_problem}.", "yellow"))
    else:
        parts.append(Text("No task waits, and none runs."))
    if snapshot.runs is not None:
        parts.append(Text(_runs_words(snapshot.runs)))
    if snapshot.schedules:
        parts.append(table(SCHEDULES, map(_schedule_row, snapshot.schedules), least=("last run", "")))
    return Group(*parts)


def _runs_words(runs: Runs) -> str:
    """Return how many runs of workflows there are, in one line."""
    if not (runs.waiting or runs.active or runs.asleep):
        return "No workflow runs."
    asleep = f"{runs.asleep:,} asleep"
    if runs.awaiting_decision:
        asleep += (
            f", {runs.awaiting_decision:,} of them for a decision ({command_line('workflow list --state waiting')})"
        )
    return f"Workflows: {runs.active:,} active, {runs.waiting:,} to be taken up, {asleep}."


def _schedule_row(schedule: KnownSchedule) -> tuple[str, ...]:
    return (
        schedule.name,
        schedule.state,
        schedule.workflow or "-",
        "-" if schedule.next_at is None else moment(schedule.next_at).partition(".")[0],
        "-" if schedule.last_at is None else moment(schedule.last_at).partition(".")[0],
        schedule.last_state or "",
    )


def _words(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Yield what a person should know that no table tells, each with its colour."""
    if not snapshot.instances:
        text = (
            f"Nobody answers: neither Omega nor a clone runs on this network. `{command_line('up')}` starts them all."
        )
        yield text, "bold red"
    elif snapshot.missing:
        yield f"Nobody answers as {', '.join(snapshot.missing)}.", "bold red"
    for answer in snapshot.instances:
        for problem in answer.problems:
            yield clean(f"{answer.instance}: {problem}"), "yellow"
        if snapshot.routes_revision and 0 < answer.routes_revision < snapshot.routes_revision:
            text = f"uses routing table {answer.routes_revision}; {snapshot.routes_revision} is in force"
            yield clean(f"{answer.instance}: {text}"), "yellow"
    yield from _missed(snapshot)


def _missed(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Name who is suspect, and who is dead where nobody has taken its place; the other dead are counted by clone."""
    up = {answer.clone for answer in snapshot.instances if answer.state != "draining"}
    replaced = Counter(change.clone for change in snapshot.missed if change.state == "dead" and change.clone in up)
    for clone, count in replaced.items():
        yield clean(f"{clone}: {count:,} ended without a word in the last hour; --json names them."), "yellow"
    rest = (change for change in snapshot.missed if change.state != "dead" or change.clone not in up)
    newest_first = sorted(rest, key=lambda change: change.at, reverse=True)
    for change in newest_first[:MOST_MISSED]:
        ago = duration((datetime.now(UTC) - change.at).total_seconds())
        if change.state == "dead":
            yield (
                clean(f"{change.instance}: dead for {ago}; it ended without a word, or stands still."),
                "bold red",
            )
        else:
            yield clean(f"{change.instance}: suspect for {ago}; its heartbeats are missed."), "yellow"
    if len(newest_first) > MOST_MISSED:
        yield f"Within the last hour {len(newest_first) - MOST_MISSED:,} more went so; --json names them.", "bold red"


def _row(answer: StatusResponse) -> tuple[str, ...]:
    ended = answer.succeeded + answer.failed
    return (
        answer.instance,
        answer.state if answer.share is None else f"{answer.state}, canary {answer.share * 100:g}%",
        answer.health,
        f"{answer.in_flight}/{answer.capacity}",
        "-" if answer.success_rate is None else f"{_percent(answer.success_rate)} of {ended:,}",
        duration(answer.uptime_s),
        answer.version,
        ", ".join(answer.fallback_types) or "-",
    )


def _percent(share: float) -> str:
    """Return a share in per cent, which is 100 or 0 only where it is exactly that."""
    return f"{share:.0%}" if share in (0, 1) else f"{min(99.9, max(0.1, share * 100)):.1f}%"


def _queue_row(queue: QueueStatus) -> tuple[str, ...]:
    return queue.task_type, queue.priority or "-", f"{queue.waiting:,}", f"{queue.taken:,}", duration(queue.oldest_s)
