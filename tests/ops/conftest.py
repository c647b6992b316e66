"""A realm for each test."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

import bus.connect_options
from bus.server import EmbeddedServer
from tests.ops.rig import OpsRig, open_ops_rig


@pytest.fixture(scope="module", autouse=True)
def patient_connections() -> Iterator[None]:
    """A server that stands still for some seconds is given up by nobody in this process: no test here is about that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bus.connect_options, "PING_INTERVAL_S", 60)
        yield


@pytest_asyncio.fixture
async def ops_rig(server: EmbeddedServer) -> AsyncIterator[OpsRig]:
    """A realm with all task types."""
    async with open_ops_rig(server) as opened:
        yield opened
