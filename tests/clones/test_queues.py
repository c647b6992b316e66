"""Queues are looked at when somebody asks, and an answer does not wait for them for long."""

import asyncio
import time

from bus.errors import RequestTimeout
from clones.queues import FRESH_S, Queues
from schemas import QueueStatus
from tests.bus.eventually import WITHIN_S

SOME = (QueueStatus(task_type="security", priority="high", waiting=1, taken=0),)


class Looks:
    """Counts the looks, each of which lasts until it may end."""

    def __init__(self) -> None:
        self.count = 0
        self.may_end = asyncio.Event()
        self.error: RequestTimeout | None = None

    async def __call__(self) -> tuple[QueueStatus, ...]:
        self.count += 1
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return SOME


async def test_any_number_ask_and_one_look_is_taken() -> None:
    looks = Looks()
    looks.may_end.set()
    queues = Queues(looks)
    assert await asyncio.gather(*(queues.within(5) for _ in range(50))) == [SOME] * 50
    assert await queues.within(0) == SOME
    assert looks.count == 1
    await asyncio.sleep(FRESH_S)
    assert await queues.within(5) == SOME
    assert looks.count == 2


async def test_a_look_that_takes_too_long_goes_on_for_whoever_asks_next() -> None:
    looks = Looks()
    queues = Queues(looks)
    before = time.monotonic()
    assert await queues.within(0.05) == ()
    assert await queues.within(0.05) == ()
    assert time.monotonic() - before < WITHIN_S
    looks.may_end.set()
    assert await queues.within(5) == SOME
    assert looks.count == 1


async def test_what_cannot_be_read_is_left_out_and_asked_again_later() -> None:
    looks = Looks()
    looks.error = RequestTimeout("no answer")
    looks.may_end.set()
    queues = Queues(looks)
    assert await queues.within(5) == ()
    assert await queues.within(5) == ()
    assert looks.count == 1


async def test_closed_it_looks_no_more() -> None:
    looks = Looks()
    queues = Queues(looks)
    assert await queues.within(0.01) == ()
    queues.close()
    looks.may_end.set()
    assert await queues.within(0.01) == ()
