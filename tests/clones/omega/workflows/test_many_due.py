"""Ten thousand sleeping runs are due at once: they are woken in their order, each once, and other work goes on meanwhile."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bus import buckets
from bus.consumers import consumer_state
from bus.jetstream import api
from bus.ledger import entries, last_sequence
from bus.sleepers import Sleepers, sleeper
from clones.omega.once import is_wake_up
from clones.omega.workflows import waking
from clones.omega.workflows.waking import MOST_COMING, Waker
from clones.workflows.ids import new_proof
from schemas import WorkflowStart, decode, encode, sequence_id
from tests.bus.eventually import eventually
from tests.clones.omega.clocks import SetClock
from tests.clones.omega.workflows.flows import Doers, clones, completed, definition, put, start, task
from tests.clones.rig import ClonesRig

MANY = 10_000
SINCE = datetime(2026, 3, 1, tzinfo=UTC)


def run_id(number: int) -> str:
    """An id of the network's own: whoever is woken under it finds that it never began, and lets go at once."""
    return sequence_id(1_000_000 + number)


async def asleep(rig: ClonesRig) -> None:
    """Many runs sleep; the higher its number, the sooner each was due."""
    subject = rig.subjects.sleepers
    for number in range(MANY):
        record = sleeper(
            "flow",
            run_id(number),
            WorkflowStart(),
            activation=1,
            since=SINCE,
            waits_for={"security": ("a", "b")},
            until=SINCE - timedelta(seconds=number),
            nonce=new_proof(run_id(number), secret=""),
        )
        rig.network.client.post(buckets.subject_of(subject, record.workflow_id), encode(record))
        if number % 500 == 0:
            await rig.network.client.flush()

    async def is_stored() -> bool:
        return await messages(rig, buckets.stream_of(subject)) == MANY

    await eventually(is_stored, within_s=60)


async def messages(rig: ClonesRig, stream: str) -> int:
    info = await api(rig.network.requester, f"STREAM.INFO.{stream}")
    return int(info["state"]["messages"])


async def woken(rig: ClonesRig) -> list[str]:
    """The ids of the runs that were woken, in the order of their wake-ups."""
    wake_ups = [message async for message in entries(rig.network, rig.subjects.workflow("flow")) if is_wake_up(message)]
    return [str(decode(WorkflowStart, message.data).id) for message in wake_ups]


async def test_they_are_woken_in_their_order_and_each_once(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def counted(*arguments: Any) -> int:
        nonlocal asked
        asked += 1
        return await last_sequence(*arguments)

    monkeypatch.setattr(waking, "last_sequence", counted)
    await asleep(clones_rig)
    sleepers = Sleepers(clones_rig.network)
    one, other = (Waker(clones_rig.network, sleepers, SetClock()) for _ in range(2))

    async def look() -> list[str]:
        await asyncio.gather(one.look(), other.look())
        return await woken(clones_rig)

    soonest = [run_id(number) for number in reversed(range(MANY))]
    first = await look()
    assert sorted(first) == sorted(soonest[:MOST_COMING])
    assert await look() == first  # their drivers are to come yet
    await asyncio.gather(*(sleepers.get_up(run, activation=2) for run in first[:100]))
    assert sorted((await look())[MOST_COMING:]) == sorted(soonest[MOST_COMING : MOST_COMING + 100])
    monkeypatch.setattr(waking, "MOST_COMING", MANY)
    assert sorted(await look()) == sorted(soonest)
    # Once for all that are woken together: three times there are such, and either finds them first, or both.
    assert 3 <= asked <= 6


async def test_other_work_goes_on_meanwhile(clones_rig: ClonesRig) -> None:
    """A run that begins now waits behind no more than those that are woken together."""
    await put(clones_rig, definition({"only": task("only")}))
    await asleep(clones_rig)
    async with clones(clones_rig, Doers()), clones_rig.omega(capacity=128):
        await eventually(lambda: is_waking(clones_rig))
        await start(clones_rig)
        await completed(clones_rig)
        state = await consumer_state(clones_rig.network, clones_rig.subjects.workflows_consumer)
        left = MANY - len(await woken(clones_rig))
    assert state is not None
    assert state.num_pending <= MOST_COMING
    assert left > 0


async def is_waking(rig: ClonesRig) -> bool:
    return bool(await woken(rig))
