"""`sanctuary task`: what became of tasks, and steering them."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bus.errors import SanctuaryError
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from clones.omega.wording import cancelled
from clones.routing import known_types
from clones.tables import table_of
from ops.assignments import labels
from ops.cli import steering
from ops.cli.files import Fetched
from ops.cli.ids import check_id, no_such_task
from ops.cli.options import json_option, print_json, run, where_options
from ops.cli.results import plain_moments, plain_story, print_story
from ops.cli.text import clean, duration, moment, shortened, show, table
from ops.cli.times import point_in_time
from ops.connect import Where
from ops.hints import command_line
from ops.lookup import Wanted, find, newest, said_about
from ops.result_data import whole
from ops.stories import STATES, State, Story, fold
from ops.timeline import timeline
from schemas import ErrorCode, TaskCompletion, TaskResult

MAX_OUTCOME = 80


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def task() -> None:
    """Show tasks, list them, and end them or let them go on."""


for command in steering.COMMANDS:
    task.add_command(command)


@task.command(name="list")
@where_options
@json_option
@click.option(
    "--type", "types", multiple=True, metavar="TYPE", help="Only tasks of this type (`workflow` for workflows)."
)
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only tasks in this state.")
@click.option("--clone", "clones", multiple=True, metavar="NAME", help="Only tasks that this clone ended, or has.")
@click.option("-l", "--label", "pairs", multiple=True, metavar="KEY=VALUE", help="Only tasks with this label.")
@click.option(
    "--since", metavar="TIME", help="Only tasks stored since then: 90s, 15m, 2h, 3d ago, or 2026-11-20T10:00Z."
)
@click.option("--until", metavar="TIME", help="Only tasks stored before then; as --since.")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
def list_(
    where: Where,
    *,
    as_json: bool,
    types: tuple[str, ...],
    states: tuple[State, ...],
    clones: tuple[str, ...],
    pairs: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int,
) -> None:
    """List the newest tasks and workflows, newest first. Options of one kind add up; a task must have all labels."""
    now = datetime.now(UTC)

    async def listed() -> None:
        wanted = Wanted(
            types=types,
            states=states,
            clones=clones,
            labels=labels(pairs),
            since=point_in_time(since, now, "--since"),
            until=point_in_time(until, now, "--until"),
        )
        await _list(where, wanted, as_json=as_json, limit=limit)

    run(listed())


async def _list(where: Where, wanted: Wanted, *, as_json: bool, limit: int) -> None:
    async with where.open("task list") as network:
        table_ = await table_of(network)
        # A type that nobody serves any more is what its tasks are looked for by.
        types = [table_.aliases.get(name, name) for name in wanted.types]
        stories = await newest(network, replace(wanted, types=types), limit=limit)
    unserved = [name for name in types if name != WORKFLOW_TYPE and name not in table_.routes]
    if as_json:
        print_json({"tasks": [plain_story(story, whole=False) for story in stories]})
    elif stories:
        columns = ("stored", "type", "id", "state", "clone", "attempt", "waited", "took", "result")
        least = ("attempt", "waited", "clone", "took", "stored", "result", "type")
        rows = map(_row, stories)
        show(table(columns, rows, right=("attempt", "waited", "took"), cut="result", least=least))
    else:
        chosen = wanted != Wanted()
        click.echo("No such tasks." if chosen else f"No tasks yet. `{command_line('call security -t .')}` makes one.")
        if unserved:
            click.echo(f"No clone serves {', '.join(map(clean, unserved))}. Known: {known_types(table_)}", err=True)


def _row(story: Story) -> tuple[str, ...]:
    return (
        moment(story.submitted_at).partition(".")[0] if story.submitted_at else "-",
        story.task_type,
        story.task_id,
        story.state,
        story.clone or "-",
        str(story.attempt or "-"),
        duration(story.waited_s),
        duration(story.took_s),
        shortened(_outcome(story.result), MAX_OUTCOME),
    )


def _outcome(result: TaskResult | None) -> str:
    if result is None:
        return ""
    if isinstance(result, TaskCompletion):
        return result.summary
    return cancelled(result) if result.code == ErrorCode.CANCELLED else f"{result.code}: {result.message}"


@task.command(name="show")
@click.argument("task_id", metavar="ID")
@where_options
@json_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write the task's artifacts into this directory.",
)
def show_(task_id: str, where: Where, *, as_json: bool, output: Path | None) -> None:
    """Show what became of the task or workflow ID: its way through the network and its result."""
    run(_show(task_id, where, as_json=as_json, output=output))


async def _show(task_id: str, where: Where, *, as_json: bool, output: Path | None) -> int:
    check_id(task_id)
    async with where.open("task show") as network:
        stories = list(fold(await find(network, task_id)).values())
        if not stories:
            raise SanctuaryError(no_such_task(task_id))
        said = await said_about(network, stories)
        files = [file for story in stories for file in await _fetch(network, story.result, output)]
        if not as_json:
            stories = [
                replace(story, result=await whole(network, story.result)) if story.result else story
                for story in stories
            ]
    timelines = [
        timeline(story, [each for each in said.entries if said.concerns(each, story)], said.verdicts)
        for story in stories
    ]
    if as_json:
        tasks = [
            {**plain_story(story, whole=True), "timeline": plain_moments(moments)}
            for story, moments in zip(stories, timelines, strict=True)
        ]
        shown: dict[str, Any] = {"tasks": tasks}
        print_json({**shown, "files": [str(path) for path in files]} if output else shown)
    else:
        for story, moments in zip(stories, timelines, strict=True):
            print_story(story, moments)
        for path in files:
            click.echo(f"wrote {path}")
    return 0


async def _fetch(network: Network, result: TaskResult | None, output: Path | None) -> list[Path]:
    if output is None or not isinstance(result, TaskCompletion):
        return []
    fetched = Fetched(network)
    for ref in result.artifacts:
        await fetched.fetch(ref, output)
    return fetched.files
