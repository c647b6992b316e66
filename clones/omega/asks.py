"""Tasks that ask for other clones' work: Omega checks, stores that it was asked for, submits it once, and answers with its result.

`<realm>.ask.<type>` takes a TaskAssignment that names who asks in `parent_type` and `parent_id`, and has in `id` the same each
time that the same is asked for. The task itself has another id, which nobody knows before it is stored (`asked_ids`). A request
is held for `HELD_S` seconds; without a result by then the answer is empty, and the
same is asked again. Omega may die between any two steps:

- The TaskAsked stands on the events of who asks before the task is submitted, stored on the condition that the event which was
  looked at is still the newest: it must not follow one that tells that the attempt is over.
- Whoever is asked again finds that event, looks whether the task was stored behind it, and otherwise stores it.
- One that is stored although who asked has ended meanwhile is cancelled here, or by `clones.omega.children`.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from weakref import WeakValueDictionary

import msgspec
from nats.micro.request import Request

from bus.client import Submitter
from bus.errors import JetStreamError, SanctuaryError
from bus.identity import Identity
from bus.jetstream import WRONG_LAST_SEQUENCE, StoredMessage, publish
from bus.journal import Journal, event_of
from bus.ledger import entries
from bus.network import Network
from clones.asks import HELD_S
from clones.omega.asked_ids import AskedIds, Key
from clones.omega.calls import CallRefused, content_type, last_token, read_call
from clones.omega.children import Children
from clones.omega.inheritance import inherited, left_s
from clones.omega.submissions import Submission, find_open
from clones.omega.wording import how_it_fares, of_task
from clones.routing import default_priority
from schemas import (
    ErrorCode,
    Priority,
    RoutingTable,
    SchemaError,
    TaskAsked,
    TaskAssignment,
    TaskEvent,
    TaskProgress,
    TaskResult,
    TaskStarted,
    decode,
    encode,
)

BEGUN_WITHIN_S = 2.0
"""An attempt that runs has said so after 100 ms; one that asks earlier than that waits for it."""
LOOK_AGAIN_S = 0.05
DEEPEST = 16
"""So many tasks may ask for each other in a row."""
KNOWN = 10_000
"""Asked tasks that are remembered as stored; of others the ledger is asked."""


class _Parent(NamedTuple):
    """A task that asks, as its events tell."""

    key: Key
    newest: TaskEvent
    """Of the attempt that runs."""
    newest_sequence: int
    started_at: datetime
    submission: Submission


class _Asked(NamedTuple):
    """What is asked for."""

    parent: Key
    task_type: str
    key: str
    """By which who asks tells it apart from all else of the type."""


class _Told(NamedTuple):
    """A TaskAsked, and where it stands."""

    event: TaskAsked
    sequence: int


class Asks:
    """Answers what tasks ask for, for one Omega."""

    def __init__(
        self, network: Network, submitter: Submitter, identity: Identity, table: Callable[[], RoutingTable]
    ) -> None:
        """Take what gives the routing table in force."""
        self._network = network
        self._submitter = submitter
        self._table = table
        self._children = Children(network, identity)
        self._journal = Journal(network.requester, network.subjects)
        self._ids = AskedIds(network)
        self._stored: dict[_Asked, Key] = {}
        """Of what was asked for the tasks, where they are known to be stored."""
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()
        """What one task asks for at the same time is stored one after the other: each must stand behind the newest event."""

    async def answer(self, request: Request) -> TaskResult | None:
        """Return the result of what is asked for, or None where it has none yet.

        Raises:
            CallRefused: it may not be asked for, or the network does not answer (`network_unavailable`: ask again).
        """
        try:
            table = self._table()
            task_type, wanted = read_call(table, last_token(request.subject), request.data, content_type(request))
            parent = _parent_of(wanted)
            asked = _Asked(parent, task_type, wanted.id or "")
            async with asyncio.timeout(HELD_S):
                child = self._stored.get(asked) or await self._have_stored(table, asked, wanted)
                return await self._submitter.result(*child)
        except TimeoutError:
            return None
        except SanctuaryError as error:
            raise CallRefused(ErrorCode.NETWORK_UNAVAILABLE, f"{error.message}; ask again") from None
        except asyncio.CancelledError:
            raise CallRefused(ErrorCode.NETWORK_UNAVAILABLE, "this Omega stops; ask another one") from None

    async def _have_stored(self, table: RoutingTable, asked: _Asked, wanted: TaskAssignment) -> Key:
        """Store a task that is asked for, unless it stands, and return it."""
        parent, task_type, _ = asked
        _check_route(table, parent, task_type)
        turn = self._turns.setdefault(parent, asyncio.Lock())
        async with turn:
            asking, told = await self._ask(table, asked)
        child = await self._ids.child(*asked) if told is None else await self._ids.child_of(told.event)
        asked_at = None if told is None else told.sequence
        if asked_at is None or not await self._is_stored(child, behind=asked_at):
            priority = default_priority(table, parent[0], _priority(self._network, asking.submission))
            own = msgspec.structs.replace(wanted, id=child[1])
            task = inherited(own, asking.submission.request.assignment, left_s=self._left_s(table, asking))
            await self._submitter.submit(child[0], task, priority=priority)
        if len(self._stored) >= KNOWN:
            self._stored.clear()
        self._stored[asked] = child
        if await self._network.results.read(*parent) is not None:
            # It ended while this was stored.
            await self._children.end(*parent)
        return child

    async def _ask(self, table: RoutingTable, asked: _Asked) -> tuple[_Parent, _Told | None]:
        """Store what is asked for, and return who asks; with the event that told it already, if one did.

        Raises:
            CallRefused: it does not run, or may not ask for this.
        """
        parent, clock = asked.parent, asyncio.get_running_loop().time
        begun_by = clock() + BEGUN_WITHIN_S
        while True:
            events = await self._events(parent)
            asking = await self._asking(parent, events)
            if asking is None:
                if clock() >= begun_by or await self._network.results.read(*parent) is not None:
                    raise await self._runs_no_more(parent, events)
                await asyncio.sleep(LOOK_AGAIN_S)
                continue
            if (told := _told(events, asked)) is not None:
                return asking, told
            await self._check_loop(asking, asked.task_type)
            if await self._tell(asking, asked):
                return asking, None

    async def _events(self, task: Key) -> list[tuple[StoredMessage, TaskEvent | None]]:
        subject = self._network.subjects.event(*task)
        return [(message, event_of(message)) async for message in entries(self._network, subject)]

    async def _asking(self, parent: Key, events: Sequence[tuple[StoredMessage, TaskEvent | None]]) -> _Parent | None:
        """Return who asks, or None where no attempt of it runs, as far as its events tell."""
        newest = events[-1][1] if events else None
        if not isinstance(newest, TaskStarted | TaskProgress | TaskAsked):
            return None
        starts = [event for _, event in events if isinstance(event, TaskStarted) and event.attempt == newest.attempt]
        submission = await find_open(self._network, *parent, newest)
        if not starts or submission is None or await self._network.results.read(*parent) is not None:
            return None
        return _Parent(parent, newest, events[-1][0].sequence, starts[-1].at, submission)

    async def _runs_no_more(self, parent: Key, events: Sequence[tuple[StoredMessage, TaskEvent | None]]) -> CallRefused:
        ended = await self._network.results.read(*parent) is not None
        newest = events[-1][1] if events else None
        how = f"{of_task(*parent)} has ended" if ended else how_it_fares(*parent, newest)
        return CallRefused(ErrorCode.ASK_REFUSED, f"only a task that runs may ask for another one: {how}")

    async def _check_loop(self, asking: _Parent, task_type: str) -> None:
        """Refuse what comes back to a type that waits for it: with one slot each they would wait for each other for ever."""
        way = [asking.key[0]]
        assignment = asking.submission.request.assignment
        while assignment.parent_type is not None and assignment.parent_id is not None and len(way) < DEEPEST:
            above = assignment.parent_type, assignment.parent_id
            way.append(above[0])
            last = await self._journal.last(*above)
            found = None if last is None else await find_open(self._network, *above, last)
            if found is None:
                break
            assignment = found.request.assignment
        told = " -> ".join((*reversed(way), task_type))
        if task_type in way:
            raise CallRefused(ErrorCode.ASK_REFUSED, f"{task_type} would be asked for by itself: {told}")
        if len(way) >= DEEPEST:
            raise CallRefused(ErrorCode.ASK_REFUSED, f"no more than {DEEPEST} tasks may ask in a row: {told}")

    async def _tell(self, asking: _Parent, asked: _Asked) -> bool:
        """Store that a task asks for another one; False where something else has happened to it meanwhile."""
        newest = asking.newest
        event = TaskAsked(
            task_id=asking.key[1],
            task_type=asking.key[0],
            # Who runs it: this tells of that attempt.
            clone=newest.clone,
            instance=newest.instance,
            attempt=newest.attempt,
            at=datetime.now(UTC),
            sequence=newest.sequence,
            forgiven=newest.forgiven,
            child_type=asked.task_type,
            child_key=asked.key,
        )
        headers = {"Nats-Expected-Last-Subject-Sequence": str(asking.newest_sequence)}
        subject = self._network.subjects.event(*asking.key)
        try:
            await publish(self._network.requester, subject, encode(event), headers=headers)
        except JetStreamError as error:
            if error.err_code != WRONG_LAST_SEQUENCE:
                raise
            return False
        return True

    def _left_s(self, table: RoutingTable, asking: _Parent) -> float | None:
        return left_s(
            asking.submission.request.assignment,
            table.routes.get(asking.key[0]),
            asking.newest,
            stored_at=asking.submission.stored_at,
            started_at=asking.started_at,
            now=datetime.now(UTC),
        )

    async def _is_stored(self, child: Key, *, behind: int) -> bool:
        """Tell whether an asked task was stored behind the ledger's entry `behind`."""
        if await self._journal.is_known(*child) or await self._network.results.read(*child) is not None:
            return True
        subject = self._network.subjects.task(child[0])
        for each in (subject, f"{subject}.*"):
            async for message in entries(self._network, each, start=behind + 1):
                try:
                    stored: TaskAssignment = decode(TaskAssignment, message.data, message.headers.get("Content-Type"))
                except SchemaError:
                    continue
                if stored.id == child[1]:
                    return True
        return False


def _parent_of(wanted: TaskAssignment) -> Key:
    if wanted.id is None or wanted.parent_id is None or wanted.parent_type is None:
        words = "who asks names itself in `parent_type` and `parent_id`, and the task that it asks for in `id`"
        raise CallRefused(ErrorCode.INVALID_ASSIGNMENT, words)
    return wanted.parent_type, wanted.parent_id


def _check_route(table: RoutingTable, parent: Key, task_type: str) -> None:
    route = table.routes.get(parent[0])
    if route is None:
        raise CallRefused(ErrorCode.ASK_REFUSED, f"no route serves {parent[0]}, so none says what it may ask for")
    if task_type not in route.may_ask:
        allowed = ", ".join(route.may_ask) or "nothing"
        words = (
            f"{parent[0]} may not ask for {task_type}: `may_ask` of its route allows {allowed} (sanctuary routes set)"
        )
        raise CallRefused(ErrorCode.ASK_REFUSED, words)


def _told(events: Sequence[tuple[StoredMessage, TaskEvent | None]], asked: _Asked) -> _Told | None:
    """Return the event that tells what is asked for; to Omegas of earlier versions the key was the id."""
    for message, event in events:
        if isinstance(event, TaskAsked) and (event.child_type, event.child_key or event.child_id) == asked[1:]:
            return _Told(event, message.sequence)
    return None


def _priority(network: Network, submission: Submission) -> Priority | None:
    subject = network.subjects.parse_task(submission.subject)
    return None if subject is None else subject.priority
