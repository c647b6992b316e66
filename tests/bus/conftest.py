"""A realm for each test."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pytest import MonkeyPatch

import bus.lease
import bus.pull
import bus.topology
import bus.worker
from bus.server import EmbeddedServer
from tests.bus.rig import LeaseClock, Rig, open_rig


@pytest_asyncio.fixture
async def rig(server: EmbeddedServer) -> AsyncIterator[Rig]:
    """A realm with the consumers of one task type."""
    async with open_rig(server) as opened:
        yield opened


@pytest_asyncio.fixture
async def patient(server: EmbeddedServer, monkeypatch: MonkeyPatch) -> AsyncIterator[Rig]:
    """As `rig`, with leases of ten minutes instead of 5 s: a task that waits one out ends no test, however busy the machine is.

    Nor is a task left to its lease because the machine was too busy to hand it back in time.
    """
    for module in (bus.lease, bus.topology):
        monkeypatch.setattr(module, "ACK_WAIT_S", 600.0)
    monkeypatch.setattr(bus.worker, "HAND_BACK_S", 60.0)
    monkeypatch.setattr(bus.pull, "WITHDRAW_S", 60.0)
    async with open_rig(server) as opened:
        yield opened


@pytest.fixture
def lease_clock(monkeypatch: MonkeyPatch) -> LeaseClock:
    """What leases of this process are timed by."""
    clock = LeaseClock()
    monkeypatch.setattr(bus.lease, "time", clock)
    return clock


@pytest_asyncio.fixture
async def brief(server: EmbeddedServer, monkeypatch: MonkeyPatch) -> AsyncIterator[Rig]:
    """As `rig`, with a server that delivers a task again after 0.6 s of silence instead of 5.

    Workers believe in a lease for 5 s all the same: on a busy machine too, a test ends it when it wants to (`lease_clock`).
    """
    monkeypatch.setattr(bus.topology, "ACK_WAIT_S", 0.6)
    monkeypatch.setattr(bus.lease, "TICK_S", 0.15)
    async with open_rig(server) as opened:
        yield opened
