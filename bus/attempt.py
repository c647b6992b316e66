"""One execution of a handler, and what follows from how it ends."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus.attempts import backoff_delay_s
from bus.context import TaskContext
from bus.deadlines import missed_deadline, time_limit_s
from bus.delivery import acknowledge
from bus.errors import Disconnected
from bus.identity import Identity
from bus.journal import Journal
from bus.lease import Stop, give_back
from bus.network import Network
from bus.observer import Crash, Observer
from bus.outcomes import completion
from bus.parking import Parking
from bus.task import Done, Ended, LetGo, Outcome, Suspended, Task, TaskError, printable
from schemas import (
    ErrorCode,
    TaskEvent,
    TaskProgress,
    TaskReassigned,
    TaskResult,
    TaskRetrying,
    TaskStarted,
    WorkflowWaiting,
)

STARTED_AFTER_S = 0.1
"""A first attempt that is over sooner leaves no TaskStarted; its result tells when it started."""
FENCED_STARTED_AFTER_S = 1.0
"""The same of a fenced service, whose own records tell that it has begun."""
PROGRESS_EVERY_S = 1.0
UNSUBSCRIBE_S = 1.0
"""What taking back the interest in a result may take; a frozen server must not keep an outcome from being stored."""

log = logging.getLogger(__name__)


class Attempt:
    """Runs a task's handler once."""

    def __init__(
        self,
        *,
        network: Network,
        journal: Journal,
        parking: Parking,
        observer: Observer,
        identity: Identity,
        context: TaskContext,
    ) -> None:
        self._network = network
        self._journal = journal
        self._parking = parking
        self._observer = observer
        self._identity = identity
        self._context = context
        self._service = context.service
        self._lease = context.lease
        self._request = context.request
        # A server that was killed may bring as new what was begun before, so the delivery count alone does not tell.
        self._is_later = context.lease.delivery.delivered > 1 or context.number > 1
        self._progress_at = 0.0
        self._listening: asyncio.Task[None] | None = None

    async def run(self, *, is_last: bool) -> TaskResult | None:
        """Return the task's result, or None where it goes back to the queue, or a later message goes on with it.

        Raises:
            LeaseLost: nothing more may be said about the task.
        """
        lease, delivery = self._lease, self._lease.delivery
        if lease.is_recalled():
            # Nothing has begun, so no event has to tell that it keeps its number.
            give_back(self._network.client, lease)
            return None
        if self._is_later:
            # Counted before it runs: a task that kills its worker must come to an end.
            lease.check()
            await self._journal.store(self._event(TaskStarted))
            if lease.is_recalled():
                await self._reassign()
                return None
        lease.result_subject = self._network.subjects.result(self._request.task_type, self._request.id)
        lease.interruptible = True
        self._observer.started(self._request.task_type, self._context.started_at.timestamp() - delivery.stored_at_s)
        timer = asyncio.get_running_loop().call_later(
            FENCED_STARTED_AFTER_S if self._service.fenced else STARTED_AFTER_S, self._runs_on
        )
        try:
            ended = await self._call(is_last=is_last)
            if lease.stop_reason is not None:
                # The handler was told to stop, and whatever it made of that is no outcome.
                raise asyncio.CancelledError
        except asyncio.CancelledError:
            if lease.stop_reason is not Stop.HANDED_BACK:
                raise
            uncancel()
            lease.interruptible = False
            await self._reassign()
            return None
        finally:
            lease.interruptible = False
            timer.cancel()
            await self._listen_no_more()
        return await self._conclude(ended, is_last=is_last)

    async def _conclude(self, ended: Outcome | TaskError, *, is_last: bool) -> TaskResult | None:
        context = self._context
        match ended:
            case Done():
                return completion(self._identity, self._request, ended, context.number, context.started_at)
            case Ended():
                return ended.result
            case Suspended() | LetGo():
                await self._leave(ended)
                return None
        if ended.code in self._service.non_retryable:
            ended.retryable = False
        if is_last or not ended.retryable:
            return await self._parking.failed(context, ended)
        delay_s = backoff_delay_s(self._service.backoff, context.number - context.forgiven)
        event = self._event(TaskRetrying, code=ended.code, message=ended.message, delay_s=delay_s)
        await self._return(event, delay_s)
        self._observer.retrying(self._request.task_type, self._request.id, ended.code)
        return None

    async def _leave(self, ended: Suspended | LetGo) -> None:
        """Take the message out of the queue without a result: another one goes on with the run, or will."""
        self._lease.check()
        if isinstance(ended, Suspended):
            event = self._event(WorkflowWaiting, message=printable(ended.message), until=ended.until)
            await self._journal.store(event)
            self._lease.check()
        try:
            acknowledge(self._network.client, self._lease.delivery)
        except Disconnected as error:
            # Delivered again, it lets go, or finds that there is nothing to do but wait.
            log.warning("could not acknowledge %s: %s", self._request.id, error)

    async def _call(self, *, is_last: bool) -> Outcome | TaskError:
        """Run the handler under its time limit."""
        context, delivery, assignment = self._context, self._lease.delivery, self._request.assignment
        limit_s = time_limit_s(assignment, delivery.stored_at, context.started_at, self._service.timeout_s)
        task = Task(
            id=self._request.id,
            task_type=self._request.task_type,
            params=assignment.params,
            attempt=context.number,
            timeout_s=limit_s,
            cache=assignment.cache,
            instance=self._identity.instance,
            sequence=delivery.sequence,
            stored_at=delivery.stored_at,
            started_at=context.started_at,
            labels=assignment.labels,
            parent_id=assignment.parent_id,
            traceparent=assignment.traceparent,
            report=self._report,
            subject=delivery.subject,
            start=self._request.start,
            mark=delivery.mark,
            begun=context.begun,
            given_up=context.given_up,
        )
        clock = asyncio.timeout(limit_s)
        try:
            async with clock:
                return await self._service.handler(task)
        except TaskError as error:
            return error
        except asyncio.CancelledError as error:
            current = asyncio.current_task()
            if current is None or current.cancelling():
                raise
            # Nobody cancelled this attempt: it is something inside the handler that was cancelled.
            return self._crashed(error, "the handler ended as cancelled, and nobody had cancelled it", is_last=is_last)
        except Exception as error:  # noqa: BLE001  whatever a handler raises ends its attempt, never its worker
            if clock.expired():
                missed = missed_deadline(assignment, delivery.stored_at, datetime.now(UTC), begun=True)
                if missed is not None:
                    return TaskError(ErrorCode.DEADLINE_EXCEEDED, missed)
                message = f"the attempt ran longer than {limit_s:g} s; ask for more with timeout_s"
                return TaskError(ErrorCode.START_TO_CLOSE_TIMEOUT, message)
            return self._crashed(error, f"{type(error).__name__}: {error}", is_last=is_last)

    def _crashed(self, error: BaseException, words: str, *, is_last: bool) -> TaskError:
        failed = TaskError(ErrorCode.HANDLER_FAILED, words)
        failed.__cause__ = error
        crash = Crash(
            self._request.task_type,
            self._request.id,
            error,
            severity=self._service.severity,
            reply_to=self._request.reply_to,
            parks=is_last and self._service.parks and failed.code not in self._service.non_retryable,
        )
        self._observer.crashed(crash)
        return failed

    def _runs_on(self) -> None:
        """Tell that the attempt runs, now that it is no short one, and listen for a result that ends it from outside."""
        if not self._is_later:
            self._post(TaskStarted)
        self._listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        """Stop the handler as soon as somebody else's result is announced; the lease looks for one as well, but less often."""

        def on_result(_: Msg) -> None:
            if self._lease.interruptible:
                self._lease.stop(Stop.SETTLED)

        try:
            subscription = await self._network.client.listen(self._lease.result_subject, on_result)
            try:
                await asyncio.Event().wait()
            finally:
                await subscription.unsubscribe()
        except (NatsError, OSError) as error:  # the connection broke
            log.debug("cannot listen on %s: %s", self._lease.result_subject, error)

    async def _listen_no_more(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait((self._listening,), timeout=UNSUBSCRIBE_S)

    async def _reassign(self) -> None:
        await self._return(self._event(TaskReassigned, reason="the instance drains"))

    async def _return(self, event: TaskEvent, delay_s: float = 0.0) -> None:
        """Give the task back to the queue, once the event that counts this attempt is stored."""
        self._lease.check()
        await self._journal.store(event)
        give_back(self._network.client, self._lease, delay_s)

    def _post(self, kind: Callable[..., TaskEvent], **fields: object) -> None:
        if not self._lease.lost:
            self._journal.post(self._event(kind, **fields))

    def _report(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        if now - self._progress_at >= PROGRESS_EVERY_S:
            self._progress_at = now
            self._post(TaskProgress, fraction=min(1.0, max(0.0, fraction)), message=printable(message))

    def _event(self, kind: Callable[..., TaskEvent], **fields: object) -> TaskEvent:
        return self._context.event(kind, self._identity, **fields)


def uncancel() -> None:
    """Go on after a cancellation that was meant for the handler alone."""
    current = asyncio.current_task()
    if current is not None:
        current.uncancel()
