"""Faults that happen, to real processes by real signals; what was acknowledged is done, once."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from schemas import TaskCompletion, TaskProgress, TaskReassigned, TaskStarted
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.rig import Runs
from tests.faults.scene import Load, Scene, open_scene

STOPPED_S = 15.0


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_scene(tmp_path) as opened:
        yield opened


async def test_kill_9_of_a_worker_in_the_middle_of_its_task(scene: Scene) -> None:
    """The other worker has the task as soon as its lease has ended, and finishes it; there is one result."""
    await scene.start_worker("first")
    await scene.start_worker("second")
    await scene.rig.submit("x", {"first_s": 60})
    await eventually(lambda: scene.rig.has_started("x"))
    victim = scene.lines("starts")[0].name
    survivor = "second" if victim == "first" else "first"
    assert await scene.end(victim, signal.SIGKILL) == -signal.SIGKILL
    # A lease is 5 s; a machine with much else to do takes longer.
    await eventually(lambda: scene.noted("starts", name=survivor, attempt=2), within_s=20)
    result = await scene.rig.result("x")
    assert isinstance(result, TaskCompletion)
    assert (result.clone, result.attempt) == (survivor, 2)
    assert [(type(event), event.attempt, event.clone) for event in await scene.rig.events("x")][:2] == [
        (TaskStarted, 1, victim),
        (TaskStarted, 2, survivor),
    ]
    await eventually(scene.rig.all_settled)
    await scene.check({"x": True})


async def test_kill_9_of_the_server_under_load(scene: Scene) -> None:
    """Twice, on the same store: what was acknowledged is there, workers and submitters go on by themselves."""
    await scene.start_worker("first")
    await scene.start_worker("second")
    async with Load(scene) as load:
        for _ in range(2):
            await load.progress(100)
            await scene.server.kill()
            await scene.server.restart()
        await load.progress(100)
    assert all(process.returncode is None for process in scene.workers.values())
    assert {line.name for line in scene.lines("is-ready")} == {"first", "second"}
    await eventually(scene.rig.all_settled)
    await scene.check(load.submitted)


@pytest.mark.chaos
async def test_a_zombie_says_nothing(scene: Scene) -> None:
    """Stopped for far longer than its lease, a worker wakes with its outcome in hand while another one has the task."""
    said: list[str] = []

    async def heard(message: Msg) -> None:
        said.append(f"{message.subject} {message.data[:4].decode()}")

    acks = f"$JS.ACK.{scene.rig.subjects.ledger}.{scene.rig.subjects.consumer('echo')}.1.1.>"
    await scene.start_worker("zombie")
    await scene.rig.submit("x", {"first_s": 2, "later_s": STOPPED_S})
    await eventually(lambda: scene.rig.has_started("x"))
    scene.send("zombie", signal.SIGSTOP)
    stopped_at = time.monotonic()
    await scene.start_worker("heir")
    await eventually(lambda: scene.noted("starts", name="heir", attempt=2))
    # From here on anything under the first delivery's acknowledgement subject is the zombie's.
    await scene.rig.network.client.subscribe(acks, cb=heard)
    await scene.rig.network.client.flush()
    await asyncio.sleep(STOPPED_S - (time.monotonic() - stopped_at))  # the fault's own length
    scene.send("zombie", signal.SIGCONT)
    await eventually(lambda: scene.noted("ends", name="zombie") or scene.noted("is-cancelled", name="zombie"))
    assert (
        await scene.rig.network.results.read("echo", "x") is None
    )  # the zombie has had its end, and it is not the task's
    result = await scene.rig.result("x", within_s=30)
    assert isinstance(result, TaskCompletion)
    assert (result.clone, result.attempt) == ("heir", 2)
    # The zombie lives and works; what it said before that would have been seen by now.
    await scene.end("heir", signal.SIGTERM)
    await scene.rig.submit("y")
    assert (await scene.rig.result("y")).clone == "zombie"
    await scene.rig.network.client.flush()
    assert said == []
    told = [(type(event), event.attempt, event.clone) for event in await scene.rig.events("x")]
    assert told == [(TaskStarted, 1, "zombie"), (TaskStarted, 2, "heir"), (TaskProgress, 2, "heir")]
    await scene.check({"x": True, "y": True})


async def test_sigterm_hands_the_task_back_under_its_number(scene: Scene) -> None:
    await scene.start_worker("first")
    await scene.rig.submit("x", {"held_by": "first"})
    await eventually(lambda: scene.rig.has_started("x"))
    assert await asyncio.wait_for(scene.end("first", signal.SIGTERM), WITHIN_S) == 0
    assert scene.noted("is-cancelled", name="first", task_id="x")
    await scene.start_worker("second")
    result = await scene.rig.result("x")
    assert isinstance(result, TaskCompletion)
    assert (result.clone, result.attempt) == ("second", 1)
    told = [(type(event), event.clone) for event in await scene.rig.events("x")]
    assert told[:3] == [(TaskStarted, "first"), (TaskReassigned, "first"), (TaskStarted, "second")]
    await scene.check({"x": True})


async def test_stopping_is_bounded_while_the_server_is_away(scene: Scene) -> None:
    runs = Runs()
    async with scene.rig.worker(runs) as worker:
        await scene.rig.submit("x", {"sleep_s": 60})
        await eventually(lambda: runs.running == 1)
        await scene.server.kill()
        began = time.monotonic()
        await worker.stop(0.2)
        assert time.monotonic() - began < WITHIN_S
        assert (worker.in_flight, runs.cancelled) == (0, ["x"])
        await scene.server.restart()
    async with scene.rig.worker(runs, name="next"):
        await eventually(lambda: len(runs.starts) == 2)
