"""Whether a worker may rely on what it holds: not after its connection broke, nor after it did not run for a while."""

import asyncio

from bus.agents.session import Session

FRESH_S = 5.0
"""A worker that did not run for so long, frozen perhaps, looks at what it holds before it acts on it."""


Moment = tuple[int, float]
"""How often the connection had come back, and the time."""


class Freshness:
    """Stale until `verified`, and again after a break or a freeze."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._until = 0.0
        self._breaks = -1

    def __bool__(self) -> bool:
        return self._session.breaks == self._breaks and asyncio.get_running_loop().time() < self._until

    def refresh(self) -> None:
        """Say that the process runs; called far more often than each 5 s."""
        if self:
            self._until = asyncio.get_running_loop().time() + FRESH_S

    def now(self) -> Moment:
        """Return the moment, before one looks."""
        return self._session.breaks, asyncio.get_running_loop().time()

    def verified(self, at: Moment) -> None:
        """Note that what is held was held at the moment `at`."""
        self._breaks, self._until = at[0], at[1] + FRESH_S
