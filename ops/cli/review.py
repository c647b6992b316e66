"""`sanctuary review PATH`: all clones look at one project, and a report is left."""

import shlex
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.cli.options import (
    FAILED,
    UNUSABLE,
    clone_options,
    fail,
    json_option,
    loaded_model,
    print_json,
    run,
    verbose_option,
    where_options,
)
from ops.cli.text import clean
from ops.cli.up import say, stopped_by_signals, sync_option
from ops.connect import Where

if TYPE_CHECKING:
    from bus.network import Network
    from ops.workflows import Run

WORKFLOW = "review"
REPORT_FILES = ("report.html", "report.md", "report.json")


@click.command()
@click.argument("target")
@where_options
@clone_options
@verbose_option
@sync_option
@json_option
@click.option("--up", "start", is_flag=True, help="Start a network of its own for this review, and stop it afterwards.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default="report",
    show_default=True,
    help="Where the report is written to.",
)
@click.option(
    "--command", "command_line", default="", help="A Python command to profile too, for example 'python -m mypackage'."
)
@click.option(
    "--timeout",
    "step_timeout_s",
    type=click.FloatRange(30, 86400),
    default=900.0,
    show_default=True,
    help="Seconds that each analysis may take.",
)
def review(target: str, **rest: Any) -> None:
    """Review TARGET (a directory or a git URL) with all clones: security, architecture, tests, documentation.

    Exits with 0 when every analysis was done, with 1 when one failed; the report says which and why.
    """
    from ops.logs import configure

    configure("review", verbose=rest["verbose"])
    if rest["model"] is not None and not rest["start"]:
        fail("--model is for a network that this command starts: add --up, or give it to the clones that run", UNUSABLE)
    loaded_model(rest["model"])  # as in `up`; the clones' own warnings go to files
    run(_review(target, **rest))


async def _review(
    target: str,
    *,
    where: Where,
    start: bool,
    as_json: bool,
    output: Path,
    command_line: str,
    step_timeout_s: float,
    **local: Any,
) -> int:
    wanted = _wanted(target, command_line, step_timeout_s, output, here=start)
    with stopped_by_signals():
        async with AsyncExitStack() as stack:
            if start:
                where = await _start(stack, where, wanted["target"], local)
            network = await stack.enter_async_context(where.open("review"))
            say(f"reviewing {wanted['target']}")
            reviewed = await _run(network, wanted, output)
        if as_json:
            print_json(
                {
                    "workflow_id": reviewed.run.id,
                    "took_s": round(reviewed.took_s, 1),
                    "result": reviewed.run.story.result,
                    "files": [str(path) for path in reviewed.report],
                }
            )
        else:
            summarise(reviewed)
        failed = any(line.state == "failed" for line in reviewed.run.lines)
        return FAILED if failed or not reviewed.report else 0
    return FAILED


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A review that has ended."""

    run: "Run"
    flawed: "set[str]"
    """The steps that were done and found that not all is well."""
    report: tuple[Path, ...]
    """The report's files, where they were written to."""
    directories: tuple[Path, ...]
    """Where the files that the steps made were written to."""
    took_s: float


async def _run(network: "Network", wanted: dict[str, Any], output: Path) -> Reviewed:
    from bus.client import Submitter
    from bus.definitions import Definitions
    from ops.cli.files import fetch_run
    from ops.cli.progress import Board
    from ops.cli.workflow_running import wait
    from ops.flaws import flawed_steps
    from ops.workflows import find_run
    from schemas import WorkflowStart

    begun = time.monotonic()
    definitions = Definitions(network)
    async with Submitter(network) as submitter:
        submitted = await submitter.start_workflow(WORKFLOW, WorkflowStart(input=wanted))
        with Board() as board:
            await wait(network, submitter, definitions, submitted.id, board)
    ended = await find_run(network, definitions, submitted.id)
    files = await fetch_run(network, ended, output, top=REPORT_FILES)
    return Reviewed(
        run=ended,
        flawed=await flawed_steps(network, ended.ended),
        report=tuple(path for path in files if path.parent == output),
        directories=tuple(
            output / line.step for line in ended.lines if any(path.is_relative_to(output / line.step) for path in files)
        ),
        took_s=time.monotonic() - begun,
    )


def _wanted(target: str, command_line: str, step_timeout_s: float, output: Path, *, here: bool) -> dict[str, Any]:
    """Return the review's input; what cannot work is told here, before anything is started.

    `here` says that the clones run on this machine, so that a directory must be on it.
    """
    from ops.assignments import absolute

    try:
        command = shlex.split(command_line)
    except ValueError as error:
        raise ValueError(f"the command {command_line!r} cannot be split into arguments: {error}") from None
    wanted: dict[str, Any] = {"target": absolute(target), "command": command, "step_timeout_s": step_timeout_s}
    if here and Path(wanted["target"]).is_absolute() and not Path(wanted["target"]).is_dir():
        raise ValueError(f"there is no directory {wanted['target']}")
    output.mkdir(parents=True, exist_ok=True)
    return wanted


async def _start(stack: AsyncExitStack, where: Where, target: str, local: dict[str, Any]) -> Where:
    """Start a network that may read the target; its daemons log to files, as the terminal shows the work."""
    from ops.local import LocalOptions, local_network

    roots = [root.resolve() for root in local["roots"]]
    if Path(target).is_absolute():
        roots.append(Path(target))
    options = LocalOptions(
        where=where,
        **{**local, "workspace": local["workspace"].resolve(), "roots": tuple(roots)},
        port=-1,
        metrics_port=None,
        log_directory=where.store.absolute() / "logs",
    )
    return (await stack.enter_async_context(local_network(options, say))).where


def summarise(reviewed: Reviewed) -> None:
    """Print how each analysis ended and where the report is."""
    from ops.cli.steps import took_s
    from ops.history_words import of_line
    from schemas import TaskFailure

    result = reviewed.run.story.result
    if isinstance(result, TaskFailure):
        click.echo(f"the review failed ({result.code}): {clean(result.message)}")
    for line in reviewed.run.lines:
        told = clean(of_line(line))
        if line.state == "completed":
            mark = click.style("! ", fg="yellow") if line.step in reviewed.flawed else click.style("✓ ", fg="green")
            click.echo(mark + f"{line.step} ({took_s(line, datetime.now(UTC)):.1f} s): {told}")
        elif line.state == "skipped":
            why = "no command to profile was given (--command)" if line.step == "performance" else told
            click.echo(f"- {line.step}: {why}")
        else:
            click.echo(click.style(f"✗ {line.step}: ", fg="red") + (told or line.state))
    for path in reviewed.report:
        click.echo(f"report: {path}")
    if reviewed.directories:
        click.echo(f"files:  {', '.join(str(path) for path in reviewed.directories)}")
