"""Archiving and exporting are killed at everything they do to the disk; the next run makes of it what one run would have made."""

import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bus.errors import SanctuaryError
from bus.server import EmbeddedServer, ServerOptions
from ops.archive.archiving import archive_ledger
from ops.archive.directory import open_archive
from tests.bus.eventually import eventually
from tests.bus.rig import Rig, open_rig
from tests.conftest import CLONES
from tests.faults import archive_processes
from tests.faults.archive_processes import exported
from tests.faults.forking import fork, gone
from tests.ops.archive.ledgers import ledger, store

MANY = 400
"""More than anything here does to the disk."""
SWEEPS = [9, pytest.param(1, marks=pytest.mark.chaos)]
"""Every n-th of what they do."""


@pytest_asyncio.fixture
async def rig(server: EmbeddedServer) -> AsyncIterator[Rig]:
    """A realm with the consumers of one task type."""
    async with open_rig(server) as opened:
        yield opened


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the processes that are killed."""
    for module, name, value in (
        ("ops.archive.segment", "WINDOW", 16),
        ("ops.archive.writing", "BLOCK_BYTES", 500),
        ("ops.archive.archiving", "SETTLED_S", -60.0),
        ("ops.exports.exporting", "COMMIT_S", 0.0),
        ("ops.exports.parquet", "PART_ROWS", 7),
        ("bus.record_reader", "BATCH", 10),
    ):
        monkeypatch.setattr(f"{module}.{name}", value)


def files(directory: Path, pattern: str = "*") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.glob(pattern))}


@pytest.mark.parametrize("every", SWEEPS)
async def test_archiving_is_killed_anywhere(rig: Rig, tmp_path: Path, every: int) -> None:
    realm = rig.subjects.realm
    before, whole = tmp_path / "before", tmp_path / "whole"
    await store(rig, 20)
    await archive_ledger(rig.network, before)
    await store(rig, 30)
    present = await ledger(rig)
    await archive_ledger(rig.network, whole)
    for kill_at in range(1, MANY, every):
        directory = tmp_path / str(kill_at)
        shutil.copytree(before, directory)
        process = fork(archive_processes.archive, rig.settings, realm, directory, kill_at)
        await gone(process, within_s=60)
        found = open_archive(directory, realm)
        assert found.end >= 20
        assert [each for batch in found.batches() for each in batch] == present[: found.end]
        await archive_ledger(rig.network, directory)
        assert files(directory, "*.segment") == files(whole, "*.segment")
        assert files(directory, "*.partial") == {}
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert 20 < kill_at < MANY - 1


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("every", SWEEPS)
async def test_exporting_is_killed_anywhere(rig: Rig, tmp_path: Path, form: str, every: int) -> None:
    await store(rig, 40)
    whole = tmp_path / "whole"
    await exported(rig.network, whole, form)
    for kill_at in range(1, MANY, every):
        directory = tmp_path / str(kill_at)
        directory.mkdir()
        file = directory / "file"
        process = fork(archive_processes.write, rig.settings, rig.subjects.realm, file, form, kill_at)
        await gone(process, within_s=60)
        try:
            await exported(rig.network, file, form)
        except SanctuaryError as error:
            assert "is there already" in error.message
        assert file.read_bytes() == whole.read_bytes()
        assert set(files(directory)) == {"file", "file.sha256"}
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert 10 < kill_at < MANY - 1


async def test_the_server_is_killed_while_it_is_read(tmp_path: Path) -> None:
    options = ServerOptions(store=tmp_path / "store", port=-1, clones=CLONES)
    async with EmbeddedServer(options) as server, open_rig(server) as rig:
        await store(rig, 60)
        present = await ledger(rig)
        killed = False

        def kill(at: int, last: int) -> None:
            nonlocal killed
            # Once: what the server had sent before it died goes on to arrive.
            if not killed:
                os.kill(server.pid, signal.SIGKILL)
                killed = True

        with pytest.raises(SanctuaryError):
            await archive_ledger(rig.network, tmp_path / "archive", kill)
        await server.restart()
        await eventually(lambda: rig.network.reconnects > 0 and rig.network.is_connected())
        await archive_ledger(rig.network, tmp_path / "archive")
        archive = open_archive(tmp_path / "archive", rig.subjects.realm)
        assert [each for batch in archive.batches() for each in batch] == present
