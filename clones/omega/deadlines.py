"""Deadlines of tasks that no worker ends: Omega keeps an eye on all that has not ended, and ends what is over its time.

A worker enforces the limits of what it holds, to the moment. Omega is there for what nobody holds: queued tasks with no clone
alive, parked ones, attempts whose worker is gone. Every second it looks at the ledger's consumers (one request) and reads what
has come since: new assignments where something is pending or unacknowledged, and which attempts have begun where something
runs. It remembers nothing beyond its process; a restart, and a new connection, reads from the consumers' floors again. What it
reads also tells which tasks were asked for by tasks: with these they end (`clones.omega.children`).

How late a task ends that nobody else ends, its clock being the server's time of storing it:

- schedule-to-start and schedule-to-close: a good second. What is no task at all ends as soon after it was stored.
- start-to-close of the last attempt that is allowed, where the instance is gone: two to four seconds. Where it is there but
  does not answer (it is stopped, or its host vanished), its lease must be over first: seven seconds. Where further attempts are
  allowed the task does not end but goes to the next worker.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TypeAlias

from bus.consumers import ConsumerState, consumer_states
from bus.identity import Identity
from bus.jetstream import StoredMessage
from bus.journal import event_of
from bus.ledger import entries, entry
from bus.network import Network
from bus.topology import RESULTS_MAX_AGE_S, ensure_consumers, omega_consumers, task_consumers
from bus.unfinished import Source, as_unfinished, source_of
from clones.omega.agenda import BEHIND_S, Agenda, Due, attempt_limit_s, schedule_due
from clones.omega.children import Children
from clones.omega.overdue import AGAIN_S, AT_ONCE, Overdue, sequence_of
from clones.omega.refusals import Refusals
from clones.omega.repeating import repeat
from clones.routing import clones_by_type
from schemas import RoutingTable, TaskStarted

LOOK_EVERY_S = 1.0
END_EVERY_S = 0.2
BATCH = 128
BATCHES = 4
"""So many are worked on at a time."""
WHAT = "look after deadlines"
RECONNECTED_S = 3.0
"""After a new connection the other instances get this long to be back on theirs."""

End: TypeAlias = Callable[[Sequence[Due], float], Awaitable[list[Due]]]
"""Ends what is due at a time, where it must, and returns what is to be looked at later."""

log = logging.getLogger(__name__)


class Deadlines:
    """Ends tasks whose time is over; several Omegas may do so at once."""

    def __init__(self, network: Network, identity: Identity, table: Callable[[], RoutingTable]) -> None:
        """Take what gives the routing table in force."""
        self._network = network
        self._table = table
        self._children = Children(network, identity)
        self._overdue = Overdue(network, identity, table)
        self._refusals = Refusals(network, identity)
        self._tasks = Agenda()
        self._attempts = Agenda()
        self._refused = Agenda()
        """What is no task: a worker answers it when it comes to it, and there may be none."""
        self._read: dict[str, int] = {}
        """By consumer, the ledger sequence up to which its assignments were read."""
        self._counts: dict[str, tuple[int, int]] = {}
        """By consumer, what it told when they were read: unchanged, there is nothing new."""
        self._events_read: dict[str, int] = {}
        """By task type, the ledger sequence up to which its events were read."""
        self._to_start_s: dict[str, float | None] = {}
        """By task type, the route's schedule-to-start limit as of the last look."""
        self._missing: set[str] = set()
        self._connected_at = time.monotonic()

    async def run(self) -> None:
        """Look until cancelled."""
        forget = self._network.on_reconnect(self._begin_anew)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(repeat(self.look, LOOK_EVERY_S, WHAT))
                group.create_task(repeat(self._end_tasks, END_EVERY_S, WHAT))
                group.create_task(repeat(self._end_attempts, END_EVERY_S, WHAT))
                group.create_task(repeat(self._end_refused, END_EVERY_S, WHAT))
                group.create_task(self._children.run())
        finally:
            forget()

    def _begin_anew(self) -> None:
        """Read everything again: a server that died may have lost what it stored last, and given its sequences anew."""
        self._tasks.clear()
        self._attempts.clear()
        self._refused.clear()
        self._read.clear()
        self._counts.clear()
        self._events_read.clear()
        self._connected_at = time.monotonic()

    async def _end_tasks(self) -> None:
        """End the tasks whose schedule limits are due."""
        await self._end(self._tasks, self._overdue.look)

    async def _end_attempts(self) -> None:
        """End the tasks whose last attempts are due; apart from the others, because it asks instances, who may be silent."""
        if time.monotonic() - self._connected_at >= RECONNECTED_S:
            await self._end(self._attempts, self._overdue.look)

    async def _end_refused(self) -> None:
        """End what is no task and no worker has ended."""
        await self._end(self._refused, self._refusals.look)

    async def _end(self, agenda: Agenda, end: End) -> None:
        while batches := [dues for _ in range(BATCHES) if (dues := agenda.take(time.time(), BATCH))]:
            # Together: what one waits for at the server, another one has meanwhile.
            ended = await asyncio.gather(
                *(self._end_batch(agenda, end, dues) for dues in batches), return_exceptions=True
            )
            for error in ended:
                if error is not None:
                    raise error

    async def _end_batch(self, agenda: Agenda, end: End, dues: Sequence[Due]) -> None:
        now = time.time()
        try:
            agenda.add(await end(dues, now))
        except Exception:
            agenda.add(due._replace(at=now + AGAIN_S) for due in dues)
            raise

    async def look(self) -> None:
        """Read what is new.

        Raises:
            SanctuaryError: the network did not tell; what was not read is read the next time.
        """
        states = await consumer_states(self._network)
        subjects = self._network.subjects
        sources = [
            source
            for state in states.values()
            if (source := source_of(subjects, state.name, state.subject)) is not None
        ]
        self._heed_routes(sources)
        first_open = {state.name: state.first_open for state in states.values()}
        for agenda in (self._tasks, self._attempts, self._refused, self._children):
            agenda.prune(first_open)
        for source in sources:
            await self._read_assignments(source, states[source.consumer])
        for task_type in dict.fromkeys(source.task_type for source in sources):
            mine = [source for source in sources if source.task_type == task_type]
            await self._read_started(task_type, mine, states)
        await self._mend(states)

    def _heed_routes(self, sources: Iterable[Source]) -> None:
        """Have a type's assignments read again where its route's limit on waiting has changed."""
        limits_s = {task_type: route.schedule_to_start_s for task_type, route in self._table().routes.items()}
        changed = {
            source.consumer
            for source in sources
            if limits_s.get(source.task_type) != self._to_start_s.get(source.task_type)
        }
        if changed:
            self._tasks.drop(changed)
            self._refused.drop(changed)
        for consumer in changed:
            self._read.pop(consumer, None)
            self._counts.pop(consumer, None)
        self._to_start_s = limits_s

    async def _read_assignments(self, source: Source, state: ConsumerState) -> None:
        counts = (state.delivered.stream_seq, state.num_pending)
        if state.is_idle or self._counts.get(source.consumer) == counts:
            return
        start = max(state.first_open, self._read.get(source.consumer, 0) + 1)
        route = self._table().routes.get(source.task_type)
        forgotten = datetime.now(UTC) - timedelta(seconds=RESULTS_MAX_AGE_S)
        async for message in entries(self._network, source.subject, start=start):
            found = as_unfinished(self._network.subjects, source, message)
            # The result of one so old may have expired: another one would be a second.
            if message.stored_at > forgotten:
                if found is None:
                    refused_at = message.stored_at.timestamp() + BEHIND_S
                    self._refused.add([Due(refused_at, message.sequence, 0, source)])
                else:
                    self._children.note(found)
                    at = schedule_due(found.request.assignment, found.stored_at, route)
                    self._tasks.add([Due(at, message.sequence, 0, source)] if at is not None else ())
            self._read[source.consumer] = message.sequence
        self._counts[source.consumer] = counts

    async def _read_started(
        self, task_type: str, sources: Iterable[Source], states: Mapping[str, ConsumerState]
    ) -> None:
        """Read which attempts of a type have begun, where some may run."""
        by_subject = {source.subject: source for source in sources}
        running = [
            states[source.consumer].first_open
            for source in by_subject.values()
            if states[source.consumer].num_ack_pending
        ]
        if not running:
            return
        start = max(min(running), self._events_read.get(task_type, 0) + 1)
        part: list[StoredMessage] = []
        async for event in entries(self._network, self._network.subjects.event(task_type, "*"), start=start):
            part.append(event)
            if len(part) == AT_ONCE:
                await self._note(part, by_subject, states)
                self._events_read[task_type] = event.sequence
                part = []
        if part:
            await self._note(part, by_subject, states)
            self._events_read[task_type] = part[-1].sequence

    async def _note(
        self, events: Iterable[StoredMessage], sources: Mapping[str, Source], states: Mapping[str, ConsumerState]
    ) -> None:
        """Put the limits of attempts that have begun on the agenda."""
        begun = [
            (event, started, sequence)
            for event in events
            if isinstance(started := event_of(event), TaskStarted) and (sequence := sequence_of(event)) is not None
        ]
        assignments = await asyncio.gather(*(entry(self._network, sequence) for _, _, sequence in begun))
        for (event, started, sequence), assignment in zip(begun, assignments, strict=True):
            source = None if assignment is None else sources.get(assignment.subject)
            if assignment is None or source is None or sequence < states[source.consumer].first_open:
                continue
            found = as_unfinished(self._network.subjects, source, assignment)
            if found is None or event.subject != self._network.subjects.event(source.task_type, found.request.id):
                continue
            limit_s = attempt_limit_s(found.request.assignment, self._table().routes.get(source.task_type))
            if limit_s is not None:
                over = event.stored_at.timestamp() + limit_s
                self._attempts.add([Due(over + BEHIND_S, sequence, started.attempt, source, limit_s, over)])

    async def _mend(self, states: Mapping[str, ConsumerState]) -> None:
        """Make anew the durable consumers that somebody deleted; those of a table that has just come are made elsewhere."""
        subjects = self._network.subjects
        wanted = chain(
            omega_consumers(subjects),
            *(
                task_consumers(subjects, task_type, clones)
                for task_type, clones in clones_by_type(self._table()).items()
            ),
        )
        missing = {consumer["durable_name"]: consumer for consumer in wanted if consumer["durable_name"] not in states}
        for name in missing.keys() & self._missing:
            log.warning("the consumer %s of %s is not there any more; it is made anew", name, subjects.ledger)
            await ensure_consumers(self._network.requester, subjects, [missing[name]])
        self._missing = set(missing)
