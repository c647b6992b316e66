"""`sanctuary review PATH`: all clones look at one project, and a report is left."""

from contextlib import AsyncExitStack
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
    from clones.omega.review import ReviewInput
    from ops.review import Reviewed


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
    from ops.cli.progress import Board
    from ops.review import review as run_review
    from schemas import TaskFailure

    wanted = _wanted(target, command_line, step_timeout_s, output, here=start)
    with stopped_by_signals():
        async with AsyncExitStack() as stack:
            if start:
                where = await _start(stack, where, wanted.target, local)
            network = await stack.enter_async_context(where.open("review"))
            say(f"reviewing {wanted.target}")
            with Board() as board:
                reviewed = await run_review(network, wanted, output, board.show)
        failed = [step for step in reviewed.steps if isinstance(step, TaskFailure)]
        if as_json:
            print_json(
                {
                    "workflow_id": reviewed.workflow_id,
                    "took_s": round(reviewed.took_s, 1),
                    "result": reviewed.result,
                    "files": [str(path) for path in reviewed.files],
                }
            )
        else:
            summarise(reviewed)
        return FAILED if failed or not reviewed.files else 0
    return FAILED


def _wanted(target: str, command_line: str, step_timeout_s: float, output: Path, *, here: bool) -> "ReviewInput":
    """Return the review's input; what cannot work is told here, before anything is started.

    `here` says that the clones run on this machine, so that a directory must be on it.
    """
    from clones.omega.review import ReviewInput, plan
    from ops.assignments import absolute

    wanted = ReviewInput(target=absolute(target), command=command_line, step_timeout_s=step_timeout_s)
    if here and Path(wanted.target).is_absolute() and not Path(wanted.target).is_dir():
        raise ValueError(f"there is no directory {wanted.target}")
    plan(wanted)
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


def summarise(reviewed: "Reviewed") -> None:
    """Print how each analysis ended and where the report is."""
    from ops.review import is_flawed
    from schemas import TaskFailure

    if isinstance(reviewed.result, TaskFailure):
        click.echo(f"the review failed ({reviewed.result.code}): {clean(reviewed.result.message)}")
        return
    for step in reviewed.steps:
        if isinstance(step, TaskFailure):
            click.echo(click.style(f"✗ {step.task_type}: ", fg="red") + f"{step.code}: {clean(step.message)}")
        else:
            took_s = (step.finished_at - step.started_at).total_seconds()
            mark = click.style("! ", fg="yellow") if is_flawed(step) else click.style("✓ ", fg="green")
            click.echo(mark + f"{step.task_type} ({took_s:.1f} s): {clean(step.summary)}")
    if "performance" not in {step.task_type for step in reviewed.steps}:
        click.echo("- performance: no command to profile was given (--command)")
    for path in reviewed.files:
        click.echo(f"report: {path}")
    if reviewed.files:
        click.echo(f"files:  {', '.join(str(path) for path in reviewed.directories)}")
