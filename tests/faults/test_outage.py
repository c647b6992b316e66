"""The server is away for longer than a lease."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import bus.lease
from bus.task import Done, Task
from bus.worker import Worker
from schemas import TaskCompletion, TaskReassigned, TaskStarted
from tests.bus.eventually import eventually
from tests.faults.scene import open_scene


@asynccontextmanager
async def short_leases(worker: Worker) -> AsyncIterator[None]:
    """Have what a worker holds lost soon, once it knows that there is no server."""
    await eventually(lambda: not worker._network.is_connected())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bus.lease, "ACK_WAIT_S", 1.0)
        yield


async def test_an_outcome_that_was_ready_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is offered when the server is back; the first result stands, so the attempt was not for nothing."""
    monkeypatch.setattr(bus.lease, "TICK_S", 0.1)
    gone, starts = asyncio.Event(), []

    async def handler(task: Task) -> Done:
        starts.append(task.attempt)
        await gone.wait()
        return Done(output="done while nobody was there")

    async with open_scene(tmp_path) as scene, scene.rig.worker(handler) as worker:
        await scene.rig.submit("x")
        await eventually(lambda: scene.rig.has_started("x"))
        (lease,) = worker._leases.held
        await scene.server.kill()
        gone.set()
        async with short_leases(worker):
            await eventually(lambda: lease.lost and lease.lost_offline)
        await scene.server.restart()
        result = await scene.rig.result("x")
        assert isinstance(result, TaskCompletion)
        assert (result.output, result.attempt, starts) == ("done while nobody was there", 1, [1])
        await eventually(scene.rig.all_settled)
        assert [type(event) for event in await scene.rig.events("x")] == [TaskStarted]


async def test_it_uses_up_no_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ran when the server went away is stopped, and made anew under its number when it is back."""
    monkeypatch.setattr(bus.lease, "TICK_S", 0.1)
    starts: list[int] = []

    async def handler(task: Task) -> Done:
        starts.append(task.attempt)
        if len(starts) == 1:
            await asyncio.Event().wait()
        return Done()

    async with open_scene(tmp_path) as scene, scene.rig.worker(handler, retries=0) as worker:
        await scene.rig.submit("x")
        await eventually(lambda: scene.rig.has_started("x"))
        await scene.server.kill()
        async with short_leases(worker):
            await eventually(lambda: worker.in_flight == 0)
        await scene.server.restart()
        result = await scene.rig.result("x")
        assert isinstance(result, TaskCompletion)
        assert (result.attempt, starts) == (1, [1, 1])
        await eventually(scene.rig.all_settled)
        told = [type(event) for event in await scene.rig.events("x")]
        assert told == [TaskStarted, TaskReassigned, TaskStarted]
