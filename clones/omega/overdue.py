"""Ending tasks whose time is over and that no worker has ended.

Everything is looked up again before anything is done: the assignment, a result, the last event. A result is stored once by
construction, so that any number of Omegas, and a worker at the same moment, end a task once.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence, Set
from datetime import UTC, datetime

import msgspec
from nats.errors import Error as NatsError

from bus.deadlines import missed_deadline
from bus.errors import SanctuaryError
from bus.identity import Identity
from bus.jetstream import StoredMessage, last_of_each
from bus.journal import event_of
from bus.ledger import entry
from bus.network import Network
from bus.outcomes import failure
from bus.replies import reply
from bus.unfinished import Unfinished, as_unfinished
from bus.wake import dismiss
from clones.omega.absence import is_absent
from clones.omega.agenda import Due, is_last, schedule_due
from schemas import (
    ErrorCode,
    RoutingTable,
    SchemaError,
    TaskAsked,
    TaskEvent,
    TaskFailure,
    TaskProgress,
    TaskStarted,
)

AT_ONCE = 32
"""Assignments that are read at the same time; each may have a megabyte."""
AGAIN_S = 1.0
SETTLE_WITHIN_S = 10.0
"""What one task may take; then the others come first."""
MISSED = 2
"""An instance that is not there this often in a row, a second apart, is gone: nobody listens where its status is asked for."""
LEASE_OVER_S = 6.5
"""So long after its limit an attempt has no lease any more that its worker could settle it under, unless that is stuck."""

log = logging.getLogger(__name__)


def sequence_of(event: StoredMessage) -> int | None:
    """Return the ledger sequence of the assignment that a stored event is about, or None where it tells none that can be."""
    told = event_of(event)
    sequence = None if told is None else told.sequence
    return sequence if sequence is not None and 0 < sequence < event.sequence else None


class Overdue:
    """Looks at what is due, and ends it where it must."""

    def __init__(self, network: Network, identity: Identity, table: Callable[[], RoutingTable]) -> None:
        self._network = network
        self._identity = identity
        self._table = table

    async def look(self, dues: Sequence[Due], now: float) -> list[Due]:
        """End those of `dues` that must end, and return what is to be looked at later.

        Raises:
            SanctuaryError, nats.errors.Error: nothing could be read, and nothing was done.
        """
        network, subjects = self._network, self._network.subjects
        known: list[tuple[Due, Unfinished, str]] = []
        for first in range(0, len(dues), AT_ONCE):
            part = dues[first : first + AT_ONCE]
            read = await asyncio.gather(*(self._assignment(due) for due in part))
            known += [
                (due, found, subjects.event(found.request.task_type, found.request.id))
                for due, found in zip(part, read, strict=True)
                if found is not None
            ]
        if not known:
            return []
        events = await last_of_each(network.requester, subjects.ledger, {event for _, _, event in known})
        holders = {due.sequence: event_of(events[event]) for due, _, event in known if due.attempt and event in events}
        instances = list({(last.clone, last.instance) for last in holders.values() if last is not None})
        answers = await asyncio.gather(*(is_absent(network, *instance) for instance in instances))
        gone = {instance for instance, is_gone in zip(instances, answers, strict=True) if is_gone}
        later = await asyncio.gather(
            *(self._look_at(due, found, events.get(event), gone, now) for due, found, event in known)
        )
        return [due for due in later if due is not None]

    async def _assignment(self, due: Due) -> Unfinished | None:
        """Return the assignment without its parameters, or None where there is none."""
        message = await entry(self._network, due.sequence)
        if message is None or message.subject != due.source.subject:
            return None
        found = as_unfinished(self._network.subjects, due.source, message)
        if found is None:
            return None
        assignment = msgspec.structs.replace(found.request.assignment, params={})
        return msgspec.structs.replace(found, request=msgspec.structs.replace(found.request, assignment=assignment))

    async def _look_at(
        self, due: Due, found: Unfinished, event: StoredMessage | None, gone: Set[tuple[str, str]], now: float
    ) -> Due | None:
        last = None if event is None else event_of(event)
        if last is not None and last.sequence not in (None, due.sequence):
            # Another assignment is in charge: the task was handed over, or somebody used its id once more.
            return None
        what = f"{found.request.task_type} {found.request.id}"
        try:
            async with asyncio.timeout(SETTLE_WITHIN_S):
                if due.attempt:
                    return await self._attempt(due, found, last, gone, now)
                return await self._schedule(due, found, last, now, begun=event is not None)
        except (SanctuaryError, NatsError, TimeoutError) as error:
            log.warning("%s, whose time is over, could not be ended yet: %s", what, error)
            return due._replace(at=now + AGAIN_S)
        except SchemaError as error:
            # What stands cannot be replaced.
            log.error("%s has a result that cannot be read: %s", what, error)
        except Exception as error:  # noqa: BLE001  one task that is like no other must not keep the rest waiting for ever
            message = f"{what}, whose time is over, could not be ended"
            asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
        return None

    async def _schedule(
        self, due: Due, found: Unfinished, last: TaskEvent | None, now: float, *, begun: bool
    ) -> Due | None:
        assignment, route = found.request.assignment, self._table().routes.get(found.request.task_type)
        moment = datetime.fromtimestamp(now, UTC)
        to_start_s = None if route is None else route.schedule_to_start_s
        missed = missed_deadline(assignment, found.stored_at, moment, begun=begun, default_to_start_s=to_start_s)
        if missed is None:
            at = schedule_due(assignment, found.stored_at, route, begun=begun)
            return None if at is None else due._replace(at=max(at, now + AGAIN_S))
        attempt = 0 if last is None else last.attempt
        result = failure(self._identity, found.request, ErrorCode.DEADLINE_EXCEEDED, missed, attempt=attempt)
        await self._end(found, result)
        return None

    async def _attempt(
        self,
        due: Due,
        found: Unfinished,
        last: TaskEvent | None,
        gone: Set[tuple[str, str]],
        now: float,
    ) -> Due | None:
        request = found.request
        if not isinstance(last, TaskStarted | TaskProgress | TaskAsked) or last.attempt != due.attempt:
            return None
        if not is_last(request.assignment, self._table().routes.get(request.task_type), due.attempt, last.forgiven):
            return None
        if await self._network.results.read(request.task_type, request.id) is not None:
            return None
        missed = due.missed + 1 if (last.clone, last.instance) in gone else 0
        if missed < MISSED and now < due.since + LEASE_OVER_S:
            return due._replace(at=now + AGAIN_S, missed=missed)
        message = f"the attempt ran longer than {due.limit_s:g} s and its instance {last.instance} did not end it; no attempt is left"
        result = failure(self._identity, request, ErrorCode.START_TO_CLOSE_TIMEOUT, message, attempt=due.attempt)
        await self._end(found, result)
        return None

    async def _end(self, found: Unfinished, result: TaskFailure) -> None:
        """Store the result unless there is one, tell who asked, and have the task leave its queue where it waits there."""
        request = found.request
        standing = await self._network.results.read(request.task_type, request.id)
        if standing is None:
            settlement = await self._network.results.settle(result)
            if settlement.won:
                log.info("%s %s was ended: %s", request.task_type, request.id, result.message)
                reply(self._network.client, request.reply_to, result, found.content_type)
        await dismiss(self._network, found.consumer, found.sequence)
