"""A realm with two task types, of which one parks what has used up its attempts."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

import clones.omega.agenda
import clones.omega.deadlines
import clones.omega.overdue
from bus.server import EmbeddedServer
from bus.topology import ensure_consumers, omega_consumers
from tests.bus.rig import TYPE, Rig, open_rig
from tests.clones.omega.deadlines.overseer import PARKING


@pytest_asyncio.fixture
async def rig(server: EmbeddedServer) -> AsyncIterator[Rig]:
    """A realm with the consumers of two task types."""
    async with open_rig(server, types=(TYPE, PARKING)) as opened:
        await ensure_consumers(opened.network.requester, opened.subjects, omega_consumers(opened.subjects))
        yield opened


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and waits are shortened, where how late a task ends is not what the test is about."""
    monkeypatch.setattr(clones.omega.deadlines, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(clones.omega.overdue, "AGAIN_S", 0.2)
    for module in (clones.omega.agenda, clones.omega.deadlines):
        monkeypatch.setattr(module, "BEHIND_S", 0.2)
