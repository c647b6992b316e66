"""What waits for an instance, looked at when somebody asks, and once a second at most."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bus.errors import SanctuaryError
from schemas import QueueStatus

FRESH_S = 1.0

log = logging.getLogger(__name__)


class Queues:
    """Remembers what it saw; any number may ask at once."""

    def __init__(self, look: Callable[[], Awaitable[tuple[QueueStatus, ...]]]) -> None:
        """Take how to look, which may raise SanctuaryError."""
        self._look = look
        self._seen: tuple[QueueStatus, ...] = ()
        self._seen_at = -FRESH_S
        self._looking: asyncio.Task[None] | None = None

    async def within(self, limit_s: float) -> tuple[QueueStatus, ...]:
        """Return the queues after `limit_s` seconds at most; none where they cannot be read in that time."""
        clock = asyncio.get_running_loop().time
        if clock() - self._seen_at < FRESH_S:
            return self._seen
        if self._looking is None:
            self._looking = asyncio.create_task(self._renew())
        # Whoever comes while this goes on waits for the same look, and the next has its outcome at once.
        await asyncio.wait((self._looking,), timeout=limit_s)
        return self._seen if clock() - self._seen_at < FRESH_S else ()

    def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()

    async def _renew(self) -> None:
        try:
            self._seen = await self._look()
        except SanctuaryError as error:
            self._seen = ()
            log.debug("the queues cannot be read: %s", error)
        finally:
            self._looking = None
        self._seen_at = asyncio.get_running_loop().time()
