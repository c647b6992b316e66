"""One delivery of a task, from the moment it arrives to its result: read, judge, run, store the result, answer, acknowledge.

The order is the guarantee. A result that stands already is looked for before anything runs. The new one is stored before
the task is acknowledged: dying in between costs a redelivery that the stored result answers, never a second result. Attempts
are counted by events stored before they run, and each names the assignment in charge, so that of two under one id one runs.
"""

import asyncio
import logging
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from bus.attempt import Attempt, uncancel
from bus.attempts import MAX_DELIVERIES, NotNow, Run, turn
from bus.context import TaskContext
from bus.deadlines import missed_deadline
from bus.delivery import Delivery, acknowledge
from bus.errors import Disconnected, LeaseLost
from bus.identity import Identity
from bus.intake import Refusal, Request, read
from bus.jetstream import last_of
from bus.journal import Journal, insist
from bus.latest import Reader
from bus.lease import Lease, Stop, give_back
from bus.network import Network
from bus.observer import Observer
from bus.outcomes import failure, instead
from bus.parking import Parking
from bus.replies import reply
from bus.task import Service
from bus.topology import RESULTS_MAX_AGE_S
from schemas import ErrorCode, SchemaError, TaskReassigned, TaskResult, decode, encode, sequence_id

HEADROOM_BYTES = 4096
"""What a stored message needs beside the result: subject, headers, the marks of its origin in the ledger's copy."""
EARLY_S = 0.2
"""How long a task that was handed over waits until it is in charge, the first time: what says so is on its way."""
SECOND_S = 5.0
"""How long a second assignment under the id of a task that has not ended waits until it looks again."""
DOUBLINGS = 5
"""After so many waits, each twice as long, a task that was handed over waits as long as any second assignment."""

log = logging.getLogger(__name__)


class Executor:
    """Lives the tasks of one worker."""

    def __init__(self, network: Network, identity: Identity, observer: Observer) -> None:
        self._network = network
        self._identity = identity
        self._observer = observer
        self._journal = Journal(network.requester, network.subjects)
        self._parking = Parking(network, self._journal, identity, observer)
        self._alone = asyncio.Lock()

    async def execute(self, lease: Lease, service: Service) -> None:
        """Bring the task under `lease` to its result, or to its next attempt."""
        delivery = lease.delivery
        request = await self._read(service.task_type, delivery)
        self._observer.delivered(service.task_type, redelivered=delivery.delivered > 1)
        outcome: TaskResult | None = None
        try:
            # Asked for now, so that it costs a task no second round trip before it starts.
            asked = self._journal.ask_last(request.task_type, request.id) if isinstance(request, Request) else None
            # A result may stand already: cancelled while queued, an id used before, an acknowledgement that was lost.
            result = await insist(lambda: self._standing_result(request, delivery))
            if result is None:
                outcome = await self._outcome(lease, service, request, asked)
                if outcome is None:
                    return
                lease.check()
                result = await self._settle(delivery, outcome)
            lease.check()
            self._answer(delivery, request, result)
        except LeaseLost as error:
            log.warning("%s", error)
            await self._offer(lease, outcome)
        except SchemaError as error:
            # What stands cannot be replaced, so no further delivery could end better.
            log.error("%s %s has a result that cannot be read: %s", request.task_type, request.id, error)
            self._acknowledge(delivery)
        except asyncio.CancelledError:
            if lease.stop_reason is None:
                raise
            uncancel()
            if lease.stop_reason is Stop.SETTLED:
                result = await insist(lambda: self._network.results.read(request.task_type, request.id))
                if result is not None:
                    self._answer(delivery, request, result)
            elif lease.stop_reason is Stop.LEASE_LOST:
                await self._offer(lease, outcome)

    async def close(self) -> None:
        """Wait for the events that are on their way."""
        await self._journal.close()

    async def _read(self, task_type: str, delivery: Delivery) -> Request | Refusal:
        request = read(self._network.subjects, task_type, delivery)
        if isinstance(request, Refusal) and await self._journal.is_known(task_type, request.id):
            # Ids stand in events, which all may read: a body that is no task must not end the task whose id it names.
            return msgspec.structs.replace(request, id=sequence_id(delivery.sequence))
        return request

    async def _standing_result(self, request: Request | Refusal, delivery: Delivery) -> TaskResult | None:
        """Return the task's result, where it has one."""
        result = await self._network.results.read(request.task_type, request.id)
        if result is not None or datetime.now(UTC) - delivery.stored_at < timedelta(seconds=RESULTS_MAX_AGE_S):
            return result
        # So old a task may have had a result that RESULTS has forgotten; a consumer that was made anew delivers all history.
        subject = self._network.subjects.result(request.task_type, request.id)
        copy = await last_of(self._network.requester, self._network.subjects.ledger, subject)
        return None if copy is None else decode(TaskResult, copy.data)

    async def _outcome(
        self, lease: Lease, service: Service, request: Request | Refusal, asked: Reader | None
    ) -> TaskResult | None:
        """Return how this delivery ends the task, or None where another one will."""
        if isinstance(request, Refusal):
            return failure(self._identity, request, ErrorCode.INVALID_ASSIGNMENT, request.message)
        delivery, assignment = lease.delivery, request.assignment
        run, begun = await self._turn(service, delivery, request, asked)
        if isinstance(run, NotNow):
            self._not_now(run, service, lease)
            return None
        retries = service.retries if assignment.retries is None else assignment.retries
        allowed = run.forgiven + retries + 1
        context = TaskContext(
            service=service,
            lease=lease,
            request=request,
            number=run.attempt,
            forgiven=run.forgiven,
            started_at=datetime.now(UTC),
            begun=begun,
            given_up=max(0, run.attempt - allowed) if service.endings else 0,
        )
        if run.cut_off:
            reason = "the server was away while it ran"
            await self._journal.store(context.event(TaskReassigned, self._identity, reason=reason))
        most = allowed + service.endings
        # An attempt that an event has promised is made, though the route may allow fewer by now.
        exhausted = run.after_death and run.attempt > most
        if exhausted or (delivery.delivered > MAX_DELIVERIES and not begun):
            return await self._parking.lost(context, most)
        is_last = run.attempt >= most
        if run.attempt >= allowed and run.after_death:
            # It may be what killed its worker. Of such tasks one runs at a time, so that it takes no other one's last attempt.
            async with self._alone:
                return await self._attempt(replace(context, started_at=datetime.now(UTC)), is_last=is_last)
        return await self._attempt(context, is_last=is_last)

    async def _attempt(self, context: TaskContext, *, is_last: bool) -> TaskResult | None:
        """As `_outcome`, for an attempt that is due."""
        service, delivery, request = context.service, context.lease.delivery, context.request
        missed = missed_deadline(
            request.assignment,
            delivery.stored_at,
            context.started_at,
            begun=context.begun,
            default_to_start_s=service.schedule_to_start_s,
        )
        if missed is not None:
            return failure(
                self._identity, request, ErrorCode.DEADLINE_EXCEEDED, missed, attempt=context.preceding().number
            )
        attempt = Attempt(
            network=self._network,
            journal=self._journal,
            parking=self._parking,
            observer=self._observer,
            identity=self._identity,
            context=context,
        )
        return await attempt.run(is_last=is_last)

    async def _turn(
        self, service: Service, delivery: Delivery, request: Request, asked: Reader | None
    ) -> tuple[Run | NotNow, bool]:
        """Return what this delivery calls for, and whether anything has been told of the task yet."""
        # Whatever the server counts, also at the first delivery: a server that was killed brings as new what was begun before,
        # and somebody may have submitted a task under an id that events told of.
        last_event = await self._journal.last(request.task_type, request.id, asked)
        if service.admits is not None and last_event is not None and last_event.sequence != delivery.sequence:
            admits = partial(service.admits, request.id, delivery.sequence, delivery.mark)
            if not await insist(admits):
                return NotNow.SUPERSEDED, True
        reconnected_at = self._network.reconnected_at
        run = turn(delivery.sequence, last_event, reconnected_at=reconnected_at, fenced=service.fenced)
        return run, last_event is not None

    def _not_now(self, reason: NotNow, service: Service, lease: Lease) -> None:
        delivery = lease.delivery
        if reason is NotNow.SUPERSEDED:
            self._acknowledge(delivery)
        elif reason is NotNow.EARLY:
            doublings = min(delivery.delivered - 1, DOUBLINGS)
            handed_over = delivery.consumer in service.direct_consumers
            give_back(self._network.client, lease, min(SECOND_S, EARLY_S * 2**doublings) if handed_over else SECOND_S)
        else:
            self._parking.keep(lease)

    async def _offer(self, lease: Lease, outcome: TaskResult | None) -> None:
        """Store an outcome that is ready although its lease ended while there was no connection.

        A first result stands whoever wrote it, so this costs nobody anything and may save an attempt. Nothing else is said:
        an acknowledgement or an event would take effect on somebody else's delivery.
        """
        if outcome is not None and lease.lost_offline:
            await self._settle(lease.delivery, outcome)

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
        reply(self._network.client, request.reply_to, result, delivery.content_type)
        self._acknowledge(delivery)

    def _acknowledge(self, delivery: Delivery) -> None:
        try:
            acknowledge(self._network.client, delivery)
        except Disconnected as error:
            # Delivered again, the stored result answers it.
            log.warning("could not acknowledge %s #%d: %s", delivery.subject, delivery.sequence, error)
