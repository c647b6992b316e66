"""A message that waits out a delay comes at once when it is woken; all others stay as they are."""

import time
from pathlib import Path

import pytest

from bus.consumers import ConsumerState, consumer_state
from bus.server import EmbeddedServer, ServerOptions
from bus.wake import dismiss, wake
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.rig import TYPE, Rig, open_rig
from tests.bus.taking import Taken, answer, store, take

HOUR = b'-NAK {"delay": 3600000000000}'


async def state(rig: Rig) -> ConsumerState:
    found = await consumer_state(rig.network, rig.subjects.consumer(TYPE))
    assert found is not None
    return found


async def taken(rig: Rig, count: int = 1, *, wait_s: float = WITHIN_S) -> list[Taken]:
    return await take(rig.network, rig.subjects.consumer(TYPE), count, wait_s=wait_s)


@pytest.mark.parametrize("others", [0, 3])
async def test_a_delayed_message_comes_at_once(rig: Rig, others: int) -> None:
    """Also where others are delayed for as long, and stay so."""
    sequences = await store(rig.network, *[b"{}"] * (others + 1))
    for message in await taken(rig, others + 1):
        await answer(rig.network, message, HOUR)
    await wake(rig.network, rig.subjects.consumer(TYPE), sequences[-1])
    [again] = await taken(rig)
    assert (again.sequence, again.delivered) == (sequences[-1], 2)
    assert await taken(rig, wait_s=0.3) == []


async def test_it_may_be_delayed_and_woken_again(rig: Rig) -> None:
    [sequence] = await store(rig.network)
    for turn in range(1, 4):
        [message] = await taken(rig)
        assert message.delivered == turn
        await answer(rig.network, message, HOUR)
        await wake(rig.network, rig.subjects.consumer(TYPE), sequence)


async def test_a_delayed_message_is_dismissed(rig: Rig) -> None:
    first, second = await store(rig.network, b"{}", b"{}")
    for message in await taken(rig, 2):
        await answer(rig.network, message, HOUR)
    await dismiss(rig.network, rig.subjects.consumer(TYPE), first)
    assert (await state(rig)).num_ack_pending == 1
    await wake(rig.network, rig.subjects.consumer(TYPE), first)
    await wake(rig.network, rig.subjects.consumer(TYPE), second)
    [again] = await taken(rig)
    assert again.sequence == second


async def test_one_that_nobody_took_is_not_dismissed(rig: Rig) -> None:
    _, second = await store(rig.network, b"{}", b"{}")
    [message] = await taken(rig)
    await dismiss(rig.network, rig.subjects.consumer(TYPE), second)
    await answer(rig.network, message, b"+ACK")
    assert [message.sequence for message in await taken(rig)] == [second]


@pytest.mark.parametrize("one_is_taken", [True, False])
async def test_one_that_is_acknowledged_is_left_alone(rig: Rig, one_is_taken: bool) -> None:
    sequences = await store(rig.network, b"{}", b"{}", b"{}")
    first, second, third = await taken(rig, 3)
    await answer(rig.network, second, b"+ACK")
    await answer(rig.network, third, b"+ACK")
    await answer(rig.network, first, HOUR if one_is_taken else b"+ACK")
    await wake(rig.network, rig.subjects.consumer(TYPE), sequences[1])
    assert await taken(rig, wait_s=0.3) == []
    assert (await state(rig)).num_ack_pending == int(one_is_taken)


async def test_one_that_nobody_took_is_left_alone(rig: Rig) -> None:
    """It is delivered once, and in its turn."""
    first, second = await store(rig.network, b"{}", b"{}")
    [message] = await taken(rig)
    await answer(rig.network, message, HOUR)
    await wake(rig.network, rig.subjects.consumer(TYPE), second)

    async def waits() -> bool:
        found = await state(rig)
        return (found.num_pending, found.num_ack_pending) == (1, 1)

    await eventually(waits)
    assert [(found.sequence, found.delivered) for found in await taken(rig)] == [(second, 1)]
    assert await taken(rig, wait_s=0.3) == []
    await wake(rig.network, rig.subjects.consumer(TYPE), first + 1000)


async def test_a_consumer_that_is_not_there(rig: Rig) -> None:
    await wake(rig.network, rig.subjects.consumer("nobodys"), 1)


async def test_over_a_server_that_was_killed(tmp_path: Path) -> None:
    async with EmbeddedServer(ServerOptions(store=tmp_path / "store", port=-1)) as server, open_rig(server) as rig:
        first, second, third = await store(rig.network, b"{}", b"{}", b"{}")
        delayed, acknowledged = await taken(rig, 2)
        await answer(rig.network, acknowledged, b"+ACK")
        await answer(rig.network, delayed, HOUR)
        answered_at = time.time()

        def is_written() -> bool:
            """Whether nothing was written of the consumer for ten times as long as the server is late with its state."""
            written = [
                file.stat().st_mtime for file in (tmp_path / "store").rglob(f"obs/{rig.subjects.consumer(TYPE)}/o.dat")
            ]
            return bool(written) and max(answered_at, *written) < time.time() - 1.0

        # Without what is written both would come again.
        await eventually(is_written)
        await server.kill()
        await server.restart()
        await eventually(lambda: rig.network.reconnects > 0)
        assert [found.sequence for found in await taken(rig)] == [third]
        assert await taken(rig, wait_s=0.3) == []
        await wake(rig.network, rig.subjects.consumer(TYPE), first)
        await wake(rig.network, rig.subjects.consumer(TYPE), second)
        assert [found.sequence for found in await taken(rig)] == [first]
        assert await taken(rig, wait_s=0.3) == []
