"""`sanctuary workflow list`, `show` and `history`: how runs fare."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ops.cli.ids import check_id
from ops.cli.options import json_option, print_json, run, where_options
from ops.cli.text import clean, duration, moment, shortened, show, table
from ops.connect import Where
from ops.hints import command_line
from ops.stories import STATES, State

if TYPE_CHECKING:
    from bus.network import Network
    from ops.stories import Story
    from ops.workflows import Run

MAX_OUTCOME = 80
MAX_INPUT = 200


@click.command(name="list")
@where_options
@json_option
@click.option("--name", "names", multiple=True, metavar="NAME", help="Only runs of this workflow.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only runs in this state.")
@click.option("-l", "--label", "pairs", multiple=True, metavar="KEY=VALUE", help="Only runs with this label.")
@click.option(
    "--since", metavar="TIME", help="Only runs started since then: 90s, 15m, 2h, 3d ago, or 2026-11-20T10:00Z."
)
@click.option("--until", metavar="TIME", help="Only runs started before then; as --since.")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
def list_(
    where: Where,
    *,
    as_json: bool,
    names: tuple[str, ...],
    states: tuple[State, ...],
    pairs: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int,
) -> None:
    """List the newest runs, newest first. Options of one kind add up; a run must have all labels."""
    from bus.subjects import WORKFLOW_TYPE
    from ops.assignments import labels
    from ops.cli.times import point_in_time
    from ops.lookup import Wanted

    now = datetime.now(UTC)

    async def listed() -> None:
        wanted = Wanted(
            types=(WORKFLOW_TYPE,),
            workflows=names,
            states=states,
            labels=labels(pairs),
            since=point_in_time(since, now, "--since"),
            until=point_in_time(until, now, "--until"),
        )
        await _list(where, wanted, as_json=as_json, limit=limit)

    run(listed())


async def _list(where: Where, wanted: Any, *, as_json: bool, limit: int) -> None:
    from ops.cli.results import plain_story
    from ops.lookup import newest

    async with where.open("workflow list") as network:
        stories = await newest(network, wanted, limit=limit)
    if as_json:
        print_json({"runs": [{"workflow": _name(each), **plain_story(each, whole=False)} for each in stories]})
    elif stories:
        columns = ("started", "workflow", "id", "state", "took", "outcome")
        least = ("took", "started", "outcome", "workflow")
        show(table(columns, map(_row, stories), right=("took",), cut="outcome", least=least))
    else:
        click.echo("No such runs.")


def _name(story: "Story") -> str:
    from ops.lookup import workflow_name

    return workflow_name(story.assignment) if story.assignment else "-"


def _row(story: "Story") -> tuple[str, ...]:
    from clones.omega.wording import cancelled
    from schemas import ErrorCode, TaskCompletion, WorkflowWaiting

    if story.result is None:
        last = story.events[-1].event if story.events else None
        outcome = last.message if isinstance(last, WorkflowWaiting) else ""
    elif isinstance(story.result, TaskCompletion):
        outcome = story.result.summary
    elif story.result.code == ErrorCode.CANCELLED:
        outcome = cancelled(story.result)
    else:
        outcome = f"{story.result.code}: {story.result.message}"
    return (
        moment(story.submitted_at).partition(".")[0] if story.submitted_at else "-",
        _name(story),
        story.task_id,
        story.state,
        duration(story.took_s),
        shortened(outcome, MAX_OUTCOME),
    )


@click.command(name="show")
@click.argument("workflow_id", metavar="ID")
@where_options
@json_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write the files of the result into this directory, and those of the steps below it.",
)
def show_(workflow_id: str, where: Where, *, as_json: bool, output: Path | None) -> None:
    """Show the run ID: how its steps fare, what it waits for and how to decide it, and its result."""
    run(_show(workflow_id, where, as_json=as_json, output=output))


async def _show(workflow_id: str, where: Where, *, as_json: bool, output: Path | None) -> None:
    from ops.cli.files import fetch_run

    async with where.open("workflow show") as network:
        found = await _find(network, workflow_id)
        files = [] if output is None else await fetch_run(network, found, output)
    if as_json:
        shown = _plain(found)
        print_json({**shown, "files": [str(path) for path in files]} if output else shown)
        return
    _print(found)
    for path in files:
        click.echo(f"wrote {path}")


async def _find(network: "Network", workflow_id: str) -> "Run":
    from bus.definitions import Definitions
    from ops.workflows import find_run

    check_id(workflow_id)
    return await find_run(network, Definitions(network), workflow_id)


def _plain(found: "Run") -> dict[str, Any]:
    from ops.cli.results import plain_story
    from ops.cli.steps import took_s

    now = datetime.now(UTC)
    begun = found.begun
    return {
        "workflow": found.name,
        "version": found.version,
        **plain_story(found.story, whole=False),
        "state": found.status,
        "input": begun.input
        if begun
        else (found.story.assignment.fields.get("input") if found.story.assignment else None),
        "parent_id": begun.parent_id if begun else None,
        "retry_of": begun.retry_of if begun else None,
        "resumed": begun.resumed if begun else False,
        "steps": [{**msgspec.to_builtins(line), "took_s": took_s(line, now)} for line in found.lines],
        "waits_for": [each._asdict() for each in found.awaited],
        "result": msgspec.to_builtins(found.story.result),
    }


def _print(found: "Run") -> None:
    from ops.cli.progress import STYLES
    from ops.cli.results import print_result
    from ops.cli.steps import steps_table
    from ops.cli.workflow_running import decide_command

    story = found.story
    version = f" v{found.version}" if found.version else ""
    colour = STYLES.get(found.status, "").removeprefix("bold ").replace("dim", "") or None
    click.echo(
        f"workflow {clean(found.name)}{version}, {story.task_id}: " + click.style(found.status, fg=colour, bold=True)
    )
    for words in _about(found):
        click.echo(words)
    now = datetime.now(UTC)
    if found.lines:
        click.echo()
        show(steps_table(found.lines, now))
    for awaited in found.awaited:
        until = f", until {moment(awaited.until).partition('.')[0]}" if awaited.until else ""
        waited = duration((now - awaited.since).total_seconds())
        click.echo(f"\n{awaited.step} waits for a decision, for {waited} now{until}")
        for line in awaited.prompt.splitlines():
            click.echo(f"  {clean(line)}")
        click.echo(f"  {decide_command(story.task_id, awaited.step)}")
    if story.result is not None:
        click.echo()
        print_result(story.result, steps=False)
        if story.state in ("failed", "cancelled"):
            click.echo(f"{command_line('workflow resume', story.task_id)} goes on with what was completed.", err=True)


def _about(found: "Run") -> list[str]:
    """Return what is to be said of a run beside its steps, a line each."""
    story, begun = found.story, found.begun
    told = []
    if story.submitted_at is not None:
        took = f", took {duration(story.took_s)}" if story.took_s is not None else ""
        told.append(f"started {moment(story.submitted_at).partition('.')[0]}{took}")
    if begun is not None:
        if begun.input:
            told.append(f"input {shortened(msgspec.json.encode(begun.input).decode(), MAX_INPUT)}")
        if begun.retry_of:
            told.append(f"{'goes on with' if begun.resumed else 'runs again'} {clean(begun.retry_of)}")
        if begun.parent_id:
            told.append(f"for {clean(begun.parent_id)}")
    elif story.result is None:
        told.append("not begun yet: an Omega takes it when one is free")
    if story.labels:
        told.append("labels " + ", ".join(clean(f"{key}={value}") for key, value in story.labels.items()))
    if begun is not None and found.definition is None:
        told.append(f"version {found.version} of {found.name} is not to be found, so its steps are not shown")
    return told


@click.command()
@click.argument("workflow_id", metavar="ID")
@where_options
@json_option
def history(workflow_id: str, where: Where, *, as_json: bool) -> None:
    """Print the history of the run ID: every event that its state follows from, and which Omega wrote it.

    Lines with → are what follows from the entry above them: they stand in no entry of their own. `under` is the entry of the
    ledger, the run's start or a wake-up, for which that Omega drove the run; `audit show ID --entries` has it.
    """
    run(_history(workflow_id, where, as_json=as_json))


async def _history(workflow_id: str, where: Where, *, as_json: bool) -> None:
    from ops.entries import without_secret
    from ops.history_rows import rows

    async with where.open("workflow history") as network:
        found = await _find(network, workflow_id)
    if as_json:
        entries = [
            {"sequence": each.sequence, **without_secret(msgspec.to_builtins(each.entry))} for each in found.history
        ]
        print_json({"entries": entries})
    elif found.history:
        shown = [
            (_number(row.sequence), moment(row.at), row.by or "-", _number(row.under), row.words)
            for row in rows(found.history, found.definition, found.story.result)
        ]
        columns = ("entry", "at", "by", "under", "what happened")
        show(table(columns, shown, right=("entry", "under"), cut="what happened", least=("under", "by", "at")))
    else:
        click.echo("It has not begun: there is no history yet.")


def _number(sequence: int | None) -> str:
    return "-" if sequence is None else f"#{sequence}"
