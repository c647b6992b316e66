"""No room: publishers hear of it in words, what was accepted is done, and work goes on when there is room again."""

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import bus.client
from bus.errors import SanctuaryError, StorageFull
from bus.jetstream import api
from bus.topology import Limits, ensure
from ops import local
from schemas import TaskAssignment, TaskCompletion, new_id
from tests.bus.eventually import eventually
from tests.bus.rig import TYPE
from tests.faults.books import settled_books
from tests.faults.scene import Scene, open_scene
from tests.faults.stage import TOILER, WITHIN_S, open_stage


async def limit(scene: Scene, ledger_max_bytes: int) -> None:
    rig = scene.rig
    await ensure(rig.network.requester, rig.subjects, task_types={}, limits=Limits(ledger_max_bytes=ledger_max_bytes))


async def test_the_ledger_is_full_under_load(tmp_path: Path) -> None:
    async with open_scene(tmp_path) as scene:
        for name in ("first", "second"):
            await scene.start_worker(name)
        accepted: dict[str, bool] = {}
        refusals: list[StorageFull] = []
        stopped = False

        async def client() -> None:
            while not stopped:
                task_id = new_id()
                # Some take long enough to have events, which the full ledger refuses too.
                params = {"first_s": 0.15 if len(accepted) % 4 == 0 else 0.01}
                try:
                    await scene.rig.submitter.submit(TYPE, TaskAssignment(id=task_id, params=params))
                except StorageFull as error:
                    refusals.append(error)
                    await asyncio.sleep(0.05)
                    continue
                accepted[task_id] = True
                await scene.rig.result(task_id, within_s=60)

        async with asyncio.TaskGroup() as group:
            for _ in range(16):
                group.create_task(client())
            await eventually(lambda: len(accepted) > 100, within_s=60)
            info = await api(scene.rig.network.requester, f"STREAM.INFO.{scene.rig.subjects.ledger}")
            await limit(scene, info["state"]["bytes"] + 100_000)
            await eventually(lambda: len(refusals) > 30, within_s=60)
            # What was accepted is done while the ledger is full.
            await eventually(scene.rig.all_settled, within_s=60)

            async def all_told() -> bool:
                # Its client hears that the last one was accepted when it may have ended.
                return len(await scene.rig.results()) == len(accepted)

            await eventually(all_told)
            full = len(accepted)
            await limit(scene, -1)
            await eventually(lambda: len(accepted) > full + 100, within_s=60)
            stopped = True
        (told,) = {str(error) for error in refusals}
        assert told.startswith("nothing was stored, as there is no room (maximum bytes exceeded): send it again when")
        await eventually(scene.rig.all_settled)
        await scene.check(accepted)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, so small that it can be filled."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ("mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(disk))
    if shutil.which("mount") is None or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a file system")
    try:
        yield disk
    finally:
        subprocess.run(("umount", "--lazy", str(disk)), check=True)


def fill(disk: Path) -> Path:
    """Leave no room on a disk, and return the file to remove."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(64 * 1024))
    with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
        while True:
            file.write(b"x")
    return filler


@pytest.mark.chaos
@pytest.mark.timeout(180)
async def test_the_disk_is_full_under_load(tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JetStream gives up on a full disk; the server is restarted, as `sanctuary up` does it, when there is room."""
    monkeypatch.setattr(bus.client, "SUBMIT_WITHIN_S", 3.0)
    async with open_stage(tmp_path, small_disk / "store") as stage:
        keeping = asyncio.create_task(local._keep_server(stage.server))
        await stage.start("toiler", TOILER, "--concurrency", "8")
        tried: list[str] = []
        accepted: list[str] = []
        refusals: list[SanctuaryError] = []
        stopped = False

        async def client(*, waits: bool) -> None:
            while not stopped:
                # Large enough to need room, and small enough to be many.
                assignment = TaskAssignment(id=new_id(), params={"seconds": 0.05, "out": "x" * 20_000}, retries=20)
                assert assignment.id is not None
                tried.append(assignment.id)
                try:
                    await stage.submitter.submit("toil", assignment)
                except SanctuaryError as error:
                    refusals.append(error)
                    await asyncio.sleep(0.05)
                    continue
                accepted.append(assignment.id)
                if waits:
                    await stage.submitter.result("toil", assignment.id, timeout_s=120)
                else:
                    await asyncio.sleep(0.05)

        async with asyncio.TaskGroup() as group:
            # On a full disk no task ends, so those that wait for one may all be silent then.
            for number in range(8):
                group.create_task(client(waits=number > 0))
            await eventually(lambda: len(accepted) > 50, within_s=WITHIN_S)
            filler = await asyncio.to_thread(fill, small_disk)
            await eventually(lambda: len(refusals) > 8, within_s=WITHIN_S)
            filler.unlink()
            there = len(accepted)
            await eventually(lambda: len(accepted) > there + 50, within_s=WITHIN_S)
            stopped = True
        assert all(str(error) for error in refusals)
        books = await settled_books(stage.network, within_s=60)
        books.hold(("toil", task_id) for task_id in accepted)
        assert {task_id for task_type, task_id in books.asked if task_type == "toil"} <= set(tried)
        assert all(isinstance(result, TaskCompletion) for result in books.results.values())
        keeping.cancel()
