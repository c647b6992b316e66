"""Ending a task by command: cancelled, completed or failed by whoever decides.

Omega may die between any two steps, and the command is then carried out again, perhaps by two Omegas at once. The result is
written with the command's own number as its writer, and the results stream takes one: a command that finds its own result
has ended the task, and one that finds another's came too late. Leaving the queue comes last and is only ever a matter of time.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from bus.identity import OMEGA, Identity
from bus.intake import Request
from bus.journal import Journal
from bus.network import Network
from bus.outcomes import completion, failure
from bus.task import Done, Task, printable
from bus.wake import dismiss
from clones.omega.children import Children
from clones.omega.submissions import consumer_of, find_open
from clones.omega.wording import how_it_ended, how_it_fares, of_task, on_behalf, refused, unknown
from schemas import (
    ErrorCode,
    RecoveryAction,
    TaskCancel,
    TaskParked,
    TaskResult,
)

Outcome = Callable[[Request, int], TaskResult]
"""From a request and its last attempt's number to its result."""


class Endings:
    """Ends tasks for one Omega."""

    def __init__(self, network: Network, identity: Identity) -> None:
        self._network = network
        self._identity = identity
        self._children = Children(network, identity)
        self._journal = Journal(network.requester, network.subjects)

    async def cancel(self, command: Task, wanted: TaskCancel) -> Done:
        """End a task, or a workflow that has not begun, as cancelled.

        Raises:
            TaskError: it was never submitted, or has another end.
            SanctuaryError: the network did not answer; nothing is done twice when this is tried again.
        """
        words = on_behalf(wanted.by, wanted.reason)
        outcome = self._failed(command, ErrorCode.CANCELLED, f"cancelled{words}", wanted.by, wanted.reason)
        await self._end(command, wanted.task_type, wanted.task_id, outcome)
        return await self._with_asked(command, wanted, f"{of_task(wanted.task_type, wanted.task_id)} is cancelled")

    async def complete(self, command: Task, wanted: RecoveryAction) -> Done:
        """End a task as completed with the output that the command names; raises as `cancel`."""
        words = on_behalf(wanted.by, wanted.reason)

        def outcome(request: Request, attempt: int) -> TaskResult:
            # Nobody ran it to this end: it begins and ends now.
            done = Done(summary=f"completed{words}" if words else "completed by hand", output=wanted.output)
            return completion(self._identity, request, done, attempt, datetime.now(UTC))

        await self._end(command, wanted.task_type, wanted.task_id, outcome)
        return await self._with_asked(command, wanted, f"{of_task(wanted.task_type, wanted.task_id)} is completed")

    async def fail(self, command: Task, wanted: RecoveryAction) -> Done:
        """End a task as failed; raises as `cancel`."""
        if wanted.by == OMEGA:
            last = await self._journal.last(wanted.task_type, wanted.task_id)
            if not isinstance(last, TaskParked):
                # Decided while it was parked; a person has let it go on since.
                raise refused(f"{how_it_fares(wanted.task_type, wanted.task_id, last)}; nothing is left to decide")
        message = f"ended as failed{on_behalf(wanted.by, wanted.reason)}"
        outcome = self._failed(command, ErrorCode.FAILED_BY_OPERATOR, message, wanted.by, wanted.reason)
        await self._end(command, wanted.task_type, wanted.task_id, outcome)
        return await self._with_asked(command, wanted, f"{of_task(wanted.task_type, wanted.task_id)} is failed")

    async def _with_asked(self, command: Task, wanted: TaskCancel | RecoveryAction, told: str) -> Done:
        """End what a task that is ended now had asked other clones for, and return the verdict."""
        details = {"command": command.sequence, "by": wanted.by, "reason": wanted.reason}
        asked = await self._children.end(wanted.task_type, wanted.task_id, writer=_writer(command), details=details)
        if not asked:
            return Done(summary=told, output=_output(wanted))
        tasks = "1 task" if len(asked) == 1 else f"{len(asked)} tasks"
        return Done(
            summary=f"{told}, and the {tasks} that it had asked for", output={**_output(wanted), "asked": sorted(asked)}
        )

    def _failed(self, command: Task, code: ErrorCode, message: str, by: str, reason: str) -> Outcome:
        details = {"command": command.sequence, "by": by, "reason": reason}

        def outcome(request: Request, attempt: int) -> TaskResult:
            result = failure(self._identity, request, code, printable(message), attempt=attempt)
            return msgspec.structs.replace(result, details=details)

        return outcome

    async def _end(self, command: Task, task_type: str, task_id: str, outcome: Outcome) -> None:
        """Give a task its result, unless this very command has done so before."""
        last = await self._journal.last(task_type, task_id)
        found = await find_open(self._network, task_type, task_id, last)
        # Read after the search: what ended meanwhile has left the queue, and has its result.
        standing = await self._network.results.read(task_type, task_id)
        if standing is None:
            if found is None:
                raise refused(unknown(task_type, task_id))
            result = outcome(found.request, last.attempt if last is not None else 0)
            result = msgspec.structs.replace(result, writer=_writer(command))
            standing = (await self._network.results.settle(result)).result
        if standing.writer != _writer(command):
            raise refused(
                f"{how_it_ended(standing)}, and a result is final. `sanctuary task retry {task_id}` runs it again"
            )
        if found is not None:
            await self._let_leave(found.subject, found.sequence)

    async def _let_leave(self, subject: str, sequence: int) -> None:
        """Have an ended task leave its queue now, instead of when its delay is over or a worker comes."""
        consumer = consumer_of(self._network.subjects, subject)
        if consumer is not None:
            await dismiss(self._network, consumer, sequence)


def _writer(command: Task) -> str:
    return f"command-{command.sequence}"


def _output(wanted: TaskCancel | RecoveryAction) -> dict[str, Any]:
    action = "cancel" if isinstance(wanted, TaskCancel) else wanted.action
    return {"action": action, "task_type": wanted.task_type, "task_id": wanted.task_id}
