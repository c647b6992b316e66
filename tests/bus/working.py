"""Workers whose services a test names itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus.identity import Identity
from bus.network import open_network
from bus.observer import Observer
from bus.task import Service
from bus.topology import ensure
from bus.worker import Worker
from tests.bus.rig import Rig


@asynccontextmanager
async def working(
    rig: Rig,
    *services: Service,
    capacity: int = 8,
    name: str = "echo",
    share: float | None = None,
    observer: Observer | None = None,
) -> AsyncIterator[Worker]:
    """A started worker on a connection of its own, stopped at the end."""
    async with open_network(rig.settings, rig.subjects, name=name) as network:
        worker = Worker(network, services, Identity(name), capacity=capacity, share=share, observer=observer)
        await worker.start()
        try:
            yield worker
        finally:
            await worker.stop(0.0)


async def make(rig: Rig, *task_types: str) -> None:
    """Make the consumers of further task types."""
    await ensure(rig.network.requester, rig.subjects, task_types=dict.fromkeys(task_types, ("echo",)))
