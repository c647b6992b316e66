"""Waiting for conditions instead of sleeping for a guess."""

import asyncio
import time
from collections.abc import Awaitable, Callable

WITHIN_S = 30.0
"""Enough for whatever is not waited out in vain, on a machine with much else to do."""


async def eventually(condition: Callable[[], bool | Awaitable[bool]], *, within_s: float = WITHIN_S) -> None:
    """Return once `condition` holds; AssertionError where it does not within `within_s`."""
    deadline = time.monotonic() + within_s
    while True:
        holds = condition()
        if isinstance(holds, Awaitable):
            holds = await holds
        if holds:
            return
        assert time.monotonic() < deadline, "the condition did not come to hold"
        await asyncio.sleep(0.01)
