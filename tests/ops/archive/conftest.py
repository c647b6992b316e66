"""A realm for each test, and small segments."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pytest import MonkeyPatch

import ops.archive.archiving
import ops.archive.segment
import ops.archive.writing
from bus.server import EmbeddedServer
from tests.bus.rig import Rig, open_rig


@pytest_asyncio.fixture
async def rig(server: EmbeddedServer) -> AsyncIterator[Rig]:
    """A realm with the consumers of one task type."""
    async with open_rig(server) as opened:
        yield opened


@pytest.fixture(autouse=True)
def small(monkeypatch: MonkeyPatch) -> None:
    """Segments of 16 entries in blocks of a few, and no wait for entries to settle."""
    monkeypatch.setattr(ops.archive.segment, "WINDOW", 16)
    monkeypatch.setattr(ops.archive.segment, "STRIDE", 4)
    monkeypatch.setattr(ops.archive.segment, "MOST_RAW_BYTES", 20_000)
    monkeypatch.setattr(ops.archive.writing, "BLOCK_BYTES", 500)
    monkeypatch.setattr(ops.archive.archiving, "SETTLED_S", -60.0)
