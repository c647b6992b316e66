"""What a network's two streams must say when all has ended, whoever worked on it and whatever happened meanwhile."""

from collections import Counter
from collections.abc import Collection, Iterable

import msgspec

from bus.jetstream import StoredMessage
from bus.ledger import stream_entries
from bus.network import Network
from bus.routes import in_force
from bus.subjects import RESERVED_TYPES
from clones.completeness.stories import Assigned, Entry, breaches
from schemas import (
    AnyTaskEvent,
    ErrorCode,
    RoutingTable,
    SchemaError,
    TaskAssignment,
    TaskEvent,
    TaskResult,
    decode,
    sequence_id,
)
from tests.bus.eventually import eventually

Key = tuple[str, str]
"""A task's type and id."""


class _Named(msgspec.Struct, frozen=True):
    id: str | None = None


class Books:
    """All that the streams of a network hold."""

    def __init__(self, network: Network, table: RoutingTable) -> None:
        self._prefix = f"{network.subjects.realm}."
        self._table = table
        self.asked: dict[Key, TaskAssignment | None] = {}
        """Each task, workflow, command and escalation; the first assignment of those that are tasks."""
        self.results: dict[Key, TaskResult] = {}
        self.stories: dict[Key, list[Entry]] = {}
        self.unknown = Counter[Key]()
        """Events of kinds that are not known here."""
        self._copies = Counter[Key]()

    @classmethod
    async def read(cls, network: Network) -> "Books":
        revision = await in_force(network)
        assert revision is not None
        books = cls(network, revision.routes.table)
        async for message in stream_entries(network.requester, network.subjects.results, ">"):
            books._take_result(message)
        async for message in stream_entries(network.requester, network.subjects.ledger, ">"):
            books._take_entry(message)
        return books

    def _tokens(self, message: StoredMessage) -> list[str]:
        return message.subject.removeprefix(self._prefix).split(".")

    def _take_result(self, message: StoredMessage) -> None:
        _, task_type, task_id = self._tokens(message)
        assert (task_type, task_id) not in self.results
        self.results[task_type, task_id] = decode(TaskResult, message.data)

    def _take_entry(self, message: StoredMessage) -> None:
        match self._tokens(message):
            case ["task" | "handover" as family, task_type, *rest]:
                assignment: TaskAssignment = decode(TaskAssignment, message.data)
                key = task_type, assignment.id or sequence_id(message.sequence)
                self.asked.setdefault(key, assignment)
                handed_to = rest[0] if family == "handover" else None
                self._tell(key, message, Assigned(assignment, handed_to))
            case ["workflow", _]:
                named = msgspec.json.decode(message.data, type=_Named)
                self.asked["workflow", named.id or sequence_id(message.sequence)] = None
            case ["command" | "escalation" as family, *_]:
                self.asked[family, sequence_id(message.sequence)] = None
            case ["result", task_type, task_id]:
                self._copies[task_type, task_id] += 1
                self._tell((task_type, task_id), message, decode(TaskResult, message.data))
            case ["event", task_type, task_id] if task_type != "instance":
                try:
                    event: TaskEvent = decode(AnyTaskEvent, message.data)
                except SchemaError:
                    self.unknown[task_type, task_id] += 1
                else:
                    self._tell((task_type, task_id), message, event)

    def _tell(self, key: Key, message: StoredMessage, said: Assigned | TaskEvent | TaskResult) -> None:
        self.stories.setdefault(key, []).append(Entry(message.sequence, said))

    @property
    def unfinished(self) -> set[Key]:
        return self.asked.keys() - self.results.keys()

    @property
    def copied(self) -> bool:
        """Whether the ledger holds each result once."""
        return self._copies == Counter(dict.fromkeys(self.results, 1))

    def hold(
        self, accepted: Iterable[Key] = (), *, never_asked: Collection[Key] = (), server_died: bool = False
    ) -> None:
        """Fail where the streams break a promise; `accepted` are the tasks whose storing was confirmed.

        `never_asked` are those that may have been cancelled before they were asked for, so that nobody does them any more;
        `server_died` as of `breaches`.
        """
        assert set(accepted) - self.asked.keys() == set()
        assert self.unfinished == set()
        unasked = self.results.keys() - self.asked.keys()
        assert unasked - set(never_asked) == set()
        assert [key for key in unasked if getattr(self.results[key], "code", None) != ErrorCode.CANCELLED] == []
        for (task_type, task_id), story in self.stories.items():
            if task_type in RESERVED_TYPES or (task_type, task_id) in unasked:
                continue
            assignment, route = self.asked[task_type, task_id], self._table.routes[task_type]
            assert assignment is not None
            retries = route.retries if assignment.retries is None else assignment.retries
            parks = route.when_exhausted != "fail"
            illegal = breaches(story, retries=retries, parks=parks, server_died=server_died)
            assert illegal == [], (task_type, task_id, story)


async def settled_books(network: Network, *, within_s: float = 30.0) -> Books:
    """Wait until all that was asked has ended and the ledger knows it, and return what the streams hold."""
    books = await Books.read(network)

    async def settled() -> bool:
        nonlocal books
        books = await Books.read(network)
        return not books.unfinished and books.copied

    try:
        await eventually(settled, within_s=within_s)
    except AssertionError:
        raise AssertionError(f"unfinished: {sorted(books.unfinished)[:10]}; copied: {books.copied}") from None
    return books
