"""`sanctuary submit` and `call`: tasks in, results out."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click

from bus.artifacts import Artifacts
from bus.client import Submitted, Submitter
from bus.errors import SanctuaryError
from bus.network import Network
from bus.subjects import PRIORITIES
from clones.tables import table_of
from ops.assignments import Wanted, build
from ops.cli.options import FAILED, json_option, print_json, run, where_options
from ops.cli.results import print_result
from ops.cli.text import clean, size
from ops.cli.waiting import show_command, wait
from ops.connect import Where
from ops.result_data import whole
from schemas import Priority, TaskCompletion, new_id

LONGEST_TIMEOUT_S = 31_536_000
MAX_LEFT_OUT = 10
"""Of what an upload leaves out, so many are named."""


def _params(_context: click.Context, _option: click.Parameter, said: str) -> str:
    """Return the JSON that was said, or what the file behind `@` holds: an argument cannot be as long as a file."""
    if not said.startswith("@"):
        return said
    try:
        return Path(said[1:]).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"{said[1:]!r} cannot be read: {error}") from None


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
        click.option(
            "-p",
            "--params",
            default="{}",
            metavar="JSON|@FILE",
            callback=_params,
            help="The task's parameters, or a file that holds them.",
        ),
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
            "--cache/--no-cache",
            default=None,
            help="Whether an earlier result for the same target and parameters will do, if it is a built-in type's; with "
            "--no-cache the task is done anew, and later ones with --cache have this result. Default: neither.",
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
        shown = result if as_json else await whole(network, result)
    if as_json:
        print_json(result)
    else:
        print_result(shown)
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
    for each in packed.left_out[:MAX_LEFT_OUT]:
        click.echo(f"left out: {clean(each.subject)}: {clean(each.reason)}", err=True)
    if len(packed.left_out) > MAX_LEFT_OUT:
        click.echo(f"left out: {len(packed.left_out) - MAX_LEFT_OUT} more", err=True)
    click.echo(f"uploaded {packed.files:,} files, {size(packed.archive_bytes)} packed", err=True)
