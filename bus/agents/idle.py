"""What is under way, counted, so that a runtime can tell when nothing is any more."""

import asyncio
from contextvars import ContextVar

from bus.agents.wire import Fault


class Idle:
    """Counts what a runtime has sent and what it handles."""

    def __init__(self) -> None:
        self._count = 0
        self.changes = 0
        """How often something began."""
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def count(self) -> int:
        """How many things are under way."""
        return self._count

    def begin(self) -> None:
        """Count one more."""
        self._count += 1
        self.changes += 1

    def end(self) -> None:
        """Count one less."""
        self._count -= 1
        if self._count == 0:
            self.wake()

    def wake(self) -> None:
        """Let those who wait look again."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait(self) -> None:
        """Return when nothing is under way, or `wake` was called."""
        if self._count:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future


class Work:
    """One delivery that is handled here, with all that it leads to: it has settled when that has."""

    __slots__ = ("children", "error", "report", "running", "runtime")

    def __init__(self, runtime: object, *, report: bool) -> None:
        self.runtime = runtime
        self.report = report
        self.running = True
        self.children = 0
        self.error: Fault | None = None

    @property
    def is_settled(self) -> bool:
        """Tell whether the handler has ended and so has all that it sent."""
        return not self.running and not self.children

    def begin(self) -> None:
        """Count something that the handler sent."""
        self.children += 1

    def end(self, error: Fault | None) -> None:
        """Note that something the handler sent has ended."""
        self.children -= 1
        if error is not None and self.error is None:
            self.error = error
        if self.is_settled:
            self.settled()

    def settled(self) -> None:
        """Tell whoever waits; called once."""
        raise NotImplementedError


CURRENT: ContextVar[Work | None] = ContextVar("bus.agents.work", default=None)
"""The delivery in whose handler we are."""


def current_work(runtime: object) -> Work | None:
    """Return the delivery that leads to what is sent now, if that runtime handles it and it has not settled."""
    work = CURRENT.get()
    return work if work is not None and work.runtime is runtime and not work.is_settled else None
