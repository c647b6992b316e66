"""The work list: functions that wait to be looked at, and how often each was."""

from collections import deque
from collections.abc import Iterable

from clones.engines.security.taint.project import FunctionInfo

_MAX_RUNS = 3
"""Times that a function is looked at again, after what it reads has changed."""
_MAX_READERS = 60


class Worklist:
    """Functions in the order in which they are looked at."""

    def __init__(self) -> None:
        self._queue: deque[FunctionInfo] = deque()
        self._queued: set[FunctionInfo] = set()
        self._runs: dict[FunctionInfo, int] = {}
        self._mentions: dict[str, list[FunctionInfo]] = {}

    def __len__(self) -> int:
        """Return how many functions wait."""
        return len(self._queue)

    def index(self, functions: Iterable[FunctionInfo]) -> None:
        """Note which names each function mentions."""
        for info in functions:
            for word in info.words:
                self._mentions.setdefault(word, []).append(info)

    def put(self, info: FunctionInfo) -> None:
        """Look at a function, again if it was already."""
        if info not in self._queued and self._runs.get(info, 0) < _MAX_RUNS:
            self._queued.add(info)
            self._queue.append(info)

    def take(self) -> FunctionInfo:
        """Return the function that waits longest.

        Raises:
            IndexError: none waits.
        """
        info = self._queue.popleft()
        self._queued.discard(info)
        return info

    def begin(self, info: FunctionInfo) -> None:
        """Count that a function is looked at."""
        self._runs[info] = self._runs.get(info, 0) + 1

    def is_begun(self, info: FunctionInfo) -> bool:
        """Whether a function was looked at by itself."""
        return info in self._runs

    def put_callers(self, info: FunctionInfo) -> None:
        """Look at the functions that may call one, if they were not looked at."""
        self.put_readers(info.cls.name if info.cls is not None and info.name == "__init__" else info.name)

    def put_readers(self, name: str) -> None:
        """Look at the functions that mention a name, if they were not looked at; not where many do."""
        readers = self._mentions.get(name, [])
        if len(readers) <= _MAX_READERS:
            for reader in readers:
                if not self.is_begun(reader):
                    self.put(reader)
