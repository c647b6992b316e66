"""A realm with two task types, of which one parks what has used up its attempts."""

import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace

import pytest
import pytest_asyncio

import bus.lease
import bus.topology
import clones.omega.agenda
import clones.omega.deadlines
import clones.omega.overdue
from bus.server import EmbeddedServer
from bus.topology import ensure_consumers, omega_consumers
from tests.bus.rig import TYPE, Rig, open_rig
from tests.clones.omega.deadlines.overseer import PARKING


@pytest_asyncio.fixture
async def rig(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    """A realm with the consumers of two task types; what a test has taken stays its own, however busy the machine is."""
    for module in (bus.lease, bus.topology):
        monkeypatch.setattr(module, "ACK_WAIT_S", 600.0)
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


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Omega leaves a worker that is there more time than any machine is busy for."""
    for module in (clones.omega.agenda, clones.omega.deadlines):
        monkeypatch.setattr(module, "BEHIND_S", 20.0)


@pytest.fixture
def put_clock_forward(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Have Omega's clock be so many seconds ahead, so that limits are over which nobody has to wait for."""

    def put(by_s: float) -> None:
        ahead = SimpleNamespace(time=lambda: time.time() + by_s, monotonic=time.monotonic)
        monkeypatch.setattr(clones.omega.deadlines, "time", ahead)

    return put
