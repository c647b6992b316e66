"""Runs that wait, runs whose Omega dies, and runs that are told something: whoever takes them up repeats nothing."""

import asyncio

import pytest

from bus.histories import Histories
from bus.sleepers import Sleepers
from bus.subjects import COMMAND_TYPE, WORKFLOW_TYPE
from clones.omega.once import store_command
from clones.omega.workflows import driver
from schemas import (
    CancelRequested,
    Decision,
    DecisionMade,
    ErrorCode,
    TaskCancel,
    TaskCompletion,
    WorkflowEntry,
    WorkflowWaiting,
    sequence_id,
)
from tests.bus.eventually import eventually
from tests.clones.omega.clocks import SetClock
from tests.clones.omega.workflows.flows import (
    Doers,
    clones,
    completed,
    definition,
    failed,
    history,
    put,
    start,
    states,
    submitted,
    task,
)
from tests.clones.omega.workflows.told import go_on, is_idle
from tests.clones.rig import ClonesRig
from tests.clones.step_ids import ids_of

CHAIN = definition({"one": task("one"), "two": task("two", "one"), "three": task("three", "two")})


async def lies_down(rig: ClonesRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the run `w` sleep, which waits for a task: from now on, and not again."""
    with monkeypatch.context() as sleepy:
        sleepy.setattr(driver, "TASKS_SILENT_S", 0.1)
        await eventually(lambda: sleeps(rig))


async def sleeps(rig: ClonesRig, workflow_id: str = "w") -> bool:
    """Whether a run sleeps, and nobody holds it."""
    record = (await Sleepers(rig.network).read(workflow_id)).sleeper
    events = await rig.bus.events(workflow_id, WORKFLOW_TYPE)
    return record is not None and bool(events) and isinstance(events[-1], WorkflowWaiting)


async def activations(rig: ClonesRig, workflow_id: str = "w") -> int:
    return len({entry.activation for entry in await history(rig, workflow_id)})


async def test_another_omega_takes_a_run_up_and_repeats_nothing(clones_rig: ClonesRig) -> None:
    await put(clones_rig, CHAIN)
    doers = Doers()
    hold = doers.hold("two")
    async with clones(clones_rig, doers):
        async with clones_rig.omega():
            await start(clones_rig)
            await eventually(doers.begun("two"))
        async with clones_rig.omega() as second:
            await eventually(lambda: second.daemon.worker.in_flight == 1)
            hold.set()
            ended = await completed(clones_rig)
    assert ended.instance == second.identity.instance
    assert doers.targets == ["one", "two", "three"]
    assert len(await submitted(clones_rig)) == 3


async def test_a_run_that_ends_while_it_is_taken_up_has_nothing_behind_its_end(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(clones_rig, CHAIN)
    doers = Doers()
    hold = doers.hold("three")
    append, late = Histories.append, 0

    async def append_late(self: Histories, entry: WorkflowEntry, *, last: int) -> int | None:
        nonlocal late
        if not entry.events:
            late += 1
            hold.set()
            await completed(clones_rig)
        return await append(self, entry, last=last)

    monkeypatch.setattr(Histories, "append", append_late)
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await eventually(doers.begun("three"))
        await go_on(clones_rig)
        await completed(clones_rig)
        await eventually(lambda: is_idle(clones_rig))
    assert late == 1
    assert all(entry.events for entry in await history(clones_rig))


async def test_a_silent_run_sleeps_and_its_result_wakes_it(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(clones_rig, CHAIN)
    doers = Doers()
    hold = doers.hold("two")
    async with clones(clones_rig, doers), clones_rig.omega() as omega:
        await start(clones_rig)
        await eventually(doers.begun("two"))
        await lies_down(clones_rig, monkeypatch)
        await eventually(lambda: omega.daemon.worker.in_flight == 0)
        hold.set()
        ended = await completed(clones_rig)
        assert (await Sleepers(clones_rig.network).read("w")).sleeper is None
    assert (ended.attempt, doers.targets) == (1, ["one", "two", "three"])
    assert await activations(clones_rig) == 2


async def test_a_run_that_sleeps_is_taken_up_after_all_omegas_are_gone(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(clones_rig, CHAIN)
    doers = Doers()
    hold = doers.hold("two")
    async with clones(clones_rig, doers):
        async with clones_rig.omega():
            await start(clones_rig)
            await eventually(doers.begun("two"))
            await lies_down(clones_rig, monkeypatch)
        hold.set()
        await clones_rig.bus.result((await ids_of(clones_rig.network))("two"), "security")
        async with clones_rig.omega():
            await completed(clones_rig)
    assert doers.targets == ["one", "two", "three"]


async def test_a_timer_of_two_days_over_a_restart(clones_rig: ClonesRig) -> None:
    clock = SetClock()
    steps = {
        "first": task("first"),
        "pause": {"wait": {"for_s": 172800}, "needs": ["first"]},
        "last": task("last", "pause"),
    }
    await put(clones_rig, definition(steps))
    doers = Doers()
    async with clones(clones_rig, doers):
        async with clones_rig.omega(clock=clock):
            await start(clones_rig)
            await eventually(lambda: sleeps(clones_rig))
        clock.forward(days=1, hours=23)
        async with clones_rig.omega(clock=clock):
            await asyncio.sleep(1.5)  # nothing is to happen, and an Omega has looked by then
            assert await sleeps(clones_rig)
            clock.forward(hours=1)
            ended = await completed(clones_rig)
    assert doers.targets == ["first", "last"]
    assert (ended.finished_at - ended.started_at).days == 2


async def test_a_short_timer_is_waited_for(clones_rig: ClonesRig) -> None:
    clock = SetClock()
    await put(clones_rig, definition({"pause": {"wait": {"for_s": 3}}, "last": task("last", "pause")}))
    async with clones(clones_rig, Doers()), clones_rig.omega(clock=clock):
        await start(clones_rig)

        async def begun() -> bool:
            return bool(await history(clones_rig))

        await eventually(begun)
        clock.forward(seconds=3)
        await completed(clones_rig)
    assert await activations(clones_rig) == 1


async def test_a_decision_after_two_days_and_a_restart(clones_rig: ClonesRig) -> None:
    clock = SetClock()
    steps = {"approve": {"decision": {"prompt": "Go on?"}}, "last": task("last", "approve")}
    await put(clones_rig, definition(steps, output="${steps.approve.output}"))
    async with clones(clones_rig, Doers()):
        async with clones_rig.omega(clock=clock):
            await start(clones_rig)
            await eventually(lambda: sleeps(clones_rig))
        clock.forward(days=2)
        async with clones_rig.omega(clock=clock):
            decision = Decision(workflow_id="w", step="approve", verdict="approve", decided_by="ann", comment="fine")
            verdict = await _told(clones_rig, decision)
            ended = await completed(clones_rig)
    assert verdict.summary.endswith("is approved by ann")
    assert ended.output == {"verdict": "approve", "decided_by": "ann", "comment": "fine"}
    [made] = [event for entry in await history(clones_rig) for event in entry.events if isinstance(event, DecisionMade)]
    assert made.decided_by == "ann"


async def test_a_driver_that_holds_the_run_hears_of_a_decision(clones_rig: ClonesRig) -> None:
    steps = {"approve": {"decision": {}}, "busy": task("busy")}
    await put(clones_rig, definition(steps))
    doers = Doers()
    hold = doers.hold("busy")
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await eventually(doers.begun("busy"))
        await _told(clones_rig, Decision(workflow_id="w", step="approve", verdict="reject", decided_by="ann"))
        # It ends without waiting for what runs: that is cancelled.
        ended = await failed(clones_rig)
        hold.set()
    assert ended.steps[0].code == ErrorCode.REJECTED
    assert states(ended)["busy"] == "cancelled"
    assert await activations(clones_rig) == 1


async def test_a_cancelled_parent_cancels_its_sub_workflows_and_tasks(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "TASKS_SILENT_S", 0.3)
    monkeypatch.setattr(driver, "ALL_SILENT_S", 0.1)
    inner = definition({"deep": task("deep"), "after": task("after", "deep")}, "inner")
    outer = definition({"sub": {"workflow": "inner"}, "own": task("own")})
    await put(clones_rig, inner, outer)
    doers = Doers()
    doers.hold("deep")
    doers.hold("own")
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await eventually(doers.begun("deep", "own"))
        await _told(clones_rig, TaskCancel(task_id="w", task_type=WORKFLOW_TYPE, by="ann", reason="too late"))
        ended = await failed(clones_rig)
        child = await failed(clones_rig, (await ids_of(clones_rig.network))("sub"))
    assert (ended.code, child.code) == (ErrorCode.CANCELLED, ErrorCode.CANCELLED)
    assert states(ended) == {"sub": "cancelled", "own": "cancelled"}
    assert states(child) == {"deep": "cancelled", "after": "skipped"}
    told = [event for entry in await history(clones_rig) for event in entry.events]
    assert sum(isinstance(event, CancelRequested) for event in told) == 1
    assert sorted(doers.targets) == ["deep", "own"]


@pytest.mark.timeout(300)
async def test_five_hundred_parallel_steps(clones_rig: ClonesRig) -> None:
    steps = {"each": task("${item}", foreach="input.places", parallelism=500)}
    places = [str(number) for number in range(500)]
    flow = definition(steps, input={"places": {"kind": "list"}}, output="${length(steps.each.output)}")
    await put(clones_rig, flow)
    doers = Doers()
    async with clones(clones_rig, doers, capacity=128), clones_rig.omega():
        await start(clones_rig, input={"places": places})
        ended = await completed(clones_rig, within_s=240)
    assert ended.output == 500
    assert sorted(doers.targets, key=int) == places


async def test_thirty_running_children_are_cancelled_with_their_parent(clones_rig: ClonesRig) -> None:
    places = [str(number) for number in range(30)]
    steps = {"each": task("${item}", foreach="input.places", parallelism=30)}
    await put(clones_rig, definition(steps, input={"places": {"kind": "list"}}))
    doers = Doers()
    for place in places:
        doers.hold(place)
    async with clones(clones_rig, doers, capacity=64), clones_rig.omega():
        await start(clones_rig, input={"places": places})
        await eventually(doers.begun(*places))
        await _told(clones_rig, TaskCancel(task_id="w", task_type=WORKFLOW_TYPE, by="ann"))
        await failed(clones_rig)
        own = await ids_of(clones_rig.network)
        for index in range(30):
            child = await clones_rig.bus.result(own("each", index), "security")
            assert getattr(child, "code", None) == ErrorCode.CANCELLED


async def _told(rig: ClonesRig, command: Decision | TaskCancel) -> TaskCompletion:
    """Have a command carried out, and return the verdict."""
    verdict = await rig.bus.result(sequence_id(await store_command(rig.network, command)), COMMAND_TYPE, within_s=60)
    assert isinstance(verdict, TaskCompletion), verdict
    return verdict
