"""`sanctuary status`: who is there and how it fares."""

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
import msgspec

from bus.errors import SanctuaryError
from bus.network import Network
from clones.routing import types_by_clone
from clones.tables import table_of
from ops.cli.options import FAILED, json_option, print_json, run, where_options
from ops.cli.text import duration, show, table
from ops.connect import Where
from ops.queues import Depths, depths
from ops.status import ask
from schemas import StatusResponse

if TYPE_CHECKING:
    from rich.console import RenderableType

OMEGA = "omega"
EVERY_S = 1.0
COLUMNS = (
    *("clone", "instance", "state", "tasks", "succeeded", "failed", "uptime"),
    *("version", "pid", "metrics"),
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The network at one moment."""

    instances: tuple[StatusResponse, ...]
    missing: tuple[str, ...]
    """Clones of which no instance answered."""
    queues: Depths | None
    """None where they cannot be read."""
    queues_problem: str = ""


@click.command()
@where_options
@json_option
@click.option("-w", "--watch", is_flag=True, help="Renew every second until Ctrl-C; with --json one object a line.")
def status(where: Where, *, as_json: bool, watch: bool) -> None:
    """Show who is there, how it fares, and how many tasks wait. Exits with 1 when nobody answers."""
    run(_status(where, as_json=as_json, watch=watch))


async def _status(where: Where, *, as_json: bool, watch: bool) -> int:
    async with where.open("status") as network:
        if watch:
            return await _watch(network, as_json=as_json)
        snapshot = await take(network)
        if as_json:
            print_json(_plain(snapshot))
        else:
            show(_view(snapshot))
        return 0 if snapshot.instances else FAILED


async def take(network: Network) -> Snapshot:
    """Ask everybody, and look at the queues."""
    answers, (queues, problem), table_ = await asyncio.gather(ask(network), _queues(network), table_of(network))
    there = {answer.clone for answer in answers}
    missing = tuple(clone for clone in (OMEGA, *types_by_clone(table_)) if clone not in there)
    return Snapshot(tuple(answers), missing, queues, problem)


async def _queues(network: Network) -> tuple[Depths | None, str]:
    try:
        return await depths(network), ""
    except SanctuaryError as error:
        return None, error.message


async def _watch(network: Network, *, as_json: bool) -> int:
    if as_json:
        while True:
            click.echo(msgspec.json.encode(_plain(await take(network))))
            await asyncio.sleep(EVERY_S)
    from rich.live import Live

    with Live(auto_refresh=False, screen=sys.stdout.isatty()) as live:
        while True:
            live.update(_view(await take(network)), refresh=True)
            await asyncio.sleep(EVERY_S)


def _plain(snapshot: Snapshot) -> dict[str, object]:
    queues = snapshot.queues
    return {
        "instances": msgspec.to_builtins(snapshot.instances),
        "missing": list(snapshot.missing),
        "queues": None
        if queues is None
        else [
            {"task_type": task_type, "priority": priority or None, "depth": depth}
            for (task_type, priority), depth in queues.items()
        ],
    }


def _view(snapshot: Snapshot) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    if snapshot.instances:
        rows = [_row(answer) for answer in snapshot.instances]
        parts.append(table(COLUMNS, rows, right=("tasks", "succeeded", "failed", "uptime", "pid")))
        if snapshot.missing:
            parts.append(Text(f"Nobody answers as {', '.join(snapshot.missing)}: their tasks wait.", "bold red"))
    else:
        text = "Nobody answers: neither Omega nor a clone runs on this network. `sanctuary up` starts them all."
        parts.append(Text(text, "bold red"))
    if snapshot.queues is None:
        parts.append(Text(f"The queues cannot be read: {snapshot.queues_problem}.", "yellow"))
    else:
        parts.append(_queue_table(snapshot.queues))
    return Group(*parts)


def _row(answer: StatusResponse) -> tuple[str, ...]:
    return (
        answer.clone,
        answer.instance,
        answer.state,
        f"{answer.in_flight}/{answer.capacity}",
        f"{answer.succeeded:,}",
        f"{answer.failed:,}",
        duration(answer.uptime_s),
        answer.version,
        str(answer.pid),
        # On a terminal every column counts; --json has the whole URL.
        (answer.metrics_url or "-").removeprefix("http://").removesuffix("/metrics"),
    )


def _queue_table(queues: Depths) -> "RenderableType":
    priorities = ("high", "medium", "low")
    types = list(dict.fromkeys(task_type for task_type, _ in queues))
    rows = []
    for task_type in types:
        depths_ = [queues.get((task_type, priority)) for priority in priorities]
        total = sum(depth for (kind, _), depth in queues.items() if kind == task_type)
        rows.append((task_type, *("-" if depth is None else f"{depth:,}" for depth in depths_), f"{total:,}"))
    return table(("queue", *priorities, "in all"), rows, right=(*priorities, "in all"))
