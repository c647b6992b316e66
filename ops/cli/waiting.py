"""Waiting for a task's result, with what happens meanwhile shown on a terminal."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator

import click
from nats.aio.msg import Msg

from bus.client import Submitted, Submitter
from bus.identity import OMEGA
from bus.network import Network
from ops.cli.text import clean
from ops.hints import command_line
from ops.status import is_there
from schemas import (
    AnyTaskEvent,
    SchemaError,
    TaskAsked,
    TaskParked,
    TaskProgress,
    TaskReassigned,
    TaskResult,
    TaskResumed,
    TaskRetrying,
    TaskStarted,
    WorkflowWaiting,
    decode,
)

NOBODY_AFTER_S = 3.0
"""A task that nobody begins for so long makes us ask whether its clone is there at all."""


async def wait(network: Network, submitter: Submitter, submitted: Submitted, clone: str) -> TaskResult:
    """Return the task's result, however long it takes; the clone that serves it is `clone`."""
    begun = asyncio.Event()
    subject = network.subjects.event(submitted.task_type, submitted.id)
    with _shown(f"{submitted.task_type} waits for {clone}") as show:

        async def on_event(message: Msg) -> None:
            begun.set()
            with contextlib.suppress(SchemaError):
                show(_words(decode(AnyTaskEvent, message.data)))

        subscription = await network.client.subscribe(subject, cb=on_event)
        asking = asyncio.create_task(tell_if_nobody(network, clone, begun))
        try:
            return await submitter.result(submitted.task_type, submitted.id)
        except asyncio.CancelledError:
            click.echo(f"The task goes on; {show_command(submitted.id)} tells how.", err=True)
            raise
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            if not network.client.is_closed:
                await subscription.unsubscribe()


def show_command(task_id: str) -> str:
    """Return the command line that shows a task."""
    return command_line("task show", task_id)


def show_run(workflow_id: str) -> str:
    """Return the command line that shows a run of a workflow."""
    return command_line("workflow show", workflow_id)


def say(words: str) -> None:
    """Tell whoever watches what is being waited for; what a command prints is not disturbed."""
    click.echo(words, err=True)


async def tell_if_nobody(network: Network, clone: str, begun: asyncio.Event) -> None:
    """Say so where `begun` is not set for a while and nobody answers as `clone`."""
    try:
        await asyncio.wait_for(begun.wait(), NOBODY_AFTER_S)
    except TimeoutError:
        if not await is_there(network, clone):
            start = command_line(OMEGA) if clone == OMEGA else command_line("clone", clone)
            click.echo(f"Nobody answers as {clone}; the task waits until one runs ({start}).", err=True)


@contextlib.contextmanager
def _shown(first: str) -> Iterator[Callable[[str], None]]:
    """Yield what shows a line on a terminal, in place of the one before; elsewhere nothing is shown."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(first)) as line:
        yield lambda text: line.update(Text(clean(text)))


def _words(event: AnyTaskEvent) -> str:  # noqa: PLR0911  one for each kind of event
    match event:
        case TaskStarted():
            return f"attempt {event.attempt} runs on {event.instance}"
        case TaskProgress():
            return f"{event.fraction:.0%} {event.message} ({event.instance})"
        case TaskRetrying():
            return f"{event.code}: {event.message}; again in {event.delay_s:.1f} s"
        case TaskReassigned():
            return f"handed back by {event.instance}; waits for another"
        case TaskParked():
            return f"waits for a decision: {event.code}: {event.message}"
        case TaskResumed():
            return f"goes on{f' on {event.to}' if event.to else ''}"
        case TaskAsked():
            return f"asked for {event.child_type}"
        case WorkflowWaiting():
            return f"waits: {event.message}"
