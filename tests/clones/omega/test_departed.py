"""What was handed to a clone that its route does not name any more goes on with whoever is free, and is seen meanwhile."""

import asyncio
from typing import Any

import pytest

import clones.omega.departed
from bus.consumers import consumer_state
from bus.errors import NoResponders
from bus.identity import Identity
from bus.jetstream import PubAck, publish
from bus.requests import Requester
from bus.topology import ensure_consumers, task_consumers
from bus.wake import wake
from clones.omega.departed import Departed
from ops.parked import parked
from schemas import (
    Route,
    RoutingTable,
    TaskAssignment,
    TaskCompletion,
    TaskFailure,
    TaskParked,
    TaskReassigned,
    TaskResumed,
    decode,
    encode,
)
from tests.bus.eventually import eventually
from tests.bus.rig import Runs
from tests.bus.taking import answer, store, take
from tests.clones.omega.test_commands import (
    TYPE,
    action,
    cancel,
    clone,
    events,
    is_parked,
    omega,
    submit,
    table,
    verdict,
)
from tests.clones.rig import ClonesRig, put_table

WITHOUT = RoutingTable(routes={TYPE: Route(clone="beta", when_exhausted="park", retries=0, timeout_s=20)})
"""Without Delta."""


async def handed_to_delta(rig: ClonesRig, task_id: str = "t", **limits: float) -> None:
    """Have Beta park a task, and a person hand it to Delta."""
    assignment = TaskAssignment(id=task_id, params={"target": "x", "fail": "engine_crashed", "until": 2}, **limits)  # type: ignore[arg-type]
    await rig.submitter.submit(TYPE, assignment)
    async with omega(rig), clone(rig, Runs()):
        await eventually(lambda: is_parked(rig, task_id))
        assert isinstance(await verdict(rig, action(task_id, "reassign", clone="delta")), TaskCompletion)


async def left(rig: ClonesRig) -> tuple[int, int]:
    state = await consumer_state(rig.network, rig.subjects.handover_consumer(TYPE, "delta"))
    assert state is not None
    return state.num_pending, state.num_ack_pending


async def look(rig: ClonesRig, routes: RoutingTable = WITHOUT) -> None:
    await put_table(rig.network, routes, base_revision=1)
    await Departed(rig.network, Identity("omega"), lambda: routes).look()


async def one_waits(rig: ClonesRig) -> bool:
    return await left(rig) == (1, 0)


async def nothing_left(rig: ClonesRig) -> bool:
    return await left(rig) == (0, 0)


async def test_it_goes_on_with_whoever_is_free(clones_rig: ClonesRig) -> None:
    await handed_to_delta(clones_rig, schedule_to_close_s=3600)
    await eventually(lambda: one_waits(clones_rig))
    await look(clones_rig)
    await eventually(lambda: nothing_left(clones_rig))
    last = (await events(clones_rig, "t"))[-1]
    assert isinstance(last, TaskReassigned)
    assert (last.attempt, last.forgiven) == (2, 1)
    assert last.reason == "the route of security does not name delta any more"
    moved = (await clones_rig.bus.in_stream(clones_rig.subjects.ledger, clones_rig.subjects.task(TYPE)))[-1]
    assert moved.sequence == last.sequence
    left_s: float | None = decode(TaskAssignment, moved.data).schedule_to_close_s
    assert left_s is not None and 3500 < left_s < 3600
    runs = Runs()
    async with clone(clones_rig, runs, routes=WITHOUT):
        result = await clones_rig.bus.result("t", TYPE)
    assert isinstance(result, TaskCompletion)
    assert runs.starts == [("t", 2)]


async def test_several_omegas_move_it_once(clones_rig: ClonesRig) -> None:
    await handed_to_delta(clones_rig)
    await put_table(clones_rig.network, WITHOUT, base_revision=1)
    await asyncio.gather(
        *(Departed(clones_rig.network, Identity("omega"), lambda: WITHOUT).look() for _ in range(4)),
    )
    await eventually(lambda: nothing_left(clones_rig))
    told = await events(clones_rig, "t")
    assert sum(isinstance(event, TaskReassigned) for event in told) == 1


async def test_an_omega_that_dies_in_the_middle_has_the_next_one_store_nothing_twice(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await handed_to_delta(clones_rig)

    async def dies(requester: Requester, subject: str, payload: bytes, **options: Any) -> PubAck:
        if subject == clones_rig.subjects.event(TYPE, "t"):
            raise NoResponders("gone")
        return await publish(requester, subject, payload, **options)

    monkeypatch.setattr(clones.omega.departed, "publish", dies)
    with pytest.raises(NoResponders):
        await look(clones_rig)
    monkeypatch.undo()
    [handed] = await clones_rig.bus.in_stream(clones_rig.subjects.ledger, clones_rig.subjects.handover(TYPE, "delta"))
    await wake(clones_rig.network, clones_rig.subjects.handover_consumer(TYPE, "delta"), handed.sequence)
    await Departed(clones_rig.network, Identity("omega"), lambda: WITHOUT).look()
    await eventually(lambda: nothing_left(clones_rig))
    first, moved = await clones_rig.bus.in_stream(clones_rig.subjects.ledger, clones_rig.subjects.task(TYPE))
    assert first.sequence < handed.sequence < moved.sequence
    assert (await events(clones_rig, "t"))[-1].sequence == moved.sequence


async def test_what_has_ended_leaves(clones_rig: ClonesRig) -> None:
    await handed_to_delta(clones_rig)
    async with omega(clones_rig):
        await verdict(clones_rig, cancel("t"))
    await eventually(lambda: one_waits(clones_rig))
    await look(clones_rig)
    await eventually(lambda: nothing_left(clones_rig))
    assert isinstance(await clones_rig.bus.result("t", TYPE), TaskFailure)
    assert not any(isinstance(event, TaskReassigned) for event in await events(clones_rig, "t"))


async def test_what_is_no_task_ends_in_words(clones_rig: ClonesRig) -> None:
    [sequence] = await store(clones_rig.network, b"[]", subject=clones_rig.subjects.handover(TYPE, "delta"))
    await look(clones_rig)
    result = await clones_rig.bus.result(f"seq-{sequence}", TYPE)
    assert isinstance(result, TaskFailure)
    assert result.code == "invalid_assignment"
    await eventually(lambda: nothing_left(clones_rig))


async def test_a_parked_one_is_seen_and_goes_on_when_somebody_says_so(clones_rig: ClonesRig) -> None:
    await handed_to_delta(clones_rig)
    assert isinstance((await events(clones_rig, "t"))[-1], TaskResumed)
    again = Runs()

    async def fails(task: object) -> object:
        raise RuntimeError("not here either")

    async with clone(clones_rig, fails, "delta"):  # type: ignore[arg-type]
        await eventually(lambda: is_parked(clones_rig, "t"))
    await look(clones_rig)
    assert isinstance((await events(clones_rig, "t"))[-1], TaskParked)
    assert [one.event.task_id for one in await parked(clones_rig.network)] == ["t"]
    async with omega(clones_rig, WITHOUT), clone(clones_rig, again, routes=WITHOUT):
        assert isinstance(await verdict(clones_rig, action("t", "retry")), TaskCompletion)
        await Departed(clones_rig.network, Identity("omega"), lambda: WITHOUT).look()
        assert isinstance(await clones_rig.bus.result("t", TYPE), TaskCompletion)
    assert again.starts == [("t", 3)]
    await eventually(lambda: nothing_left(clones_rig))


@pytest.mark.parametrize("named", ["still", "again"])
async def test_one_whose_clone_is_named_waits_for_it(clones_rig: ClonesRig, named: str) -> None:
    """Also where this Omega has not heard yet that it is named again."""
    await handed_to_delta(clones_rig)
    await put_table(clones_rig.network, table(), base_revision=1)
    known = table() if named == "still" else WITHOUT
    await Departed(clones_rig.network, Identity("omega"), lambda: known).look()
    await eventually(lambda: one_waits(clones_rig))


async def test_one_that_runs_is_left_to_its_worker(clones_rig: ClonesRig) -> None:
    await handed_to_delta(clones_rig)
    [taken] = await take(clones_rig.network, clones_rig.subjects.handover_consumer(TYPE, "delta"))
    await look(clones_rig)
    assert await left(clones_rig) == (0, 1)
    await answer(clones_rig.network, taken, b"+ACK")


async def test_omega_looks_by_itself(clones_rig: ClonesRig) -> None:
    task_id = "t"
    await submit(clones_rig, "other")
    wanted = task_consumers(clones_rig.subjects, TYPE, ["gone"])
    await ensure_consumers(clones_rig.network.requester, clones_rig.subjects, wanted)
    body = encode(TaskAssignment(id=task_id, params={"target": "x"}))
    await store(clones_rig.network, body, subject=clones_rig.subjects.handover(TYPE, "gone"))
    runs = Runs()
    async with clones_rig.omega(), clone(clones_rig, runs):
        assert isinstance(await clones_rig.bus.result(task_id, TYPE), TaskCompletion)
