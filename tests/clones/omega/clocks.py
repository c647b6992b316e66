"""A clock that tests set."""

import asyncio
from datetime import UTC, datetime, timedelta


class SetClock:
    """Shows the same moment until it is set forward."""

    def __init__(self, at: datetime = datetime(2026, 3, 1, 9, tzinfo=UTC)) -> None:
        self._at = at
        self._turned = asyncio.Event()

    def now(self) -> datetime:
        return self._at

    def forward(self, **by: float) -> None:
        """Let time pass, as `timedelta` takes it."""
        self._at += timedelta(**by)
        self._turned.set()
        self._turned = asyncio.Event()

    async def sleep_until(self, moment: datetime) -> None:
        while self._at < moment:
            await self._turned.wait()
