"""Queues are looked at when somebody asks, and an answer does not wait for them for long."""

import asyncio
import time

import pytest

from bus.errors import RequestTimeout
from clones import queues as queues_module
from clones.queues import Queues
from schemas import QueueStatus
from tests.bus.eventually import WITHIN_S

SOME = (QueueStatus(task_type="security", priority="high", waiting=1, taken=0),)
FRESH_S = 3600.0
"""In place of a second: what was seen grows old when a test says so, and not while the machine does something else."""


@pytest.fixture(autouse=True)
def lasting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues_module, "FRESH_S", FRESH_S)


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


async def test_any_number_ask_and_one_look_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks()
    looks.may_end.set()
    queues = Queues(looks)
    assert await asyncio.gather(*(queues.within(WITHIN_S) for _ in range(50))) == [SOME] * 50
    assert await queues.within(0) == SOME
    assert looks.count == 1
    loop = asyncio.get_running_loop()
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + FRESH_S)
    assert await queues.within(WITHIN_S) == SOME
    assert looks.count == 2


async def test_a_look_that_takes_too_long_goes_on_for_whoever_asks_next() -> None:
    looks = Looks()
    queues = Queues(looks)
    before = time.monotonic()
    assert await queues.within(0.05) == ()
    assert await queues.within(0.05) == ()
    assert time.monotonic() - before < WITHIN_S
    looks.may_end.set()
    assert await queues.within(WITHIN_S) == SOME
    assert looks.count == 1


async def test_what_cannot_be_read_is_left_out_and_asked_again_later() -> None:
    looks = Looks()
    looks.error = RequestTimeout("no answer")
    looks.may_end.set()
    queues = Queues(looks)
    assert await queues.within(WITHIN_S) == ()
    assert await queues.within(WITHIN_S) == ()
    assert looks.count == 1


async def test_closed_it_looks_no_more() -> None:
    looks = Looks()
    queues = Queues(looks)
    assert await queues.within(0.01) == ()
    queues.close()
    looks.may_end.set()
    assert await queues.within(0.01) == ()
