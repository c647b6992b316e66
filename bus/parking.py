"""What becomes of a task whose attempts have run out: it fails, or is parked for a decision, as its route says.

A parked task stays unacknowledged in its queue: handed back for an hour, and again each time that it comes. So what is
neither pending nor unacknowledged has ended, and a decision, by whomever and whenever, finds the task where it was.
"""

from datetime import UTC, datetime

from bus.context import TaskContext
from bus.escalations import escalate, last_lines
from bus.identity import Identity
from bus.journal import Journal, insist
from bus.lease import Lease, give_back
from bus.network import Network
from bus.observer import Observer
from bus.outcomes import attempt_failure, failure
from bus.task import TaskError, printable
from schemas import ErrorCode, ErrorEscalation, TaskParked, TaskResult

KEPT_S = 3600.0
"""How long a parked task is handed back for; a decision wakes it before."""


class Parking:
    """Ends tasks whose attempts have run out, or parks them."""

    def __init__(self, network: Network, journal: Journal, identity: Identity, observer: Observer) -> None:
        self._network = network
        self._journal = journal
        self._identity = identity
        self._observer = observer

    async def failed(self, context: TaskContext, error: TaskError) -> TaskResult | None:
        """Return the result of a task whose last attempt failed with `error`, or None where it is parked."""
        if context.service.parks and error.retryable:
            await self._park(context, error.code, error.message, raised=error.__cause__)
            return None
        return attempt_failure(self._identity, context.request, error, context.number, context.started_at)

    async def lost(self, context: TaskContext, allowed: int) -> TaskResult | None:
        """Return the result of a task whose last attempt ended without a word, or None where it is parked."""
        used = context.number - 1
        message = used_up(used, allowed)
        if context.service.parks:
            await self._park(context.preceding(), ErrorCode.ATTEMPTS_EXHAUSTED, message)
            return None
        await self._escalate(context.preceding(), ErrorCode.ATTEMPTS_EXHAUSTED, message, awaits_decision=False)
        return failure(self._identity, context.request, ErrorCode.ATTEMPTS_EXHAUSTED, message, attempt=used)

    def keep(self, lease: Lease) -> None:
        """Leave a parked task parked; raises as `bus.lease.give_back`."""
        give_back(self._network.client, lease, KEPT_S)

    async def _park(
        self, context: TaskContext, code: str, message: str, *, raised: BaseException | None = None
    ) -> None:
        # The escalation first: dying in between, the task comes again and is escalated again, but never forgotten.
        await self._escalate(context, code, message, awaits_decision=True, raised=raised)
        context.lease.check()
        await self._journal.store(context.event(TaskParked, self._identity, code=code, message=printable(message)))
        self._observer.parked(context.request.task_type, context.request.id, code)
        # Ended meanwhile from outside: whoever did that has met a task that runs, and wakes it no more.
        ended = await insist(lambda: self._network.results.read(context.request.task_type, context.request.id))
        give_back(self._network.client, context.lease, KEPT_S if ended is None else 0.0)

    async def _escalate(
        self,
        context: TaskContext,
        code: str,
        message: str,
        *,
        awaits_decision: bool,
        raised: BaseException | None = None,
    ) -> None:
        request = context.request
        escalation = ErrorEscalation(
            severity=context.service.severity,
            clone=self._identity.clone,
            instance=self._identity.instance,
            code=code,
            message=printable(message),
            at=datetime.now(UTC),
            task_id=request.id,
            task_type=request.task_type,
            attempt=context.number,
            awaits_decision=awaits_decision,
            traceback=None if raised is None else last_lines(raised),
        )
        await insist(lambda: escalate(self._network, escalation, reply_to=request.reply_to))


def used_up(used: int, allowed: int) -> str:
    """Return in words that so many attempts ended without a word, of so many that are allowed."""
    attempts, are = "attempt" if used == 1 else "attempts", "is" if allowed == 1 else "are"
    return f"{used} {attempts} ended without a result (the worker died or lost the task); {allowed} {are} allowed"
