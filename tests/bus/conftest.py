"""A realm for each test."""

from collections.abc import AsyncIterator

import pytest_asyncio
from pytest import MonkeyPatch

import bus.lease
import bus.topology
from bus.server import EmbeddedServer
from tests.bus.rig import Rig, open_rig


@pytest_asyncio.fixture
async def rig(server: EmbeddedServer) -> AsyncIterator[Rig]:
    """A realm with the consumers of one task type."""
    async with open_rig(server) as opened:
        yield opened


@pytest_asyncio.fixture
async def patient(server: EmbeddedServer, monkeypatch: MonkeyPatch) -> AsyncIterator[Rig]:
    """As `rig`, with leases of ten minutes instead of 5 s: a task that waits one out ends no test, however busy the machine is."""
    for module in (bus.lease, bus.topology):
        monkeypatch.setattr(module, "ACK_WAIT_S", 600.0)
    async with open_rig(server) as opened:
        yield opened


@pytest_asyncio.fixture
async def brief(server: EmbeddedServer, monkeypatch: MonkeyPatch) -> AsyncIterator[Rig]:
    """As `rig`, with leases of 0.6 s instead of 5: for what happens when they end."""
    for module in (bus.lease, bus.topology):
        monkeypatch.setattr(module, "ACK_WAIT_S", 0.6)
    monkeypatch.setattr(bus.lease, "TICK_S", 0.15)
    async with open_rig(server) as opened:
        yield opened
