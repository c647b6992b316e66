"""Bookkeeping of one dispatcher: which messages are read and not handled yet, and which of them are for the same agent."""

from collections import deque
from typing import Generic, TypeVar

from bus.agents.durable.records import Reached

Key = TypeVar("Key")
Entry = TypeVar("Entry")


class Progress:
    """How far one agent type has come with one topic. Only what is open takes room, however far one slow agent is behind."""

    def __init__(self, reached: Reached) -> None:
        self.cursor = reached.cursor
        self._open = dict.fromkeys(reached.open)
        self._lost = dict(reached.lost)

    @property
    def open(self) -> tuple[int, ...]:
        """What is read and not handled, ascending."""
        return tuple(self._open)

    @property
    def behind(self) -> int:
        """How many of them there are."""
        return len(self._open)

    @property
    def floor(self) -> int:
        """All up to this sequence is handled."""
        return next(iter(self._open)) - 1 if self._open else self.cursor

    def read(self, sequence: int) -> None:
        """Note that the next message was read."""
        self.cursor = sequence
        self._open[sequence] = None

    def handled(self, sequence: int) -> None:
        """Note that a message was handled."""
        self._open.pop(sequence, None)
        self._lost.pop(sequence, None)

    def lost(self, sequence: int) -> int:
        """Note that a message's worker was lost, and return how often that has happened."""
        count = self._lost[sequence] = self._lost.get(sequence, 0) + 1
        return count

    def was_lost(self, sequence: int) -> bool:
        """Tell whether that has been noted."""
        return sequence in self._lost

    def reached(self) -> Reached:
        """Return this as it is stored."""
        return Reached(self.cursor, self.open, dict(self._lost))


class Lanes(Generic[Key, Entry]):
    """One queue for each key. A key has a lane as long as something is in it, and one who serves the lane as long."""

    def __init__(self) -> None:
        self._lanes: dict[Key, deque[Entry]] = {}

    def add(self, key: Key, entry: Entry) -> bool:
        """Put an entry behind all others of its key; tell whether the lane is new and needs somebody to serve it."""
        lane = self._lanes.get(key)
        if lane is None:
            self._lanes[key] = deque((entry,))
            return True
        lane.append(entry)
        return False

    def first(self, key: Key) -> Entry | None:
        """Return what is to be done next, None where the lane has ended."""
        lane = self._lanes.get(key)
        return lane[0] if lane else None

    def advance(self, key: Key) -> None:
        """Take the first entry off; the lane ends with the last one."""
        lane = self._lanes[key]
        lane.popleft()
        if not lane:
            del self._lanes[key]
