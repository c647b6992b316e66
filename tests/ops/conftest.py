"""A realm for each test."""

from collections.abc import AsyncIterator

import pytest_asyncio

from bus.server import EmbeddedServer
from tests.ops.rig import OpsRig, open_ops_rig


@pytest_asyncio.fixture
async def ops_rig(server: EmbeddedServer) -> AsyncIterator[OpsRig]:
    """A realm with all task types."""
    async with open_ops_rig(server) as opened:
        yield opened
