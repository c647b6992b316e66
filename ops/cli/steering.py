"""`sanctuary task cancel`, `retry`, `reassign`, `complete`, `fail` and `parked`: what people decide about tasks."""

from collections.abc import Callable
from typing import Any

import click
import msgspec

from bus.errors import NoResponders, RequestTimeout, SanctuaryError
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from clones.omega.once import store_command
from ops.assignment_search import open_under
from ops.cli.ids import check_id, no_such_task
from ops.cli.options import FAILED, json_option, print_json, run, where_options
from ops.cli.text import clean, moment, shortened, show, table
from ops.cli.waiting import say, show_command, show_run
from ops.commanding import person, verdict_on
from ops.connect import Where
from ops.hints import command_line
from ops.lookup import find
from ops.parked import ParkedTask, parked
from ops.stories import fold
from schemas import (
    Command,
    RecoveryAction,
    SchemaError,
    TaskCancel,
    TaskCompletion,
    TaskResult,
    decode,
    encode,
    sequence_id,
)

VERDICT_WITHIN_S = 60.0
"""Commands take moments; a workflow is cancelled with its steps within seconds."""


def _command_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what all commands about a task take."""
    for option in (
        click.option("--reason", default="", metavar="TEXT", help="Why; stands in the ledger."),
        click.option("--no-wait", "storing", is_flag=True, help="Store the command, for whichever Omega runs next."),
        json_option,
        where_options,
    ):
        command = option(command)
    return click.argument("task_id", metavar="ID")(command)


@click.command()
@_command_options
def cancel(task_id: str, *, reason: str, **options: Any) -> None:
    """End the task or workflow ID now, wherever it is. What runs is stopped; a workflow's steps end with it."""

    def command(task_type: str) -> Command:
        return TaskCancel(task_id=task_id, task_type=task_type, reason=reason, by=person())

    run(_send(task_id, command, **options))


@click.command(name="cancel")
@_command_options
def cancel_workflow(task_id: str, *, where: Where, as_json: bool, storing: bool, reason: str) -> None:
    """End the run ID now: its steps are cancelled, and those of its steps that are done are undone where that was provided for."""
    command = TaskCancel(task_id=task_id, task_type=WORKFLOW_TYPE, reason=reason, by=person())

    async def sent() -> int:
        check_id(task_id)
        async with where.open("workflow cancel") as network:
            return await send(network, command, show_run(task_id), as_json=as_json, storing=storing)

    run(sent())


@click.command()
@_command_options
def retry(task_id: str, **options: Any) -> None:
    """Let the parked task ID go on with its next attempt. One that has ended runs again as a new task."""
    _recover(task_id, "retry", **options)


@click.command()
@_command_options
@click.argument("clone", metavar="CLONE")
def reassign(task_id: str, **options: Any) -> None:
    """Let CLONE alone go on with the parked task ID, or with one that another clone was given and has not taken.

    One that has ended runs again as a new task.
    """
    _recover(task_id, "reassign", **options)


@click.command()
@click.option("--output", metavar="JSON", help="The task's result; default: none.")
@_command_options
def complete(task_id: str, *, output: str | None, **options: Any) -> None:
    """End the task ID as completed, with a result of your own."""
    try:
        value = None if output is None else msgspec.json.decode(output)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise click.UsageError(f"--output is not JSON: {error}") from None
    _recover(task_id, "complete", output=value, **options)


@click.command()
@_command_options
def fail(task_id: str, **options: Any) -> None:
    """End the task ID as failed."""
    _recover(task_id, "fail", **options)


def _recover(
    task_id: str, action: Any, *, reason: str, clone: str | None = None, output: Any = None, **options: Any
) -> None:
    def command(task_type: str) -> Command:
        fields = {"action": action, "clone": clone, "output": output, "reason": reason, "by": person()}
        return RecoveryAction(task_id=task_id, task_type=task_type, **fields)

    run(_send(task_id, command, **options))


async def _send(task_id: str, make: Callable[[str], Command], *, where: Where, as_json: bool, storing: bool) -> int:
    check_id(task_id)
    async with where.open("task") as network:
        command = make(await _type_of(network, task_id))
        return await send(network, command, show_command(task_id), as_json=as_json, storing=storing)


async def send(network: Network, command: Command, shown_by: str, *, as_json: bool, storing: bool) -> int:
    """Have a command carried out and print the verdict, or only store it; returns the exit status.

    `shown_by` is the command line that shows what it is about.

    Raises:
        ValueError: Omega would not take it.
        SanctuaryError: it was not stored, or no verdict came.
    """
    try:
        # What its reader would refuse is told before it is sent.
        decode(Command, encode(command))
    except SchemaError as error:
        raise ValueError(f"the command cannot be sent: {error.message}") from None
    if storing:
        sequence = await store_command(network, command)
        if as_json:
            print_json({"id": sequence_id(sequence), "sequence": sequence})
        else:
            click.echo(f"#{sequence}")
            click.echo(f"{shown_by} tells what came of it.", err=True)
        return 0
    verdict = await _verdict(network, command, shown_by)
    if as_json:
        print_json(verdict)
    else:
        _print_verdict(verdict)
    return 0 if isinstance(verdict, TaskCompletion) else FAILED


async def _type_of(network: Network, task_id: str) -> str:
    """Return the type of the task under this id; of several, that of the only one that has not ended."""
    found = await find(network, task_id)
    known = {entry.sequence for entry in found}
    found += [entry for entry in await open_under(network, task_id) if entry.sequence not in known]
    stories = list(fold(found).values())
    if not stories:
        raise SanctuaryError(no_such_task(task_id))
    chosen = stories if len(stories) == 1 else [story for story in stories if story.result is None]
    if len(chosen) == 1:
        return chosen[0].task_type
    types = ", ".join(clean(story.task_type) for story in stories)
    raise SanctuaryError(
        f"there are several tasks {task_id}: {types}. Name the one that you mean in a command of your own: "
        f'nats req {network.subjects.call_command()} \'{{"type":"TaskCancel","task_type":…,"task_id":"{task_id}"}}\''
    )


async def _verdict(network: Network, command: Command, shown_by: str) -> TaskResult:
    try:
        return await verdict_on(network, command, within_s=VERDICT_WITHIN_S, waiting=say)
    except NoResponders as error:
        raise SanctuaryError(
            f"{error.message}. With --no-wait the command is stored, and the next Omega carries it out"
        ) from None
    except RequestTimeout as error:
        raise SanctuaryError(f"{error.message}: {shown_by} tells") from None


def _print_verdict(verdict: TaskResult) -> None:
    if not isinstance(verdict, TaskCompletion):
        click.secho("not done: ", fg="red", bold=True, nl=False)
        click.echo(clean(verdict.message))
        return
    click.secho("done: ", fg="green", bold=True, nl=False)
    click.echo(clean(verdict.summary))
    if isinstance(verdict.output, dict) and isinstance(new := verdict.output.get("new_task_id"), str):
        click.echo(show_command(clean(new)), err=True)


@click.command(name="parked")
@where_options
@json_option
def parked_(where: Where, *, as_json: bool) -> None:
    """List the tasks that wait for a decision. Those come first that have waited longest."""
    run(_parked(where, as_json=as_json))


async def _parked(where: Where, *, as_json: bool) -> None:
    async with where.open("task parked") as network:
        found = await parked(network)
    if as_json:
        print_json({"tasks": [_plain(one) for one in found]})
    elif found:
        columns = ("parked", "type", "id", "clone", "attempt", "why")
        least = ("attempt", "clone", "parked", "why", "type")
        show(table(columns, map(_row, found), right=("attempt",), cut="why", least=least))
        click.echo(f"{command_line('task retry|reassign|complete|fail|cancel', 'ID')} decides.", err=True)
    else:
        click.echo("No task waits for a decision.")


def _row(one: ParkedTask) -> tuple[str, ...]:
    event = one.event
    return (
        moment(event.at).partition(".")[0],
        event.task_type,
        event.task_id,
        event.clone,
        str(event.attempt),
        shortened(f"{event.code}: {event.message}", 100),
    )


def _plain(one: ParkedTask) -> dict[str, Any]:
    event = one.event
    return {
        "task_id": event.task_id,
        "task_type": event.task_type,
        "clone": event.clone,
        "instance": event.instance,
        "attempt": event.attempt,
        "code": event.code,
        "message": event.message,
        "parked_at": event.at.isoformat(),
        "submitted_at": one.submitted_at.isoformat(),
        "labels": one.labels,
    }


COMMANDS = (cancel, parked_, retry, reassign, complete, fail)
"""For the group `sanctuary task`."""
