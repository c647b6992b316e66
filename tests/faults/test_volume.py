"""Ten thousand tasks: all end, once, and nobody grows over them."""

import asyncio
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from clones.routing import DEFAULT_TABLE, types_by_clone
from schemas import TaskAssignment, TaskCompletion, new_id
from tests.bus.eventually import eventually
from tests.bus.rig import TYPE
from tests.faults.books import settled_books
from tests.faults.processes import MB, Memory
from tests.faults.scene import ROOT, Scene, open_scene
from tests.ops.network import make_project, needs_proc, running

MANY = 10_000
SOME = 1_000
"""So many that each of two workers gets some of them."""
MAY_GROW_BYTES = 80 * MB
"""Eight kilobytes for each; an allocator gives back what it likes."""
REAL = Counter(architecture=30, documentation=30, security=20, testing=10, performance=10)
"""Fewer of those that run the target's tests: they take most of the time."""


@pytest.mark.timeout(300)
async def test_ten_thousand_tasks_that_wait_when_the_clones_start(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        ids = [new_id() for _ in range(MANY)]
        await asyncio.gather(*(scene.rig.submitter.submit(TYPE, TaskAssignment(id=task_id)) for task_id in ids))
        await eventually(lambda: all_wait(scene))
        await asyncio.gather(*(scene.start_worker(name, capacity=64) for name in ("first", "second")))
        # One that starts late may find little left to do.
        left = await scene.rig.unsettled()
        await eventually(scene.rig.all_settled, within_s=200)
        await scene.check(dict.fromkeys(ids, True))
        ran = [line.task_id for line in scene.lines("ends")]
        assert sorted(ran) == sorted(ids)
        assert left < SOME or {line.name for line in scene.lines("ends")} == {"first", "second"}


async def all_wait(scene: Scene) -> bool:
    """Tell whether the server counts all tasks as waiting."""
    return await scene.rig.unsettled() == MANY


@asynccontextmanager
async def crowd(scene: Scene) -> AsyncIterator[asyncio.subprocess.Process]:
    arguments = (scene.server.options.store, scene.rig.subjects.realm, TYPE, str(MANY))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.crowd", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@needs_proc
@pytest.mark.timeout(300)
async def test_ten_thousand_tasks_in_flight(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them at once, from one client that waits for all."""
    async with open_scene(tmp_path) as scene, crowd(scene) as client:
        for name in ("first", "second"):
            await scene.start_worker(name, capacity=64)
        assert client.stdin is not None
        assert client.stdout is not None
        assert await client.stdout.readline() == b"connected\n"
        processes = {name: worker.pid for name, worker in scene.workers.items()}
        memory = Memory({"client": client.pid, **processes, "nats-server": scene.server.pid})
        # Nobody takes any before all are there.
        for name in scene.workers:
            scene.send(name, signal.SIGSTOP)
        client.stdin.write(b"\n")

        await eventually(lambda: all_wait(scene), within_s=60)
        for name in scene.workers:
            scene.send(name, signal.SIGCONT)
        delivered = int(await asyncio.wait_for(client.stdout.readline(), 200))
        grown = memory.grown()
        with capsys.disabled():
            print(f"\n{MANY:,} tasks in flight, {delivered:,} delivered")  # noqa: T201
            for name, figures in grown.items():
                print(f"  {name}: {figures}")  # noqa: T201
        assert delivered == MANY
        for name, figures in grown.items():
            assert name == "nats-server" or figures.after - figures.before < MAY_GROW_BYTES, name
        await eventually(scene.rig.all_settled)


@needs_proc
@pytest.mark.chaos
@pytest.mark.timeout(600)
async def test_a_hundred_real_tasks_at_once(tmp_path: Path) -> None:
    """Over all clones of a network as people start it, each by its real engine."""
    project = make_project(tmp_path / "project")
    (project / "test_calc.py").write_text(
        "from calc import double\n\n\ndef test_double():\n    assert double(2) == 4\n"
    )
    types = tuple(REAL.elements())
    with running("up", "--port", "-1", directory=tmp_path) as command:
        command.until("ready at ")
        async with command.open() as client:
            # Long enough for a machine with much else to do.
            assignment = TaskAssignment(params={"target": "project"}, timeout_s=120)
            submitter = client.submitter
            results = await asyncio.gather(
                *(submitter.run(task_type, assignment, timeout_s=500) for task_type in types)
            )
            assert [result for result in results if not isinstance(result, TaskCompletion)] == []
            assert Counter(result.task_type for result in results) == REAL
            assert {result.clone for result in results} == set(types_by_clone(DEFAULT_TABLE))
            books = await settled_books(client.network)
            books.hold((result.task_type, result.task_id) for result in results)
            assert len({result.task_id for result in results}) == 100
        assert command.end() == 0, command.log
