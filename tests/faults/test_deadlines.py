"""Deadlines over the death of workers, of Omega and of the server: each task that is over its time ends once, and soon."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bus.identity import Identity
from bus.network import open_network
from clones.omega.deadlines import Deadlines
from schemas import Route, RoutingTable, TaskCompletion, TaskFailure, TaskResult, decode
from tests.bus.eventually import eventually
from tests.bus.rig import TYPE
from tests.faults.scene import Scene, open_scene

ON_TIME_S = 20.0
"""A few seconds in truth; the machine may have much else to do."""
LIMIT_S = 3.0
"""The limit of most tasks."""


@asynccontextmanager
async def omega(scene: Scene) -> AsyncIterator[None]:
    """Omega's eye on deadlines, from when the test says."""
    table = RoutingTable(routes={TYPE: Route(clone="first", timeout_s=20)})
    async with open_network(scene.server.settings_for("omega"), scene.rig.subjects, name="omega") as network:
        running = asyncio.create_task(Deadlines(network, Identity("omega"), lambda: table).run())
        try:
            yield
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def failures(scene: Scene) -> dict[str, TaskFailure]:
    found: dict[str, TaskFailure] = {}
    for message in await scene.rig.results():
        result: TaskResult = decode(TaskResult, message.data)
        assert isinstance(result, TaskFailure)
        assert result.task_id not in found
        found[result.task_id] = result
    return found


async def begun_and_dead(scene: Scene) -> None:
    """Have a task of each kind that is not ended by whoever has it, two of them begun by a worker that a third one kills then."""
    rig = scene.rig
    await rig.submit("running", {"first_s": 60}, timeout_s=LIMIT_S, retries=0)
    await rig.submit("again", {"first_s": 60}, timeout_s=LIMIT_S, retries=3)
    await rig.submit("killer", {"falls": "SIGKILL", "once_told": ["running", "again"]})
    await scene.spawn_worker("first")
    assert await scene.workers.pop("first").wait() == -signal.SIGKILL
    assert await rig.has_started("running")
    assert await rig.has_started("again")
    await rig.submit("to-close", schedule_to_close_s=LIMIT_S)
    await rig.submit("to-start", schedule_to_start_s=LIMIT_S)


async def test_the_only_worker_is_killed(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        async with omega(scene):
            await begun_and_dead(scene)
            began = time.monotonic()
            told = {
                name: await scene.rig.result(name, within_s=LIMIT_S + ON_TIME_S)
                for name in ("running", "to-close", "to-start")
            }
            assert time.monotonic() - began < LIMIT_S + ON_TIME_S
            codes = {name: result.code for name, result in told.items() if isinstance(result, TaskFailure)}
            assert codes == {
                "running": "start_to_close_timeout",
                "to-close": "deadline_exceeded",
                "to-start": "deadline_exceeded",
            }
            # Further attempts are allowed, so it ends with the next worker's.
            await scene.start_worker("second")
            await eventually(lambda: scene.noted("ends", name="second", task_id="again", attempt=2))
            for name in ("again", "killer"):
                assert isinstance(await scene.rig.result(name), TaskCompletion)
            await eventually(scene.rig.all_settled)
        results = [message.subject for message in await scene.rig.results()]
        assert len(results) == len(set(results)) == 5


async def test_everything_is_restarted(tmp_path: Path) -> None:
    """No Omega, no worker and a killed server while their time passes; then a server on the same store, and a new Omega."""
    async with open_scene(tmp_path) as scene:
        async with omega(scene):
            await begun_and_dead(scene)
        await scene.server.kill()
        over = time.monotonic() + LIMIT_S
        await eventually(lambda: time.monotonic() > over)
        await scene.server.restart()
        began = time.monotonic()
        async with omega(scene):
            await eventually(scene.rig.network.is_connected)
            for name in ("running", "to-close", "to-start"):
                await scene.rig.result(name)
            assert time.monotonic() - began < ON_TIME_S
        assert set(await failures(scene)) == {"running", "to-close", "to-start"}


async def test_the_server_is_killed_and_omega_lives(tmp_path: Path) -> None:
    """What was read before counts no more than what comes after,."""
    async with open_scene(tmp_path) as scene, omega(scene):
        await scene.rig.submit("before", schedule_to_close_s=LIMIT_S)
        await scene.server.kill()
        await scene.server.restart()
        await eventually(lambda: scene.rig.network.reconnects > 0)
        began = time.monotonic()
        await scene.rig.submit("after", schedule_to_close_s=LIMIT_S)
        for name in ("before", "after"):
            await scene.rig.result(name)
        assert time.monotonic() - began < LIMIT_S + ON_TIME_S
        assert set(await failures(scene)) == {"before", "after"}


async def test_a_stopped_worker_that_goes_on_says_nothing_more(tmp_path: Path) -> None:
    """Stopped over its limit, its last attempt is ended in its place; its own word comes too late."""
    async with open_scene(tmp_path) as scene, omega(scene):
        await scene.start_worker("first")
        params = {"first_s": 3, "falls": "SIGSTOP", "once_told": ["running"]}
        await scene.rig.submit("running", params, timeout_s=2, retries=0)
        result = await scene.rig.result("running", within_s=2 + ON_TIME_S)
        scene.send("first", signal.SIGCONT)
        assert isinstance(result, TaskFailure)
        assert (result.code, result.clone) == ("start_to_close_timeout", "omega")
        await eventually(scene.rig.all_settled)
        assert set(await failures(scene)) == {"running"}
