"""Files in the object store: there and back, whole or not at all, and nothing left behind."""

import asyncio
import hashlib
import os
from pathlib import Path

import pytest

from bus.artifacts import Artifacts, ensure_store
from bus.errors import ArtifactMissing, SanctuaryError
from bus.jetstream import api
from tests.bus.eventually import eventually
from tests.bus.rig import Rig


async def put(rig: Rig, path: Path, size: int) -> bytes:
    """Store a file of `size` random bytes as `one` and return what it holds."""
    await ensure_store(rig.network)
    content = os.urandom(size)
    await asyncio.to_thread(path.write_bytes, content)
    ref = await Artifacts(rig.network).put(path, name="one", filename="one.bin", media_type="application/octet-stream")
    assert ref.size_bytes == size
    return content


@pytest.mark.parametrize("size", [0, 1, 131_072, 9_000_001])
async def test_there_and_back(rig: Rig, tmp_path: Path, size: int) -> None:
    content = await put(rig, tmp_path / "in", size)
    await Artifacts(rig.network).get("one", tmp_path / "out")
    assert hashlib.sha256((tmp_path / "out").read_bytes()).digest() == hashlib.sha256(content).digest()


async def test_what_is_not_there_is_told(rig: Rig, tmp_path: Path) -> None:
    await ensure_store(rig.network)
    with pytest.raises(ArtifactMissing, match="has no 'none'"):
        await Artifacts(rig.network).get("none", tmp_path / "out")


async def test_a_file_that_lost_a_part_is_not_taken_for_whole(rig: Rig, tmp_path: Path) -> None:
    await put(rig, tmp_path / "in", 400_000)
    stream = f"OBJ_{rig.subjects.artifacts}"
    await api(rig.network.requester, f"STREAM.MSG.DELETE.{stream}", {"seq": 2})
    with pytest.raises(SanctuaryError, match="'one' did not come whole"):
        await Artifacts(rig.network).get("one", tmp_path / "out")


async def test_a_transfer_that_is_given_up_leaves_nothing_behind(rig: Rig, tmp_path: Path) -> None:
    await put(rig, tmp_path / "in", 30_000_000)
    before = len(rig.network.client._subs)
    getting = asyncio.create_task(Artifacts(rig.network).get("one", tmp_path / "out"))
    await eventually(lambda: (tmp_path / "out").exists() and (tmp_path / "out").stat().st_size > 0)
    getting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await getting
    info = await api(rig.network.requester, f"STREAM.INFO.OBJ_{rig.subjects.artifacts}")
    assert info["state"]["consumer_count"] == 0
    assert len(rig.network.client._subs) == before
