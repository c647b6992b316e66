"""Workers whose services a test names itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus.errors import SanctuaryError
from bus.identity import Identity
from bus.network import open_network
from bus.observer import Observer
from bus.task import Service
from bus.topology import ensure
from bus.worker import Worker
from tests.bus.eventually import eventually
from tests.bus.rig import TYPE, Rig


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


async def is_primary_there(rig: Rig) -> bool:
    """Whether somebody answers for the type."""
    try:
        await rig.network.requester.send(rig.subjects.presence(TYPE), b"", timeout_s=1)
    except SanctuaryError:
        return False
    return True


async def knows_of_a_primary(rig: Rig, fallback: Worker) -> None:
    """Return once a primary of the type is there and the fallback knows it, with no answer from before on its way to it."""
    await eventually(lambda: is_primary_there(rig))
    await eventually(fallback._network.is_connected)
    await fallback._network.client.flush()
    await eventually(lambda: not fallback._serving._probe.is_absent(TYPE))
