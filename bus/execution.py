"""One task's life under its lease, from its delivery to its acknowledgement.

    read -> look for a result -> which attempt? -> run the handler -> store the result -> reply -> acknowledge

Each step may be the last that this process does. What makes that safe: the ledger delivers again what was not
acknowledged, the results stream refuses a second result, and attempts are counted by events stored before they run.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from nats.errors import Error as NatsError

from bus.attempts import MAX_DELIVERIES, backoff_delay_s, next_attempt
from bus.deadlines import missed_deadline, time_limit_s
from bus.delivery import Delivery, acknowledge, hand_back
from bus.errors import Disconnected, LeaseLost
from bus.identity import Identity
from bus.intake import Refusal, Request, read
from bus.journal import Journal, insist
from bus.lease import Lease, Stop
from bus.network import Network
from bus.observer import Observer
from bus.outcomes import attempt_failure, completion, failure, instead
from bus.task import Done, Service, Task, TaskError, printable
from schemas import (
    MSGPACK,
    ErrorCode,
    SchemaError,
    TaskEvent,
    TaskProgress,
    TaskReassigned,
    TaskResult,
    TaskRetrying,
    TaskStarted,
    encode,
    sequence_id,
)

STARTED_AFTER_S = 0.1
"""A first attempt that is over sooner leaves no TaskStarted; its result tells when it started."""
PROGRESS_EVERY_S = 1.0
HEADROOM_BYTES = 4096
"""What a stored message needs beside the result: subject, headers, the marks of its origin in the ledger's copy."""

log = logging.getLogger(__name__)


class Executor:
    """Lives the tasks of one worker."""

    def __init__(self, network: Network, identity: Identity, observer: Observer) -> None:
        self._network = network
        self._identity = identity
        self._observer = observer
        self._journal = Journal(network.requester, network.subjects)

    async def execute(self, lease: Lease, service: Service) -> None:
        """Bring the task under `lease` to its result, or to its next attempt."""
        delivery = lease.delivery
        request = await self._read(service.task_type, delivery)
        self._observer.delivered(service.task_type, redelivered=delivery.delivered > 1)
        try:
            # A result may stand already: cancelled while queued, an id used before, an acknowledgement that was lost.
            result = await insist(lambda: self._network.results.read(request.task_type, request.id))
            if result is None:
                outcome = await self._outcome(lease, service, request)
                if outcome is None:
                    return
                lease.check()
                result = await self._settle(delivery, outcome)
            lease.check()
            self._answer(delivery, request, result)
        except LeaseLost as error:
            log.warning("%s: its outcome is dropped", error)
        except SchemaError as error:
            # What stands cannot be replaced, so no further delivery could end better.
            log.error("%s %s has a result that cannot be read: %s", request.task_type, request.id, error)
            self._acknowledge(delivery)
        except asyncio.CancelledError:
            if lease.stop_reason is None:
                raise
            if lease.stop_reason is Stop.SETTLED:
                _uncancel()
                result = await insist(lambda: self._network.results.read(request.task_type, request.id))
                if result is not None:
                    self._answer(delivery, request, result)

    async def _read(self, task_type: str, delivery: Delivery) -> Request | Refusal:
        request = read(self._network.subjects, task_type, delivery)
        if isinstance(request, Refusal) and await self._journal.is_known(task_type, request.id):
            # Ids stand in events, which all may read: a body that is no task must not end the task whose id it names.
            return msgspec.structs.replace(request, id=sequence_id(delivery.sequence))
        return request

    async def close(self) -> None:
        """Wait for the events that are on their way."""
        await self._journal.close()

    async def _outcome(self, lease: Lease, service: Service, request: Request | Refusal) -> TaskResult | None:
        """Return how this delivery ends the task, or None where another one will."""
        if isinstance(request, Refusal):
            return failure(self._identity, request, ErrorCode.INVALID_ASSIGNMENT, request.message)
        delivery, assignment = lease.delivery, request.assignment
        last_event = await self._journal.last(request.task_type, request.id) if delivery.delivered > 1 else None
        attempt = next_attempt(delivery.delivered, last_event)
        retries = service.retries if assignment.retries is None else assignment.retries
        if attempt > retries + 1 or delivery.delivered > MAX_DELIVERIES:
            message = f"{attempt - 1} attempts ended without a result (the worker died or lost the task); {retries + 1} are allowed"
            return failure(self._identity, request, ErrorCode.ATTEMPTS_EXHAUSTED, message, attempt=attempt - 1)
        now = datetime.now(UTC)
        missed = missed_deadline(assignment, delivery.stored_at, now, begun=last_event is not None)
        if missed is not None:
            return failure(self._identity, request, ErrorCode.DEADLINE_EXCEEDED, missed, attempt=attempt - 1)
        run = _Attempt(
            network=self._network,
            journal=self._journal,
            observer=self._observer,
            identity=self._identity,
            service=service,
            lease=lease,
            request=request,
            number=attempt,
            started_at=now,
        )
        return await run.run(is_last=attempt > retries)

    async def _settle(self, delivery: Delivery, outcome: TaskResult) -> TaskResult:
        settlement = await self._network.results.settle(self._storable(outcome))
        if settlement.won:
            self._observer.settled(settlement.result, since_stored_s=time.time() - delivery.stored_at_s)
        else:
            self._observer.dropped(outcome.task_type)
        return settlement.result

    def _storable(self, outcome: TaskResult) -> TaskResult:
        """Return `outcome`, or a failure in its place where the server would not take it or JSON cannot hold it."""
        try:
            size, limit = len(encode(outcome)), self._network.max_payload - HEADROOM_BYTES
        except (TypeError, ValueError, ArithmeticError, RecursionError) as error:
            return instead(outcome, ErrorCode.HANDLER_FAILED, f"the clone's result cannot be written as JSON: {error}")
        if size <= limit:
            return outcome
        message = f"the result has {size:,} bytes and the server takes {limit:,}; the clone should store such output as an artifact"
        return instead(outcome, ErrorCode.RESULT_TOO_LARGE, message)

    def _answer(self, delivery: Delivery, request: Request | Refusal, result: TaskResult) -> None:
        """Send the copy for `reply_to`, best effort, and acknowledge: the result is stored already."""
        reply_to = request.reply_to if isinstance(request, Refusal) else request.assignment.reply_to
        if reply_to is not None:
            headers = {"Content-Type": MSGPACK} if delivery.content_type == MSGPACK else None
            try:
                self._network.client.post(reply_to, encode(result, delivery.content_type), headers=headers)
            except (
                Disconnected,
                NatsError,
                OverflowError,
            ) as error:  # MessagePack has no integers beyond 64 bits, JSON has
                log.warning("could not reply to %s: %s", reply_to, error)
        self._acknowledge(delivery)

    def _acknowledge(self, delivery: Delivery) -> None:
        try:
            acknowledge(self._network.client, delivery)
        except Disconnected as error:
            # Delivered again, the stored result answers it.
            log.warning("could not acknowledge %s #%d: %s", delivery.subject, delivery.sequence, error)


class _Attempt:
    """One execution of a handler, and what follows from how it ends."""

    def __init__(
        self,
        *,
        network: Network,
        journal: Journal,
        observer: Observer,
        identity: Identity,
        service: Service,
        lease: Lease,
        request: Request,
        number: int,
        started_at: datetime,
    ) -> None:
        self._network = network
        self._journal = journal
        self._observer = observer
        self._identity = identity
        self._service = service
        self._lease = lease
        self._request = request
        self._number = number
        self._started_at = started_at
        self._progress_at = 0.0

    async def run(self, *, is_last: bool) -> TaskResult | None:
        """Return the task's result, or None where the task goes back to the queue.

        Raises:
            LeaseLost: nothing more may be said about the task.
        """
        lease, delivery = self._lease, self._lease.delivery
        if lease.is_recalled():
            # Nothing has begun, so no event has to tell that it keeps its number.
            self._hand_back()
            return None
        timer: asyncio.TimerHandle | None = None
        if delivery.delivered > 1:
            # Counted before it runs: a task that kills its worker must come to an end.
            await self._journal.store(self._event(TaskStarted))
            if lease.is_recalled():
                await self._reassign()
                return None
        else:
            timer = asyncio.get_running_loop().call_later(STARTED_AFTER_S, self._post, TaskStarted)
        lease.result_subject = self._network.subjects.result(self._request.task_type, self._request.id)
        lease.interruptible = True
        self._observer.started(self._request.task_type, self._started_at.timestamp() - delivery.stored_at_s)
        try:
            ended = await self._call(delivery)
            if lease.stop_reason is not None:
                # The handler was told to stop, and whatever it made of that is no outcome.
                raise asyncio.CancelledError
        except asyncio.CancelledError:
            if lease.stop_reason is not Stop.HANDED_BACK:
                raise
            _uncancel()
            lease.interruptible = False
            await self._reassign()
            return None
        finally:
            lease.interruptible = False
            if timer is not None:
                timer.cancel()
        if isinstance(ended, Done):
            return completion(self._identity, self._request, ended, self._number, self._started_at)
        if is_last or not ended.retryable:
            return attempt_failure(self._identity, self._request, ended, self._number, self._started_at)
        delay_s = backoff_delay_s(self._service.backoff, self._number)
        event = self._event(TaskRetrying, code=ended.code, message=ended.message, delay_s=delay_s)
        await self._return(event, delay_s)
        self._observer.retrying(self._request.task_type, self._request.id, ended.code)
        return None

    async def _call(self, delivery: Delivery) -> Done | TaskError:
        """Run the handler under its time limit."""
        assignment = self._request.assignment
        limit_s = time_limit_s(assignment, delivery.stored_at, self._started_at, self._service.timeout_s)
        task = Task(
            id=self._request.id,
            task_type=self._request.task_type,
            params=assignment.params,
            attempt=self._number,
            timeout_s=limit_s,
            instance=self._identity.instance,
            sequence=delivery.sequence,
            stored_at=delivery.stored_at,
            started_at=self._started_at,
            labels=assignment.labels,
            parent_id=assignment.parent_id,
            traceparent=assignment.traceparent,
            report=self._report,
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
            self._observer.crashed(self._request.task_type, self._request.id, error)
            return TaskError(ErrorCode.HANDLER_FAILED, "the handler ended as cancelled, and nobody had cancelled it")
        except Exception as error:  # noqa: BLE001  whatever a handler raises ends its attempt, never its worker
            if clock.expired():
                missed = missed_deadline(assignment, delivery.stored_at, datetime.now(UTC), begun=True)
                if missed is not None:
                    return TaskError(ErrorCode.DEADLINE_EXCEEDED, missed)
                message = f"the attempt ran longer than {limit_s:g} s; ask for more with timeout_s"
                return TaskError(ErrorCode.START_TO_CLOSE_TIMEOUT, message)
            self._observer.crashed(self._request.task_type, self._request.id, error)
            return TaskError(ErrorCode.HANDLER_FAILED, f"{type(error).__name__}: {error}")

    async def _reassign(self) -> None:
        await self._return(self._event(TaskReassigned, reason="the instance drains"))

    async def _return(self, event: TaskEvent, delay_s: float = 0.0) -> None:
        """Give the task back to the queue, once the event that counts this attempt is stored."""
        self._lease.check()
        await self._journal.store(event)
        self._lease.check()
        self._hand_back(delay_s)

    def _hand_back(self, delay_s: float = 0.0) -> None:
        delivery = self._lease.delivery
        try:
            hand_back(self._network.client, delivery, delay_s)
        except Disconnected as error:
            # Delivered again when its lease ends.
            log.warning("could not hand %s #%d back: %s", delivery.subject, delivery.sequence, error)

    def _post(self, kind: Callable[..., TaskEvent], **fields: object) -> None:
        if not self._lease.lost:
            self._journal.post(self._event(kind, **fields))

    def _report(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        if now - self._progress_at >= PROGRESS_EVERY_S:
            self._progress_at = now
            self._post(TaskProgress, fraction=min(1.0, max(0.0, fraction)), message=printable(message))

    def _event(self, kind: Callable[..., TaskEvent], **fields: object) -> TaskEvent:
        request, identity = self._request, self._identity
        return kind(
            task_id=request.id,
            task_type=request.task_type,
            clone=identity.clone,
            instance=identity.instance,
            attempt=self._number,
            at=datetime.now(UTC),
            **fields,
        )


def _uncancel() -> None:
    """Go on after a cancellation that was meant for the handler alone."""
    current = asyncio.current_task()
    if current is not None:
        current.uncancel()
