"""The time by which workflows live: their timers, their limits, and what their histories are dated with."""

import asyncio
from datetime import UTC, datetime
from typing import Protocol

LONGEST_SLEEP_S = 60.0
"""The wall clock may be set meanwhile: it is looked at again this often."""


class Clock(Protocol):
    """Tells the time and waits for it."""

    def now(self) -> datetime:
        """Return the present moment, with its offset."""
        ...

    async def sleep_until(self, moment: datetime) -> None:
        """Return when `moment` has come, at once where it has passed."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """As in Clock; in UTC."""
        return datetime.now(UTC)

    async def sleep_until(self, moment: datetime) -> None:
        """As in Clock."""
        while True:
            left_s = (moment - self.now()).total_seconds()
            if left_s <= 0:
                return
            await asyncio.sleep(min(left_s, LONGEST_SLEEP_S))
