"""Waking runs that only wait: once, by any Omega, also where the one that was about to died."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from bus.buckets import stream_of
from bus.errors import RequestTimeout
from bus.jetstream import StoredMessage, api, publish
from bus.ledger import entries
from bus.network import Network
from bus.sleepers import Sleepers
from bus.subjects import WORKFLOW_TYPE
from bus.topology import Limits
from clones.omega.clock import SystemClock
from clones.omega.coordination import make_network
from clones.omega.workflows import driver, waking
from clones.omega.workflows.wake_ups import mark_of
from clones.omega.workflows.waking import Waker
from schemas import MSGPACK, RecoveryAction, WorkflowCompletion, WorkflowStart, decode, encode, new_id
from tests.bus.eventually import eventually
from tests.clones.omega.clocks import SetClock
from tests.clones.omega.workflows.flows import Doers, clones, completed, definition, put, start, task
from tests.clones.omega.workflows.told import activations, sleeps, verdict
from tests.clones.rig import ClonesRig
from tests.clones.step_ids import ids_of

NAP = definition({"nap": {"wait": {"for_s": 3600}}, "after": task("after", "nap")})
ASKED = definition({"ask": {"decision": {"prompt": "?"}}})


async def asleep(rig: ClonesRig, **fields: Any) -> None:
    """The run `w` sleeps, and no Omega is there."""
    await put(rig, NAP)
    async with rig.omega(clock=SetClock()):
        await start(rig, **fields)
        await eventually(sleeps(rig))


def later() -> SetClock:
    clock = SetClock()
    clock.forward(hours=2)
    return clock


def waker(rig: ClonesRig, clock: Any = None) -> Waker:
    return Waker(rig.network, Sleepers(rig.network), clock or later())


async def test_a_timer_wakes_it(clones_rig: ClonesRig) -> None:
    await asleep(clones_rig)
    doers, clock = Doers(), SetClock()
    async with clones(clones_rig, doers), clones_rig.omega(clock=clock):
        await waker(clones_rig, clock).look()
        assert await activations(clones_rig) == 1
        clock.forward(hours=2)
        await completed(clones_rig)
    assert doers.targets == ["after"]
    assert await activations(clones_rig) == 2


async def test_many_at_once_wake_it_once(clones_rig: ClonesRig) -> None:
    await asleep(clones_rig)
    await asyncio.gather(
        *(waker(clones_rig).look() for _ in range(8)), *(waker(clones_rig).wake("w") for _ in range(8))
    )
    assert await activations(clones_rig) == 2
    async with clones(clones_rig, Doers()), clones_rig.omega(clock=later()):
        await completed(clones_rig)
    assert await activations(clones_rig) == 2


async def test_who_died_before_storing_the_wake_up_is_replaced(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asleep(clones_rig)

    async def dies(*_: object, **__: object) -> None:
        raise RequestTimeout("it died")

    with monkeypatch.context() as dying:
        dying.setattr(waking, "publish", dies)
        with pytest.raises(RequestTimeout):
            await waker(clones_rig).look()
    assert await activations(clones_rig) == 1
    second = waker(clones_rig)
    await second.look()
    assert await activations(clones_rig) == 1  # whoever has claimed it may be about to store it
    monkeypatch.setattr(waking, "TAKEN_OVER_AFTER_S", 0.0)
    for _ in range(3):
        await second.look()
        await waker(clones_rig).wake("w")
    assert await activations(clones_rig) == 2
    async with clones(clones_rig, Doers()), clones_rig.omega(clock=later()):
        await completed(clones_rig)


async def test_wake_ups_that_stand_are_looked_for_once_and_together(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their drivers may come late, as all slots are taken: looking for each, each time, would cost more the more wait so."""
    await put(clones_rig, NAP)
    runs = [f"w{number}" for number in range(5)]
    async with clones_rig.omega(clock=SetClock()):
        for run in runs:
            await start(clones_rig, workflow_id=run)
        for run in runs:
            await eventually(sleeps(clones_rig, run))
    monkeypatch.setattr(waking, "TAKEN_OVER_AFTER_S", 0.0)
    looked: list[str] = []

    async def counted(network: Network, subject: str, *, start: int) -> AsyncIterator[StoredMessage]:
        looked.append(subject)
        async for message in entries(network, subject, start=start):
            yield message

    monkeypatch.setattr(waking, "entries", counted)
    second = waker(clones_rig)
    for _ in range(4):
        await second.look()
    assert looked == [clones_rig.subjects.workflow("flow")]
    assert await activations(clones_rig) == 10
    second._begin_anew()
    await second.look()
    assert len(looked) == 2
    assert await activations(clones_rig) == 10


@pytest.mark.parametrize("was_woken", [False, True])
async def test_one_that_a_former_release_put_to_sleep_is_woken(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch, was_woken: bool
) -> None:
    """Its record has no proof in it, nor has a wake-up that an Omega of then may have stored, which is let go."""
    await asleep(clones_rig)
    sleepers = Sleepers(clones_rig.network)
    standing = await sleepers.read("w")
    assert standing.sleeper is not None
    former = msgspec.structs.replace(
        standing.sleeper, nonce="0123456789abcdef", woken_behind=standing.sleeper.activation if was_woken else None
    )
    assert await sleepers.replace(former, standing.revision)
    if was_woken:
        mark = {"Nats-Msg-Id": mark_of(former.nonce)}
        subject = clones_rig.subjects.workflow("flow")
        await publish(clones_rig.network.requester, subject, encode(former.start), headers=mark)
    monkeypatch.setattr(waking, "TAKEN_OVER_AFTER_S", 0.1)
    async with clones(clones_rig, Doers()), clones_rig.omega(clock=later()):
        await completed(clones_rig)


async def test_a_wake_up_of_a_former_release_counts_if_it_is_older_than_this_one(clones_rig: ClonesRig) -> None:
    """Whoever took the record away has died before it wrote anything: nothing else is left of the run."""
    await asleep(clones_rig)
    network, sleepers = clones_rig.network, Sleepers(clones_rig.network)
    standing = await sleepers.read("w")
    assert standing.sleeper is not None
    await sleepers.remove(standing.sleeper)
    mark = {"Nats-Msg-Id": mark_of("0123456789abcdef")}
    await publish(network.requester, clones_rig.subjects.workflow("flow"), encode(standing.sleeper.start), headers=mark)
    await api(network.requester, f"STREAM.DELETE.{stream_of(clones_rig.subjects.secrets)}")
    await make_network(network, Limits())
    async with clones(clones_rig, Doers()), clones_rig.omega(clock=later()):
        await completed(clones_rig)


async def test_a_result_wakes_it(clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(clones_rig, definition({"long": task("long"), "after": task("after", "long")}))
    doers = Doers()
    release = doers.hold("long")
    async with clones(clones_rig, doers):
        with monkeypatch.context() as sleepy:
            sleepy.setattr(driver, "TASKS_SILENT_S", 0.1)
            async with clones_rig.omega():
                await start(clones_rig)
                await eventually(sleeps(clones_rig))
        release.set()
        await clones_rig.bus.result((await ids_of(clones_rig.network))("long"), "security")
        async with clones_rig.omega():
            await completed(clones_rig)
    assert doers.targets == ["long", "after"]
    assert await activations(clones_rig) == 2


async def test_a_sub_workflow_wakes_it(clones_rig: ClonesRig) -> None:
    child = definition({"only": {"wait": {"for_s": 3600}}}, name="child")
    await put(clones_rig, child, definition({"sub": {"workflow": "child"}}))
    clock = SetClock()
    async with clones_rig.omega(clock=clock):
        await start(clones_rig)
        await eventually(sleeps(clones_rig))
        await eventually(sleeps(clones_rig, (await ids_of(clones_rig.network))("sub")))
        clock.forward(hours=2)
        await completed(clones_rig)


async def test_a_run_that_ended_otherwise_is_forgotten(clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch) -> None:
    await put(clones_rig, ASKED)
    async with clones_rig.omega():
        await start(clones_rig)
        await eventually(sleeps(clones_rig))
        await verdict(clones_rig, RecoveryAction(task_id="w", task_type=WORKFLOW_TYPE, action="complete", output=1))
    monkeypatch.setattr(waking, "TIDY_EVERY_S", 0.0)
    await waker(clones_rig, SystemClock()).look()
    assert (await Sleepers(clones_rig.network).read("w")).sleeper is None


async def test_a_new_connection_reads_all_anew(clones_rig: ClonesRig) -> None:
    clock = SetClock()
    found = waker(clones_rig, clock)
    await asleep(clones_rig)
    await found.look()
    found._begin_anew()
    clock.forward(hours=2)
    await found.look()
    assert await activations(clones_rig) == 2


async def test_who_asked_in_messagepack_is_answered_so(clones_rig: ClonesRig) -> None:
    """The wake-up carries no input, which may be large, and all else of the start."""
    await put(clones_rig, definition({"nap": {"wait": {"for_s": 3600}}}, input={"large": {}}))
    client = clones_rig.network.client
    inbox = f"_INBOX.{new_id()}"
    heard = await client.subscribe(inbox)
    body = encode(WorkflowStart(id="w", input={"large": "x" * 1000}, reply_to=inbox), MSGPACK)
    clock = SetClock()
    async with clones_rig.omega(clock=clock):
        await client.publish(clones_rig.subjects.workflow("flow"), body, headers={"Content-Type": MSGPACK})
        await eventually(sleeps(clones_rig))
        clock.forward(hours=2)
        answer = await heard.next_msg(timeout=60)
    assert decode(WorkflowCompletion, answer.data, MSGPACK).task_id == "w"
    _, woken = await clones_rig.bus.in_stream(clones_rig.subjects.ledger, clones_rig.subjects.workflow("flow"))
    again: WorkflowStart = decode(WorkflowStart, woken.data, MSGPACK)
    assert again == WorkflowStart(id="w", reply_to=inbox)
