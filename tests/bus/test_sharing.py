"""Free slots and those that wait for them."""

import asyncio
import random

import pytest

from bus import sharing
from bus.sharing import SlotSharing
from bus.slots import WeightedRound
from tests.bus.eventually import WITHIN_S, eventually

WEIGHTS = {"high": 8, "medium": 3, "low": 1}


def slots(capacity: int) -> SlotSharing:
    return SlotSharing(WeightedRound(WEIGHTS.items()), capacity)


def free(shared: SlotSharing) -> int:
    """How many slots are free; they are taken by asking."""
    count = 0
    while shared.take_one_now():
        count += 1
    return count


async def test_those_that_wait_share_by_weight() -> None:
    shared = slots(12)
    high, medium, low = await asyncio.gather(*(shared.claim(consumer, 12) for consumer in WEIGHTS))
    assert (high, medium, low) == (8, 3, 1)


async def test_who_comes_when_none_is_free_waits() -> None:
    shared = slots(1)
    assert await shared.claim("high", 5) == 1
    waiting = asyncio.create_task(shared.claim("low", 5))
    await asyncio.sleep(0)
    assert not waiting.done()
    shared.give_back(1)
    assert await waiting == 1


async def test_slots_freed_together_come_in_one_claim() -> None:
    shared = slots(3)
    await shared.claim("high", 3)
    waiting = asyncio.create_task(shared.claim("low", 9))
    await asyncio.sleep(0)
    for _ in range(3):
        shared.give_back(1)
    assert await waiting == 3


async def test_whose_pull_is_on_its_way_has_its_share_at_its_next_claim() -> None:
    shared = slots(18)
    shared.reserve("high")
    assert await shared.claim("low", 18) == 2
    assert await shared.claim("high", 18) == 16


async def test_what_is_reserved_goes_to_others_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = slots(9)
    shared.reserve("high")
    assert await shared.claim("low", 9) == 1
    waiting = asyncio.create_task(shared.claim("low", 9))
    await asyncio.sleep(0)
    shared.forgo("high")
    assert await waiting == 8
    monkeypatch.setattr(sharing, "RESERVE_S", 0.01)
    shared.give_back(9)
    shared.reserve("high")
    assert await shared.claim("low", 9) == 1
    assert await shared.claim("low", 9) == 8  # once the reservation has run out


async def test_a_claim_that_is_given_up_gives_back() -> None:
    shared = slots(4)
    claim = asyncio.create_task(shared.claim("high", 4))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # granted, and not yet taken up
    claim.cancel()
    await asyncio.gather(claim, return_exceptions=True)
    assert free(shared) == 4


@pytest.mark.parametrize("seed", range(10))
async def test_no_slot_is_lost_or_made(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "RESERVE_S", 0.001)
    chance = random.Random(seed)  # noqa: S311  repeatable, not secret
    shared, held, most = slots(10), 0, 0

    async def consume(consumer: str) -> None:
        nonlocal held, most
        for _ in range(100):
            try:
                async with asyncio.timeout(chance.choice([0.0005, 5])):
                    got = await shared.claim(consumer, chance.randint(1, 10))
            except TimeoutError:
                continue
            held += got
            most = max(most, held)
            if chance.random() < 0.5:
                shared.reserve(consumer)
            await asyncio.sleep(chance.choice([0, 0.0005]))
            held -= got
            shared.give_back(got)
            if chance.random() < 0.3:
                shared.forgo(consumer)

    await asyncio.gather(*(consume(consumer) for consumer in WEIGHTS))
    assert most <= 10
    await eventually(lambda: not shared._reserved)
    assert free(shared) == 10


async def test_other_weights_hold_at_once_and_what_is_reserved_for_those_that_went_is_free() -> None:
    shared = slots(12)
    shared.reserve("high")
    assert await shared.claim("low", 12) == 1
    shared.reweigh({"low": 1, "new": 1})
    assert not shared._reserved
    low, new = await asyncio.gather(shared.claim("low", 12), shared.claim("new", 12))
    assert low + new == 11
    assert abs(low - new) <= 1


async def test_one_that_ends_and_one_that_follows_it_claim_for_the_same_consumer() -> None:
    shared = slots(1)
    assert await shared.claim("high", 1) == 1
    first = asyncio.create_task(shared.claim("high", 1))
    await asyncio.sleep(0)
    first.cancel()
    second = asyncio.create_task(shared.claim("high", 1))
    await asyncio.gather(first, return_exceptions=True)
    shared.give_back(1)
    async with asyncio.timeout(WITHIN_S):
        assert await second == 1
