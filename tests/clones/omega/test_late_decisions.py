"""What is decided about a task while something else befalls it: races that random lives came upon, here made certain."""

import asyncio

import pytest

from bus.results import Settlement
from bus.task import Done, Task, TaskError
from schemas import ErrorCode, RecoveryAction, TaskCancel, TaskCompletion, TaskFailure, TaskResult, TaskStarted
from tests.bus.eventually import eventually
from tests.bus.rig import Runs
from tests.clones.omega.test_commands import (
    TYPE,
    action,
    clone,
    events,
    is_parked,
    nothing_is_left,
    omega,
    submit,
    table,
    verdict,
)
from tests.clones.rig import ClonesRig


async def test_omega_runs_nothing_again_that_has_ended_meanwhile(clones_rig: ClonesRig) -> None:
    """A task was parked, Omega decided to hand it over, and somebody cancelled it before that was carried out."""
    await submit(clones_rig, "t")
    cancel = TaskCancel(task_id="t", task_type=TYPE)
    late = RecoveryAction(task_id="t", task_type=TYPE, action="reassign", clone="delta", by="omega")
    async with omega(clones_rig, table("fallback")):
        assert isinstance(await verdict(clones_rig, cancel), TaskCompletion)
        told = await verdict(clones_rig, late)
    assert isinstance(told, TaskFailure)
    assert told.code == ErrorCode.COMMAND_REFUSED
    assert "cancelled" in told.message
    assert await clones_rig.bus.in_stream(clones_rig.subjects.ledger, clones_rig.subjects.handover(TYPE, "delta")) == []


async def test_a_task_that_is_cancelled_while_it_is_parked_leaves_its_queue(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Omega looked at it when it ran, and writes its result when it is parked."""
    fails = asyncio.Event()
    settle = clones_rig.network.results.settle

    async def handler(_: Task) -> Done:
        await fails.wait()
        raise TaskError(ErrorCode.ENGINE_CRASHED, "as asked")

    async def settle_at_that_moment(result: TaskResult) -> Settlement:
        if result.task_id == "t":
            fails.set()
            await eventually(lambda: is_parked(clones_rig, "t"))
        return await settle(result)

    async with clone(clones_rig, handler), omega(clones_rig):
        await submit(clones_rig, "t")
        await eventually(lambda: has_started(clones_rig))
        monkeypatch.setattr(clones_rig.network.results, "settle", settle_at_that_moment)
        assert isinstance(await verdict(clones_rig, TaskCancel(task_id="t", task_type=TYPE)), TaskCompletion)
        await eventually(lambda: nothing_is_left(clones_rig))


async def has_started(rig: ClonesRig) -> bool:
    return any(isinstance(event, TaskStarted) for event in await events(rig, "t"))


async def test_omega_ends_nothing_that_a_person_has_let_go_on(clones_rig: ClonesRig) -> None:
    runs = Runs()
    async with clone(clones_rig, runs), omega(clones_rig):
        await submit(clones_rig, "t", fail="engine_crashed", until=2, sleep_s=1)
        await eventually(lambda: is_parked(clones_rig, "t"))
        assert isinstance(await verdict(clones_rig, action("t", "retry")), TaskCompletion)
        told = await verdict(clones_rig, action("t", "fail", by="omega"))
        result = await clones_rig.bus.result("t", TYPE)
    assert isinstance(told, TaskFailure)
    assert told.message.endswith("nothing is left to decide")
    assert isinstance(result, TaskCompletion)
