"""`sanctuary status --at`: the network as it stood at a moment, by its ledger."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from ops.cli.counting import counting
from ops.cli.options import print_json
from ops.cli.sources import open_ledger
from ops.cli.text import clean, duration, moment, show, table
from ops.cli.times import point_in_time
from ops.connect import Where
from ops.past_snapshot import PastSnapshot
from ops.stories import STATES, State

if TYPE_CHECKING:
    from rich.console import RenderableType

INSTANCES = ("instance", "clone", "state", "since")
QUEUES = ("queue", "priority", "waiting", "taken", "oldest")
PARKED = ("parked", "id", "since", "why")
SCHEDULES = ("schedule", "state", "workflow", "by")
MOST_PARKED = 20
"""So many are named; --json has them all."""


async def print_status_at(where: Where, archive: Path | None, text: str, *, as_json: bool) -> None:
    """Print the state at the time that `text` names.

    Raises:
        ValueError: it names none.
        SanctuaryError: the ledger cannot be read.
    """
    from ops.past_reading import state_at

    now = datetime.now(UTC)
    at = point_in_time(text, now, "--at") or now
    async with open_ledger(where, archive, "status") as source:
        with counting("reading the ledger") as progress:
            snapshot = await state_at(source, at, progress)
    if as_json:
        print_json(msgspec.to_builtins(snapshot))
        return
    if at > now:
        click.echo(f"{moment(at)} has yet to come: this is how it stands after the last entry.", err=True)
    show(_view(snapshot))


def _view(snapshot: PastSnapshot) -> "RenderableType":
    from rich.console import Group
    from rich.text import Text

    if not snapshot.entries or snapshot.last_at is None:
        return Text(f"At {moment(snapshot.at)} the ledger was empty: nothing had been asked for yet.")
    parts: list[RenderableType] = [
        Text(
            f"At {moment(snapshot.at)}, after #{snapshot.sequence} of {moment(snapshot.last_at)} "
            f"({snapshot.entries:,} entries)"
        )
    ]
    if snapshot.instances:
        rows = ((each.instance, each.clone, each.state, moment(each.since)) for each in snapshot.instances)
        parts.append(table(INSTANCES, rows))
    parts += (Text(clean(words), style) for words, style in _words(snapshot))
    for title, counts in (("task type", snapshot.tasks), ("workflow", snapshot.workflows)):
        if counts:
            parts.append(_counts(title, counts))
    if snapshot.queues:
        waiting = (
            (each.task_type, each.priority or "-", f"{each.waiting:,}", f"{each.taken:,}", duration(each.oldest_s))
            for each in snapshot.queues
        )
        parts.append(table(QUEUES, waiting, right=("waiting", "taken", "oldest")))
    else:
        parts.append(Text("No task waited, and none ran."))
    if snapshot.parked:
        shown = (
            (each.task_type, each.task_id, moment(each.since), f"{each.code}: {each.message}")
            for each in snapshot.parked[:MOST_PARKED]
        )
        parts.append(table(PARKED, shown, cut="why", least=("since",)))
    if len(snapshot.parked) > MOST_PARKED:
        parts.append(Text(f"and {len(snapshot.parked) - MOST_PARKED:,} more were parked; --json names them."))
    if snapshot.schedules:
        told = ((each.name, each.state, each.workflow, each.by or "-") for each in snapshot.schedules)
        parts.append(table(SCHEDULES, told))
    return Group(*parts)


def _words(snapshot: PastSnapshot) -> Iterator[tuple[str, str]]:
    """Yield what no table tells, each with its colour."""
    if snapshot.missing:
        yield f"Nobody was there as {', '.join(snapshot.missing)}.", "bold red"
    for change in snapshot.missed:
        if change.state == "dead":
            ago = duration((snapshot.at - change.at).total_seconds())
            yield f"{change.instance}: dead for {ago}; it had ended without a word, or stood still.", "yellow"
    if snapshot.routes is None:
        yield "The ledger tells of no routing table that was in force.", ""
    else:
        routes = snapshot.routes
        by = f" by {routes.by}" if routes.by else ""
        why = f": {routes.reason}" if routes.reason else ""
        yield f"Routing table {snapshot.routes_revision} was in force, from {moment(routes.at)}{by}{why}", ""


def _counts(title: str, counts: Mapping[str, Mapping[State, int]]) -> "RenderableType":
    states = [state for state in STATES if any(state in each for each in counts.values())]
    rows = (
        (name, *(f"{each[state]:,}" if state in each else "-" for state in states)) for name, each in counts.items()
    )
    return table((title, *states), rows, right=states)
