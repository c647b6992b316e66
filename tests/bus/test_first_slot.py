"""Who has nothing running does not wait for somebody else's long task to end."""

import asyncio

from bus.sharing import SlotSharing
from bus.slots import WeightedRound

WEIGHTS = {"high": 8, "medium": 3, "low": 1}


def slots(capacity: int) -> SlotSharing:
    return SlotSharing(WeightedRound(WEIGHTS.items()), capacity)


async def test_an_urgent_task_now_and_then_always_has_its_slot_back() -> None:
    shared = slots(8)
    assert await shared.claim("low", 7) == 7
    for _ in range(7):
        shared.entered("low")
    flood = asyncio.create_task(shared.claim("low", 8))
    assert await shared.claim("high", 1) == 1
    for _ in range(50):
        shared.entered("high")
        following = asyncio.create_task(shared.claim("high", 1))
        await asyncio.sleep(0)
        shared.left("high")
        assert await following == 1
    assert not flood.done()
    flood.cancel()


async def test_a_flood_of_urgent_tasks_leaves_the_first_slot_to_the_others_too() -> None:
    shared = slots(8)
    assert await shared.claim("high", 8) == 8
    for _ in range(8):
        shared.entered("high")
    flood, low = (asyncio.create_task(shared.claim(consumer, 8)) for consumer in ("high", "low"))
    await asyncio.sleep(0)
    shared.left("high")
    assert await low == 1
    flood.cancel()


async def test_of_two_with_nothing_the_heavier_one_comes_first() -> None:
    shared = slots(1)
    low, high = (asyncio.create_task(shared.claim(consumer, 1)) for consumer in ("low", "high"))
    assert await high == 1
    shared.entered("high")
    shared.left("high")
    assert await low == 1


async def test_one_that_claims_for_several_has_what_any_of_them_runs() -> None:
    shared = slots(2)
    shared.reweigh({"in turn": 8, "low": 1}, {"in turn": ["a", "b"], "low": ["low"]})
    assert await shared.claim("in turn", 2) == 2
    for member in ("a", "b"):
        shared.entered(member)
    more, low = (asyncio.create_task(shared.claim(consumer, 1)) for consumer in ("in turn", "low"))
    await asyncio.sleep(0)
    shared.left("a")
    assert await low == 1
    shared.left("b")
    assert await more == 1
