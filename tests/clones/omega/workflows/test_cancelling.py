"""Cancelling runs: whatever they do just now, with what they asked for, once; and what is done of them is undone first."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from bus.identity import Identity
from bus.subjects import WORKFLOW_TYPE
from bus.worker import Worker
from clones.omega.clock import SystemClock
from clones.omega.commands import services
from clones.omega.workflows import cancelling
from clones.omega.workflows.steering import workflows_of
from schemas import CancelRequested, RecoveryAction, TaskFailure
from tests.bus.eventually import eventually
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
from tests.clones.omega.workflows.told import cancel, is_idle, refusal, sleeps, verdict
from tests.clones.rig import TABLE, ClonesRig
from tests.clones.step_ids import ids_of

WAITING = definition({"before": task("before"), "ask": {"decision": {"prompt": "?"}, "needs": ["before"]}})
RUNNING = definition({"one": task("one"), "two": task("two"), "after": task("after", "one")})
UNDONE = definition(
    {
        "first": task("first", compensate={"task": "security", "params": {"target": "undo-first"}}),
        "second": task("second", "first", compensate={"task": "security", "params": {"target": "undo-second"}}),
        "last": task("last", "second"),
    }
)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verdict waits for the run's end, however busy the machine is."""
    monkeypatch.setattr(cancelling, "WITHIN_S", 60.0)


async def requests(rig: ClonesRig, workflow_id: str = "w") -> list[CancelRequested]:
    entries = await history(rig, workflow_id)
    return [event for entry in entries for event in entry.events if isinstance(event, CancelRequested)]


async def test_with_the_steps_that_run(clones_rig: ClonesRig) -> None:
    await put(clones_rig, RUNNING)
    doers = Doers()
    doers.hold("one")
    doers.hold("two")
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await eventually(doers.begun("one", "two"))
        told = await verdict(clones_rig, cancel(by="ann", reason="too late"))
        ended = await failed(clones_rig)
    assert told.summary == "workflow w is cancelled, with 2 of its steps"
    own = await ids_of(clones_rig.network)
    assert told.output["steps"] == sorted([own("one"), own("two")])
    assert ended.code == "cancelled"
    assert "by ann: too late" in ended.message
    assert states(ended)["one"] == states(ended)["two"] == "cancelled"
    for step in ("one", "two"):
        result = await clones_rig.network.results.read("security", own(step))
        assert isinstance(result, TaskFailure)
        assert result.code == "cancelled"
    assert len(await submitted(clones_rig)) == 2


async def test_while_it_only_waits(clones_rig: ClonesRig) -> None:
    await put(clones_rig, WAITING)
    async with clones(clones_rig, Doers()):
        async with clones_rig.omega():
            await start(clones_rig)
            await eventually(sleeps(clones_rig))
        async with clones_rig.omega():
            told = await verdict(clones_rig, cancel())
            ended = await failed(clones_rig)
    assert told.output["ended"]
    assert states(ended) == {"before": "completed", "ask": "cancelled"}


async def test_what_is_done_is_undone_first(clones_rig: ClonesRig) -> None:
    await put(clones_rig, UNDONE)
    doers = Doers()
    doers.hold("last")
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await eventually(doers.begun("last"))
        await verdict(clones_rig, cancel())
        ended = await failed(clones_rig)
    assert doers.targets == ["first", "second", "last", "undo-second", "undo-first"]
    assert {line.step: line.compensated for line in ended.steps} == {"first": "done", "second": "done", "last": None}


async def test_undoing_that_takes_its_time_is_told(clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "WITHIN_S", 0.2)
    await put(clones_rig, UNDONE)
    doers = Doers()
    doers.hold("last")
    release = doers.hold("undo-second")
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await eventually(doers.begun("last"))
        told = await verdict(clones_rig, cancel())
        await eventually(doers.begun("undo-second"))  # so that the step that ran is cancelled
        again = await verdict(clones_rig, cancel())
        release.set()
        await failed(clones_rig)
    assert told.summary.startswith("workflow w is being cancelled")
    assert again.summary.startswith("workflow w is being cancelled, with 1 of its steps: what is done of it is undone")
    assert (told.output["ended"], again.output["ended"]) == (False, False)
    assert len(await requests(clones_rig)) == 1


async def test_before_it_has_begun(clones_rig: ClonesRig) -> None:
    """It ends at once, and no Omega begins it later."""
    await put(clones_rig, RUNNING)
    await start(clones_rig, "flow", "first")
    doers = Doers()
    identity = Identity("omega")
    workflows = workflows_of(clones_rig.network, identity, clones_rig.submitter, lambda: TABLE, SystemClock())
    worker = Worker(clones_rig.network, services(identity, workflows), identity, capacity=8)
    await worker.start()
    try:
        told = await verdict(clones_rig, cancel("first"))
    finally:
        await worker.stop(0.0)
    assert told.summary == "workflow first is cancelled"
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await completed(clones_rig)
    result = await clones_rig.network.results.read(WORKFLOW_TYPE, "first")
    assert isinstance(result, TaskFailure)
    assert result.code == "cancelled"
    assert await history(clones_rig, "first") == []


async def test_by_many_at_once_it_is_cancelled_once(clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it ends: whoever comes when it has ended is told so."""
    monkeypatch.setattr(cancelling, "WITHIN_S", 0.1)
    await put(clones_rig, UNDONE)
    doers = Doers()
    doers.hold("last")
    release = doers.hold("undo-second")
    async with clones(clones_rig, doers), clones_rig.omega(), clones_rig.omega():
        await start(clones_rig)
        await eventually(doers.begun("last"))
        await asyncio.gather(*(verdict(clones_rig, cancel(by=by)) for by in ("ann", "bob", "cid")))
        release.set()
        await failed(clones_rig)
    assert len(await requests(clones_rig)) == 1


async def test_what_has_ended_stays(clones_rig: ClonesRig) -> None:
    await put(clones_rig, RUNNING)
    async with clones(clones_rig, Doers()), clones_rig.omega():
        await start(clones_rig)
        await completed(clones_rig)
        told = await refusal(clones_rig, cancel())
        unknown = await refusal(clones_rig, cancel("nothing"))
    assert "workflow w was completed by omega-" in told.message
    assert "`sanctuary workflow retry w` begins it anew" in told.message
    assert unknown.message.startswith("no run nothing is known")


@pytest.mark.parametrize("waits", ["a decision", "a task"])
async def test_with_its_sub_workflow(clones_rig: ClonesRig, waits: str) -> None:
    child = definition({"held": task("held")} if waits == "a task" else WAITING.steps, name="child")
    await put(clones_rig, child, definition({"sub": {"workflow": "child"}}))
    doers = Doers()
    doers.hold("held")
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        child_id = (await ids_of(clones_rig.network))("sub")
        await eventually(sleeps(clones_rig, child_id) if waits == "a decision" else doers.begun("held"))
        await verdict(clones_rig, cancel())
        ended = await failed(clones_rig)
        of_child = await failed(clones_rig, child_id)
    assert (ended.code, of_child.code) == ("cancelled", "cancelled")
    assert len(await requests(clones_rig, child_id)) == 1


async def test_thirty_children(clones_rig: ClonesRig) -> None:
    wide = definition(
        {"all": {"task": "security", "foreach": "input.of", "params": {"target": "${item}"}, "parallelism": 30}},
        input={"of": {"kind": "list"}},
    )
    await put(clones_rig, wide)
    doers = Doers()
    targets = [f"t{number}" for number in range(30)]
    for target in targets:
        doers.hold(target)
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig, input={"of": targets})
        await eventually(doers.begun(*targets))
        told = await verdict(clones_rig, cancel())
        ended = await failed(clones_rig)
        own = await ids_of(clones_rig.network)
        results = [await clones_rig.bus.result(own("all", number), "security") for number in range(len(targets))]
    assert len(told.output["steps"]) == 30
    assert {result.code for result in results if isinstance(result, TaskFailure)} == {"cancelled"}
    assert len(results) == 30
    assert max(result.finished_at for result in results) - ended.finished_at < timedelta(seconds=5)


@pytest.mark.parametrize("action", ["complete", "fail"])
async def test_ended_by_hand_its_steps_are_cancelled(clones_rig: ClonesRig, action: str) -> None:
    await put(clones_rig, RUNNING)
    doers = Doers()
    doers.hold("one")
    wanted = RecoveryAction(task_id="w", task_type=WORKFLOW_TYPE, action=action)  # type: ignore[arg-type]
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await eventually(doers.begun("one"))
        await verdict(clones_rig, wanted)
        own = await ids_of(clones_rig.network)
        held = await clones_rig.bus.result(own("one"), "security")
    assert isinstance(held, TaskFailure)
    assert held.code == "cancelled"
    assert "after" not in doers.targets


async def test_ended_by_hand_what_is_not_undone_is_named(clones_rig: ClonesRig) -> None:
    """Whoever ends it so sees to that, or cancels it instead."""
    await put(clones_rig, UNDONE)
    doers = Doers()
    doers.hold("last")
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await eventually(doers.begun("last"))
        told = await verdict(clones_rig, RecoveryAction(task_id="w", task_type=WORKFLOW_TYPE, action="fail"))
    assert told.summary == "workflow w is failed, with 1 of its steps; done and not undone: first, second"
    assert told.output["not_undone"] == ["first", "second"]


async def test_ended_by_hand_its_sleeping_sub_workflow_is_cancelled(clones_rig: ClonesRig) -> None:
    """Nobody holds it, and nothing of it waits in a queue."""
    child = msgspec.structs.replace(WAITING, name="child")
    await put(clones_rig, child, definition({"sub": {"workflow": "child"}}))
    async with clones(clones_rig, Doers()), clones_rig.omega():
        await start(clones_rig)
        child_id = (await ids_of(clones_rig.network))("sub")
        await eventually(sleeps(clones_rig, child_id))
        await eventually(sleeps(clones_rig))
        await verdict(clones_rig, RecoveryAction(task_id="w", task_type=WORKFLOW_TYPE, action="fail"))
        assert (await failed(clones_rig, child_id)).code == "cancelled"


async def test_what_was_never_started_begins_no_more(clones_rig: ClonesRig) -> None:
    """An Omega that was stopped for a while stores the start of a sub-workflow that was cancelled meanwhile."""
    await put(clones_rig, RUNNING)
    workflows = workflows_of(clones_rig.network, Identity("omega"), clones_rig.submitter, lambda: TABLE, SystemClock())
    assert not await workflows.others.cancel("w", "its parent has ended")
    doers = Doers()
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig)
        await eventually(lambda: is_idle(clones_rig))
        result = await clones_rig.bus.result("w", WORKFLOW_TYPE)
    assert isinstance(result, TaskFailure)
    assert (result.code, result.message) == ("cancelled", "its parent has ended")
    assert doers.targets == []
