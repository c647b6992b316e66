"""Ending runs that cannot be driven any more: whoever drove them died, or met a defect, until all attempts were used up.

The failure is an event of the history, like a cancel: what runs is cancelled, what is done is undone as the definition has it,
and the run's own result says all that. Where that cannot be done either (its Omegas die of it again, or meet the defect again),
what the run has asked for is cancelled all the same, and the result names what is done and not undone.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from msgspec.structs import replace

from bus.escalations import tell
from bus.histories import Written
from bus.identity import OMEGA, Identity
from bus.journal import event_of, insist
from bus.ledger import entries
from bus.network import Network
from bus.task import Ended, Outcome, Task, TaskError, printable
from clones.omega.once import mark_of, store_once
from clones.omega.workflows.others import Others
from clones.omega.workflows.outcomes import result_of
from clones.omega.workflows.telling import Run, Telling
from clones.workflows.commands import Finish
from clones.workflows.left import cut_lines, not_undone
from clones.workflows.views import finished
from schemas import (
    CancelRequested,
    ErrorCode,
    ErrorEscalation,
    SchemaError,
    TaskRetrying,
    WorkflowCompletion,
    WorkflowFailure,
    encode,
)

DRIVEN = 5
"""So often a run that is given up is driven to the end that its definition provides for..."""
ENDINGS = 8
"""...and after that, up to so many attempts in all, ended by cancelling what it has asked for."""

log = logging.getLogger(__name__)


class GivingUp:
    """Ends runs for one Omega."""

    def __init__(self, network: Network, identity: Identity, telling: Telling, others: Others) -> None:
        self._network = network
        self._identity = identity
        self._telling = telling
        self._others = others

    async def end(self, task: Task, drive: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """End a run all of whose attempts are used up; `drive` drives it on, as any attempt does.

        Raises:
            TaskError: it has never begun; or its history cannot be read here, which another Omega may.
        """
        code, message = await insist(lambda: self._why(task))
        try:
            if task.given_up > DRIVEN:
                return await self._leave(task, code, message)
            try:
                if not await self._is_told(task, code, message):
                    raise TaskError(code, message, retryable=False)
                return await drive()
            except (TaskError, SchemaError):
                raise
            except Exception:
                log.exception("the workflow %s, which is given up, cannot be driven to its end", task.id)
                return await self._leave(task, code, message)
        except SchemaError as error:
            # Attempts that are left are for an Omega of that version.
            raise TaskError(
                code, f"{message}; its history cannot be read here: {error.message}", retryable=True
            ) from None

    async def _why(self, task: Task) -> tuple[str, str]:
        """Return the code and the words of what kept the run from being driven."""
        # What follows a failed attempt only has the run go on under another message, and counts.
        last = task.attempt - task.given_up
        subject = self._network.subjects.event(task.task_type, task.id)
        failed: TaskRetrying | None = None
        async for message in entries(self._network, subject):
            event = event_of(message)
            if isinstance(event, TaskRetrying) and event.attempt in (last - 1, last):
                failed = event
        if failed is not None:
            return failed.code, f"Omega cannot drive this run on, as often as it tried: {failed.message}"
        return (
            ErrorCode.ATTEMPTS_EXHAUSTED,
            "the Omegas that drove this run died, or lost it, until its attempts were used up",
        )

    async def _is_told(self, task: Task, code: str, message: str) -> bool:
        """Have the failure stand in the run's history; False where none has begun."""

        def judge(run: Run) -> CancelRequested | None:
            is_told = any(isinstance(event, CancelRequested) for event in run.events())
            if is_told or finished(run.state) is not None:
                return None
            return CancelRequested(by=OMEGA, reason=printable(message), code=code)

        if await insist(lambda: self._telling.tell(task.id, judge)) is None:
            return False
        # Read again: whoever told it may have died before it was escalated.
        run = await insist(lambda: self._telling.run(task.id))
        if run is not None and (own := _own_request(run)) is not None:
            written, request = own
            await self._escalate(task, written, request.code, request.reason)
        return True

    async def _leave(self, task: Task, code: str, message: str) -> Outcome:
        """Cancel what the run has asked for, and return a result that names what is left as it is."""
        try:
            run = await insist(lambda: self._telling.run(task.id))
        except SchemaError:
            raise
        except Exception as error:
            # Whatever keeps it from being driven may keep it from being read.
            words = f"{message}; what it had asked for may run on, as its history makes no sense here: {error}"
            raise TaskError(code, words, retryable=False) from error
        if run is None:
            raise TaskError(code, message, retryable=False)
        if (finish := finished(run.state)) is not None:
            return Ended(self._result(task, run, finish))
        await insist(lambda: self._others.end_steps(task.id, f"the workflow {task.id} ends: {message}"))
        finish = finish_of(run, code, message)
        await self._escalate(task, run.history[-1], code, finish.message)
        return Ended(replace(self._result(task, run, finish), steps=cut_lines(run.definition, run.state)))

    def _result(self, task: Task, run: Run, finish: Finish) -> WorkflowCompletion | WorkflowFailure:
        now = datetime.now(UTC)
        return result_of(run.definition, run.state, finish, task=task, identity=self._identity, finished_at=now)

    async def _escalate(self, task: Task, written: Written, code: str, message: str) -> None:
        """Escalate what an entry of the run's history tells, once, however many attempts come by here."""
        escalation = ErrorEscalation(
            severity="high",
            clone=self._identity.clone,
            instance=self._identity.instance,
            code=code,
            message=printable(message),
            at=written.entry.at,
            task_id=task.id,
            task_type=task.task_type,
            attempt=task.attempt,
            awaits_decision=False,
        )
        subject = self._network.subjects.escalation(escalation.severity, escalation.clone)
        body, mark = encode(escalation), mark_of("escalation", written.sequence, written.stored_at)
        await insist(lambda: store_once(self._network, subject, body, mark=mark, behind=written.sequence))
        tell(self._network, body, reply_to=None if task.start is None else task.start.reply_to)


def _own_request(run: Run) -> tuple[Written, CancelRequested] | None:
    """Return how Omega has given a run up, and where its history says so; None: it has another end."""
    for written in run.history:
        for event in written.entry.events:
            if isinstance(event, CancelRequested) and event.by == OMEGA and event.command is None:
                return written, event
    return None


def finish_of(run: Run, code: str, message: str) -> Finish:
    """Return the end of a run that is left as it is, with words on how to go on."""
    left = not_undone(run.state)
    words = f"{message}; its steps that ran are cancelled, and it is not undone as its definition has it"
    if left:
        words += f": done and not undone: {', '.join(left)}"
    words += f". `sanctuary workflow resume {run.id}` goes on where it stood"
    return Finish(completed=False, code=code, message=words, details={"not_undone": list(left)} if left else {})
