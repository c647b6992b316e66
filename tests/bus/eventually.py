"""Waiting for conditions instead of sleeping for a guess."""

import asyncio
import time
from collections.abc import Awaitable, Callable


async def eventually(condition: Callable[[], bool | Awaitable[bool]], *, within_s: float = 30.0) -> None:
    """Return once `condition` holds; AssertionError where it does not within `within_s`, long enough for a busy machine."""
    deadline = time.monotonic() + within_s
    while True:
        holds = condition()
        if isinstance(holds, Awaitable):
            holds = await holds
        if holds:
            return
        assert time.monotonic() < deadline, "the condition did not come to hold"
        await asyncio.sleep(0.01)
