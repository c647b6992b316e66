"""Runs that no Omega can drive on: the failure is told to the run, which ends as its definition has it, or as well as can be."""

from collections.abc import Sequence
from typing import Any

import pytest

from bus.subjects import WORKFLOW_TYPE
from clones.omega.workflows import running
from clones.omega.workflows.driver import Driver
from clones.omega.workflows.taking_up import TakingUp
from clones.omega.workflows.telling import Telling
from clones.workflows.ids import step_id
from clones.workflows.state import State
from schemas import CancelRequested, TaskFailure, WorkflowEvent
from tests.bus.eventually import eventually
from tests.bus.rig import QUICK
from tests.clones.omega.workflows.flows import (
    Doers,
    clones,
    definition,
    failed,
    history,
    put,
    start,
    states,
    task,
)
from tests.clones.rig import ClonesRig
from tests.clones.step_ids import ids_of

UNDO = {"task": "security", "params": {"target": "undo"}}
FLOW = definition(
    {
        "made": task("made", compensate=UNDO),
        "held": task("held", "made"),
        "sub": {"workflow": "child", "needs": ["made"]},
        "after": task("after", "held"),
    }
)
CHILD = definition({"ask": {"decision": {}}}, name="child")


@pytest.fixture
def doers(monkeypatch: pytest.MonkeyPatch) -> Doers:
    """Two attempts for each run; `held` is held."""
    monkeypatch.setattr(running, "RETRIES", 1)
    monkeypatch.setattr(running, "BACKOFF", QUICK)
    found = Doers()
    found.hold("held")
    return found


def meets_a_defect(monkeypatch: pytest.MonkeyPatch, doers: Doers, *, ending: bool = False) -> None:
    """Once `held` runs and `sub` has begun, no Omega can drive the run `w`, and where `ending` not to its end either."""
    following = Driver._next

    async def fails(self: Driver, state: State) -> Sequence[WorkflowEvent] | None:
        if self._task.id == "w" and state.steps["made"].state == "completed" and (ending or state.failure is None):
            await eventually(doers.begun("held"))
            sub = step_id("w", "sub", secret=state.begun.secret)
            await eventually(lambda: has_begun(self, sub))
            raise ZeroDivisionError("a defect")
        return await following(self, state)

    monkeypatch.setattr(Driver, "_next", fails)


async def has_begun(driver: Driver, workflow_id: str) -> bool:
    return bool(await driver._books.histories.read(workflow_id))


async def begin(rig: ClonesRig) -> None:
    await put(rig, FLOW, CHILD)
    await start(rig)


async def test_the_failure_is_told_to_the_run(
    clones_rig: ClonesRig, doers: Doers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What runs is cancelled, sub-workflows too, and what is done is undone."""
    with monkeypatch.context() as defect:
        meets_a_defect(defect, doers)
        async with clones(clones_rig, doers), clones_rig.omega():
            await begin(clones_rig)
            ended = await failed(clones_rig)
            own = await ids_of(clones_rig.network)
            child = await failed(clones_rig, own("sub"))
    assert (ended.code, child.code) == ("handler_failed", "cancelled")
    assert ended.message.endswith("as often as it tried: ZeroDivisionError: a defect")
    assert states(ended) == {"made": "completed", "held": "cancelled", "sub": "cancelled", "after": "skipped"}
    assert ended.steps[0].compensated == "done"
    assert doers.targets == ["made", "held", "undo"]
    told = [event for entry in await history(clones_rig) for event in entry.events]
    assert sum(isinstance(event, CancelRequested) for event in told) == 1
    async with clones(clones_rig, doers), clones_rig.omega():
        doers.held["held"].set()
        await start(clones_rig, workflow_id="again", retry_of="w", resume=True)
        await eventually(doers.begun("after"))
    assert doers.targets[3:] == ["made", "held", "after"]


@pytest.mark.parametrize("is_read", [True, False])
async def test_what_cannot_be_undone_is_named(
    clones_rig: ClonesRig, doers: Doers, monkeypatch: pytest.MonkeyPatch, is_read: bool
) -> None:
    """The defect stays: what the run has asked for is cancelled, as far as its history makes sense."""
    with monkeypatch.context() as defect:
        meets_a_defect(defect, doers, ending=True)
        if not is_read:
            defect.setattr(Telling, "run", _fails)
        async with clones(clones_rig, doers), clones_rig.omega():
            await begin(clones_rig)
            result = await clones_rig.bus.result("w", WORKFLOW_TYPE, within_s=60)
            own = await ids_of(clones_rig.network)
            if is_read:
                held = await clones_rig.bus.result(own("held"), "security")
                assert isinstance(held, TaskFailure)
                assert held.code == "cancelled"
    assert isinstance(result, TaskFailure)
    assert result.code == "handler_failed"
    if not is_read:
        assert "what it had asked for may run on, as its history makes no sense here: no sense" in result.message
        return
    ended = await failed(clones_rig)
    assert "done and not undone: made. `sanctuary workflow resume w` goes on where it stood" in ended.message
    assert ended.details == {"not_undone": ["made"]}
    assert states(ended) == {"made": "completed", "held": "cancelled", "sub": "cancelled", "after": "skipped"}
    escalated = [each for each in await clones_rig.escalations() if each.message == ended.message]
    assert len(escalated) == 1
    doers.held["held"].set()
    async with clones(clones_rig, doers), clones_rig.omega():
        await start(clones_rig, workflow_id="again", retry_of="w", resume=True)
        await eventually(doers.begun("after"))
    assert doers.targets == ["made", "held", "held", "after"]


async def _fails(*_: Any) -> None:
    raise ZeroDivisionError("no sense")


async def test_one_that_never_began_fails_with_what_kept_it(
    clones_rig: ClonesRig, doers: Doers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TakingUp, "commands", _fails)
    async with clones_rig.omega():
        await begin(clones_rig)
        result = await clones_rig.bus.result("w", WORKFLOW_TYPE, within_s=60)
    assert isinstance(result, TaskFailure)
    assert result.code == "handler_failed"
    assert "no sense" in result.message
    assert await history(clones_rig) == []
