"""What a network's two streams must say when all has ended, whoever worked on it and whatever happened meanwhile."""

from collections import Counter
from collections.abc import AsyncIterator, Iterable

import msgspec

from bus.jetstream import StoredMessage
from bus.ledger import stream_entries
from bus.network import Network
from schemas import AnyTaskEvent, TaskEvent, TaskResult, TaskRetrying, TaskStarted, decode, sequence_id
from tests.bus.eventually import eventually

Key = tuple[str, str]
"""A task's type and id."""


class _Named(msgspec.Struct, frozen=True):
    id: str | None = None


class Books:
    """All that the streams of a network hold."""

    def __init__(self) -> None:
        self.asked: dict[Key, int] = {}
        """The first assignment of each task, workflow, command and escalation, by its sequence."""
        self.results: dict[Key, TaskResult] = {}
        self.events: dict[Key, list[TaskEvent]] = {}
        self._copies = Counter[Key]()

    @classmethod
    async def read(cls, network: Network) -> "Books":
        books = cls()
        async for message in _all(network, network.subjects.results):
            books._take(network, message)
        async for message in _all(network, network.subjects.ledger):
            books._take(network, message)
        return books

    def _take(self, network: Network, message: StoredMessage) -> None:
        family, first, *rest = message.subject.removeprefix(f"{network.subjects.realm}.").split(".")
        of_ledger = "Nats-Stream-Source" in message.headers or family != "result"
        match family:
            case "task" | "handover":
                self._ask((first, _id_of(message)), message)
            case "workflow":
                self._ask((family, _id_of(message)), message)
            case "command" | "escalation":
                self._ask((family, sequence_id(message.sequence)), message)
            case "result" if of_ledger:
                self._copies[first, rest[0]] += 1
            case "result":
                assert (first, rest[0]) not in self.results
                self.results[first, rest[0]] = decode(TaskResult, message.data)
            case "event" if first != "instance":
                self.events.setdefault((first, rest[0]), []).append(decode(AnyTaskEvent, message.data))

    def _ask(self, key: Key, message: StoredMessage) -> None:
        self.asked.setdefault(key, message.sequence)

    @property
    def unfinished(self) -> set[Key]:
        return self.asked.keys() - self.results.keys()

    @property
    def copied(self) -> bool:
        """Whether the ledger holds each result once."""
        return self._copies == Counter(dict.fromkeys(self.results, 1))

    def hold(self, accepted: Iterable[Key] = ()) -> None:
        """Fail where the streams break a promise; `accepted` are the tasks whose storing was confirmed."""
        assert set(accepted) - self.asked.keys() == set()
        assert self.unfinished == set()
        assert self.results.keys() - self.asked.keys() == set()
        assert self.events.keys() - self.asked.keys() == set()
        for key, events in self.events.items():
            _hold_order(key, events, self.results[key])


def _hold_order(key: Key, events: list[TaskEvent], result: TaskResult) -> None:
    """Attempts count upwards one by one, and what ran after the first was told of before it ran."""
    begun = {event.attempt for event in events if isinstance(event, TaskStarted)}
    told = [event.attempt for event in events]
    assert told == sorted(told), (key, events)
    failed = {event.attempt for event in events if isinstance(event, TaskRetrying)}
    assert begun | failed >= set(range(1, max(told))), (key, events)
    assert result.attempt <= 1 or result.attempt in begun | failed, (key, events, result)


def _id_of(message: StoredMessage) -> str:
    try:
        named = msgspec.json.decode(message.data, type=_Named)
    except msgspec.DecodeError:
        named = _Named()
    return named.id or sequence_id(message.sequence)


async def _all(network: Network, stream: str) -> AsyncIterator[StoredMessage]:
    async for message in stream_entries(network.requester, stream, ">"):
        yield message


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
