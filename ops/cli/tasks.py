"""`sanctuary submit`, `call` and `task`: tasks in, results out, and what became of them."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, cast

import click

from bus.artifacts import Artifacts
from bus.client import Submitted, Submitter
from bus.errors import SanctuaryError
from bus.network import Network
from bus.subjects import PRIORITIES, WORKFLOW_TYPE
from clones.tables import table_of
from ops.assignments import Wanted, build, known_type
from ops.cli.options import FAILED, json_option, print_json, run, where_options
from ops.cli.results import plain_story, print_result, print_story
from ops.cli.text import clean, duration, moment, shortened, show, size, table
from ops.cli.waiting import show_command, wait
from ops.connect import Where
from ops.lookup import find, newest
from ops.stories import STATES, State, Story, fold
from schemas import Priority, TaskCompletion, TaskResult, is_task_id, new_id

LONGEST_TIMEOUT_S = 31_536_000


def _task_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what describes a task."""
    for option in (
        click.argument("task_type", metavar="TYPE"),
        click.option(
            "-t", "--target", help="A directory, a git URL (#revision behind it), or artifact:NAME.", metavar="TARGET"
        ),
        click.option(
            "--upload",
            type=click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True),
            help="Upload this directory as the target, for clones on other machines.",
        ),
        click.option("-p", "--params", default="{}", metavar="JSON", help="The task's parameters."),
        click.option("--priority", type=click.Choice(PRIORITIES), help="Default: the type's own."),
        click.option(
            "--timeout",
            "timeout_s",
            type=click.FloatRange(0, LONGEST_TIMEOUT_S, min_open=True),
            help="Seconds that one attempt may run; default: the type's own.",
        ),
        click.option(
            "--retries", type=click.IntRange(0, 100), help="Attempts after the first; default: the type's own."
        ),
        click.option(
            "-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Something to find the task by."
        ),
        click.option(
            "--id", "task_id", help="The task's id; a second task with the same id gets the first one's result."
        ),
        json_option,
        where_options,
    ):
        command = option(command)
    return command


@click.command()
@_task_options
@click.option("--wait", "waiting", is_flag=True, help="Wait for the result and print it, as `call` does.")
def submit(waiting: bool, **options: Any) -> None:
    """Store a task of TYPE and print its id and its number in the ledger."""
    run(_submit(waiting=waiting, **options))


@click.command()
@_task_options
def call(**options: Any) -> None:
    """Submit a task of TYPE, wait for its result and print it. Exits with 1 where the task failed."""
    run(_submit(waiting=True, **options))


async def _submit(
    *,
    where: Where,
    waiting: bool,
    as_json: bool,
    task_type: str,
    target: str | None,
    upload: Path | None,
    priority: str | None,
    task_id: str | None,
    **described: Any,
) -> int:
    name = f"uploads/{new_id()}.tar.gz"
    if upload is not None:
        if target is not None:
            raise ValueError("name the target once: by --target or by --upload")
        target = f"artifact:{name}"
    wanted = Wanted(task_type=task_type, target=target, id=task_id, **described)
    async with where.open("submit") as network, Submitter(network) as submitter:
        table = await table_of(network)
        found, assignment = build(table, wanted)
        if upload is not None:
            await _upload(network, upload, name)
        submitted = await submitter.submit(found, assignment, priority=cast(Priority | None, priority))
        if not waiting:
            _print_submitted(submitted, as_json=as_json)
            return 0
        result = await wait(network, submitter, submitted, table.routes[found].clone)
    if as_json:
        print_json(result)
    else:
        print_result(result)
        click.echo(show_command(submitted.id), err=True)
    return 0 if isinstance(result, TaskCompletion) else FAILED


def _print_submitted(submitted: Submitted, *, as_json: bool) -> None:
    if as_json:
        print_json({"id": submitted.id, "task_type": submitted.task_type, "sequence": submitted.sequence})
    else:
        click.echo(f"{submitted.id} #{submitted.sequence}")
        click.echo(show_command(submitted.id), err=True)


async def _upload(network: Network, directory: Path, name: str) -> None:
    from clones.engines.contract import EngineError
    from clones.packing import pack

    with tempfile.TemporaryDirectory(prefix="sanctuary-upload-") as scratch:
        archive = Path(scratch) / "upload.tar.gz"
        try:
            packed = await asyncio.to_thread(pack, directory, archive)
        except (EngineError, OSError) as error:
            raise SanctuaryError(f"{directory} cannot be uploaded: {error}") from None
        filename = f"{directory.name or 'project'}.tar.gz"
        await Artifacts(network).put(archive, name=name, filename=filename, media_type="application/gzip")
    left_out = f", {len(packed.left_out)} left out" if packed.left_out else ""
    click.echo(f"uploaded {packed.files:,} files, {size(packed.archive_bytes)} packed{left_out}", err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def task() -> None:
    """Show one task, or list the newest."""


@task.command(name="list")
@where_options
@json_option
@click.option(
    "--type", "types", multiple=True, metavar="TYPE", help="Only tasks of this type (`workflow` for workflows)."
)
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only tasks in this state.")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True)
def list_(where: Where, *, as_json: bool, types: tuple[str, ...], states: tuple[State, ...], limit: int) -> None:
    """List the newest tasks and workflows, newest first."""
    run(_list(where, as_json=as_json, types=types, states=states, limit=limit))


async def _list(where: Where, *, as_json: bool, types: tuple[str, ...], states: tuple[State, ...], limit: int) -> None:
    async with where.open("task list") as network:
        table_ = await table_of(network)
        known = [name if name == WORKFLOW_TYPE else known_type(table_, name) for name in types]
        stories = await newest(network, types=known, states=states, limit=limit)
    if as_json:
        print_json({"tasks": [plain_story(story, whole=False) for story in stories]})
    elif stories:
        columns = ("stored", "type", "id", "state", "clone", "attempt", "waited", "took", "result")
        show(table(columns, map(_row, stories), right=("attempt", "waited", "took")))
    else:
        click.echo("No such tasks." if types or states else "No tasks yet. `sanctuary call security -t .` makes one.")


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
        shortened(_outcome(story.result), 80),
    )


def _outcome(result: TaskResult | None) -> str:
    if result is None:
        return ""
    return result.summary if isinstance(result, TaskCompletion) else f"{result.code}: {result.message}"


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
            raise SanctuaryError(no_such_task(task_id, network))
        files = [file for story in stories for file in await _fetch(network, story.result, output)]
    if as_json:
        shown: dict[str, Any] = {"tasks": [plain_story(story, whole=True) for story in stories]}
        print_json({**shown, "files": [str(path) for path in files]} if output else shown)
    else:
        for story in stories:
            print_story(story)
        for path in files:
            click.echo(f"wrote {path}")
    return 0


def check_id(task_id: str) -> None:
    """Refuse what can be no task's id.

    Raises:
        ValueError: it cannot.
    """
    if not is_task_id(task_id):
        raise ValueError(f"{clean(task_id)!r} is no task id: those have 1 to 64 of A-Z a-z 0-9 _ -")


def no_such_task(task_id: str, network: Network) -> str:
    """Return what is said where an id is not found."""
    return f"the ledger {network.subjects.ledger} has no task {task_id}; `sanctuary task list` shows the newest"


async def _fetch(network: Network, result: TaskResult | None, output: Path | None) -> list[Path]:
    if output is None or not isinstance(result, TaskCompletion):
        return []
    artifacts = Artifacts(network)
    files: list[Path] = []
    for ref in result.artifacts:
        path = output / relative_path(ref.filename)
        if path in files:
            path = path.with_name(f"{len(files)}-{path.name}")
        await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
        await artifacts.get(ref.name, path)
        files.append(path)
    return files


def relative_path(filename: str) -> PurePosixPath:
    """Return a path that stays below the directory it is joined to, whatever the producer called the file."""
    parts = [part for part in PurePosixPath(clean(filename)).parts if part not in ("/", "//", "..")]
    return PurePosixPath(*parts) if parts else PurePosixPath("artifact")
