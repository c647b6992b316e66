"""The same task through the bus: the real worker with a handler that does nothing, and the real submitter."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from bus.client import Submitter
from bus.identity import Identity
from bus.network import Network
from bus.observer import Observer
from bus.subjects import PRIORITIES, Subjects
from bus.task import Done, Service, Task
from bus.topology import ensure
from bus.worker import Worker
from schemas import TaskAssignment, TaskCompletion

TASK_TYPE = "noop"
CAPACITY = 256
UNSIGNED = "unsigned"
"""A realm beside the network's own, which its notary does not sign."""


async def prepare(network: Network) -> None:
    """Make the realm's streams and consumers."""
    await ensure(network.requester, network.subjects, task_types={TASK_TYPE: ()})


def service(subjects: Subjects) -> Service:
    """Return the service that does nothing."""

    async def handler(_: Task) -> Done:
        return Done()

    consumers = {subjects.consumer(TASK_TYPE, priority): 1 for priority in (None, *PRIORITIES)}
    return Service(task_type=TASK_TYPE, handler=handler, consumers=consumers)


class StartLatency(Observer):
    """Collects the seconds from stored task to handler start."""

    def __init__(self) -> None:
        self.waited_s: list[float] = []

    def started(self, task_type: str, waited_s: float) -> None:
        """Note how long the task waited."""
        self.waited_s.append(waited_s)


async def work(network: Network, observer: Observer) -> None:
    """Serve until cancelled."""
    worker = Worker(network, [service(network.subjects)], Identity("bench"), capacity=CAPACITY, observer=observer)
    await worker.start()
    try:
        await asyncio.Event().wait()
    finally:
        await worker.stop()


def submitter(client: Submitter) -> Callable[[str], Awaitable[float]]:
    """Return what submits one task and returns the seconds until its result was seen."""

    async def submit(task_id: str) -> float:
        begun = time.perf_counter()
        result = await client.run(TASK_TYPE, TaskAssignment(id=task_id))
        if not isinstance(result, TaskCompletion):
            raise RuntimeError(result.message)
        return time.perf_counter() - begun

    return submit
