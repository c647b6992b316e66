"""`sanctuary workflow run`, `resume` and `retry`: beginning runs, and waiting for them."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli.options import FAILED, json_option, print_json, run, where_options
from ops.connect import Where

if TYPE_CHECKING:
    from bus.client import Submitted, Submitter
    from bus.definitions import Definitions
    from bus.network import Network
    from ops.cli.progress import Shown
    from ops.following import StepNews
    from schemas import TaskResult, WorkflowStart

LONGEST_TIMEOUT_S = 31_536_000


def _waiting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what says whether the run is waited for, and what becomes of its result."""
    for option in (
        click.option("--detach", is_flag=True, help="Do not wait: print the run's id and its number in the ledger."),
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path, file_okay=False),
            help="Write the files of the result into this directory, and those of the steps below it.",
        ),
        json_option,
        where_options,
    ):
        command = option(command)
    return command


@click.command(name="run")
@click.argument("workflow", metavar="NAME|FILE")
@click.option(
    "-i", "--input", "pairs", multiple=True, metavar="KEY=VALUE", help="A field of the input; what is no text as JSON."
)
@click.option(
    "--input-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True),
    help="The input as a JSON object.",
)
@click.option(
    "-t",
    "--target",
    metavar="TARGET",
    help="The input's field `target`: a directory here, a git URL, or artifact:NAME.",
)
@click.option("-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Something to find the run by.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, LONGEST_TIMEOUT_S, min_open=True),
    help="Seconds that the run may take; default: the definition's own.",
)
@_waiting_options
def run_(workflow: str, **options: Any) -> None:
    """Run a workflow: one that is stored, by NAME, or the one in FILE, which is stored first.

    Shows how its steps fare, then the result; with --json one object a line. Exits with 1 where the run failed.

    \b
    sanctuary workflow run review -i target=. -o report
    sanctuary workflow run ./nightly.toml -i target=. -l team=a --detach
    """  # noqa: D301  click reads the backspace as "keep these lines"
    run(_run(workflow, **options))


async def _run(
    workflow: str,
    *,
    where: Where,
    pairs: tuple[str, ...],
    input_file: Path | None,
    target: str | None,
    labels: tuple[str, ...],
    timeout_s: float | None,
    **waiting: Any,
) -> int:
    from bus.definitions import Definitions
    from ops.assignments import labels as read_labels
    from ops.cli.workflow_definitions import put
    from ops.workflow_input import is_file, read_definition, read_input
    from ops.workflows import known
    from schemas import WorkflowStart, new_id

    # What is wrong with a file is told before anything is connected.
    definition = read_definition(Path(workflow)) if is_file(workflow) else None
    async with where.open("workflow run") as network:
        definitions = Definitions(network)
        if definition is None:
            in_force = await known(definitions, workflow)
            definition, version = in_force.definition, in_force.version
            given = read_input(definition, pairs, input_file, target)
        else:
            given = read_input(definition, pairs, input_file, target)
            version = await put(network, definition, reason="", told=True)
        start = WorkflowStart(
            id=new_id(), input=given, labels=dict(read_labels(labels)), timeout_s=timeout_s, version=version
        )
        return await begin(network, definitions, definition.name, start, **waiting)


@click.command()
@click.argument("workflow_id", metavar="ID")
@_waiting_options
def resume(workflow_id: str, **options: Any) -> None:
    """Go on with the ended run ID where it failed: a new run with the same input and version, which keeps what was completed."""
    run(_again(workflow_id, resuming=True, **options))


@click.command()
@click.argument("workflow_id", metavar="ID")
@_waiting_options
def retry(workflow_id: str, **options: Any) -> None:
    """Run the ended run ID again from the beginning: a new run with the same input and the newest version."""
    run(_again(workflow_id, resuming=False, **options))


async def _again(workflow_id: str, *, where: Where, resuming: bool, **waiting: Any) -> int:
    from bus.definitions import Definitions
    from ops.cli.ids import check_id
    from ops.workflows import again, find_run

    check_id(workflow_id)
    async with where.open("workflow resume" if resuming else "workflow retry") as network:
        definitions = Definitions(network)
        old = await find_run(network, definitions, workflow_id)
        return await begin(network, definitions, old.name, again(old, resume=resuming), **waiting)


async def begin(
    network: "Network",
    definitions: "Definitions",
    name: str,
    start: "WorkflowStart",
    *,
    detach: bool,
    output: Path | None,
    as_json: bool,
) -> int:
    """Begin a run and, unless detached, wait for it and print what became of it; returns the exit status.

    Raises:
        SanctuaryError: it could not be stored, or its files could not be fetched.
    """
    from bus.client import Submitter
    from ops.cli.files import fetch_run
    from ops.cli.progress import Board, JsonLines, print_line
    from ops.cli.waiting import show_run
    from ops.workflows import find_run
    from schemas import TaskCompletion

    if detach and output is not None:
        raise ValueError(
            "with --detach there is no result to write: leave out --output, or fetch it by `sanctuary workflow show`"
        )
    async with Submitter(network) as submitter:
        submitted = await submitter.start_workflow(name, start)
        if detach:
            _print_detached(submitted, name, as_json=as_json)
            return 0
        if as_json:
            print_line("started", {"id": submitted.id, "workflow": name, "sequence": submitted.sequence})
        else:
            click.echo(f"{name} runs as {submitted.id} (#{submitted.sequence})", err=True)
        with JsonLines() if as_json else Board() as shown:
            try:
                result = await wait(network, submitter, definitions, submitted.id, shown)
            except asyncio.CancelledError:
                shown.note(f"The run goes on; {show_run(submitted.id)} tells how.")
                raise
    files = []
    if output is not None:
        files = await fetch_run(network, await find_run(network, definitions, submitted.id), output)
    if as_json:
        print_line("result", {"result": result, "files": [str(path) for path in files]})
    else:
        from ops.cli.results import print_result

        print_result(result, steps=False)
        for path in files:
            click.echo(f"wrote {path}")
        click.echo(show_run(submitted.id), err=True)
    return 0 if isinstance(result, TaskCompletion) else FAILED


async def wait(
    network: "Network", submitter: "Submitter", definitions: "Definitions", workflow_id: str, shown: "Shown"
) -> "TaskResult":
    """Return a run's result, however long it takes, and show meanwhile how it goes."""
    from bus.errors import SanctuaryError
    from bus.identity import OMEGA
    from bus.subjects import WORKFLOW_TYPE
    from ops.cli.waiting import tell_if_nobody
    from ops.following import Following

    asked: set[str] = set()

    def on_news(news: "StepNews") -> None:
        shown.show(news)
        if news.kind == "decision" and news.state == "waiting" and news.step not in asked:
            asked.add(news.step)
            shown.note(f"{news.step} waits for a decision: {decide_command(workflow_id, news.step)}")

    async with Following(network, definitions, workflow_id, on_news) as following:
        asking = asyncio.create_task(tell_if_nobody(network, OMEGA, following.begun))
        try:
            result = await submitter.result(WORKFLOW_TYPE, workflow_id)
            # The last steps may have ended with it.
            with contextlib.suppress(SanctuaryError):
                await following.look()
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
    return result


def _print_detached(submitted: "Submitted", name: str, *, as_json: bool) -> None:
    from ops.cli.waiting import show_run

    if as_json:
        print_json({"id": submitted.id, "workflow": name, "sequence": submitted.sequence})
    else:
        click.echo(f"{submitted.id} #{submitted.sequence}")
        click.echo(show_run(submitted.id), err=True)


def decide_command(workflow_id: str, step: str) -> str:
    """Return the command line that decides what a step waits for."""
    from ops.hints import command_line

    return command_line("decide", workflow_id, step, "approve|reject", options="--comment '…'")
