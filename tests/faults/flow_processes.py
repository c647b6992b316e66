"""Omegas and clones for runs of workflows, in processes of their own that may be killed.

The clone's handler records its effect by the id of its task, by creation: done again after a kill -9, it is there once.
"""

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from multiprocessing.context import ForkServerProcess

from bus import buckets
from bus.identity import Identity
from bus.journal import insist
from bus.network import Network, open_network
from bus.task import Done, Handler, Task, TaskError
from clones.daemon import Daemon
from clones.offer import Offer
from clones.omega.coordination import coordination
from schemas import Backoff, ErrorCode, Route, RoutingTable
from tests.faults.forking import fork
from tests.faults.machine_processes import Note, Place

CLONE = "ann"
TYPE = "deed"
TABLE = RoutingTable(
    routes={
        TYPE: Route(clone=CLONE, timeout_s=60, retries=100, backoff=Backoff(initial_s=0.02, maximum_s=0.1)),
    }
)
CAPACITY = 128
DRAIN_S = 0.1

Prepare = Callable[[], None]
"""What a process does before it begins."""


def effects(realm: str) -> str:
    """The bucket of what was done, by the ids of the tasks."""
    return f"{realm}_effects"


def handler(network: Network) -> Handler:
    """Return what does a deed as its parameters say: it takes `sleep_s`, `fail`s, or is not done before it is cancelled (`hold`)."""
    bucket = effects(network.subjects.realm)

    async def do(task: Task) -> Done:
        params = task.params
        await asyncio.sleep(params.get("sleep_s", 0.0))
        subject = buckets.subject_of(bucket, task.id)
        # None: it was created before, by an attempt whose process died or by one whose answer was lost.
        await insist(lambda: buckets.put(network.requester, subject, str(task.attempt).encode(), 0))
        if params.get("hold"):
            await asyncio.Event().wait()
        if params.get("fail"):
            raise TaskError(ErrorCode.INCOMPATIBLE_TASK, "as asked")
        return Done(output={"value": params.get("value")})

    return do


def start_omega(place: Place, instance: str, prepare: Prepare) -> ForkServerProcess:
    """Start a whole Omega; it notes when it is ready."""
    return fork(_run, _omega, place, Identity("omega", instance), prepare)


def start_clone(place: Place, instance: str, prepare: Prepare) -> ForkServerProcess:
    """Start the clone that does all deeds; it notes when it is ready."""
    return fork(_run, _clone, place, Identity(CLONE, instance), prepare)


@asynccontextmanager
async def _omega(network: Network, identity: Identity) -> AsyncIterator[Daemon]:
    async with coordination(network, identity) as services:
        yield Daemon(network, identity, services, capacity=CAPACITY, drain_s=DRAIN_S)


@asynccontextmanager
async def _clone(network: Network, identity: Identity) -> AsyncIterator[Daemon]:
    offer = Offer(CLONE, {TYPE: handler(network)}, network.subjects)
    yield Daemon(network, identity, offer, capacity=CAPACITY, drain_s=DRAIN_S)


Opening = Callable[[Network, Identity], AbstractAsyncContextManager[Daemon]]


def _run(opening: Opening, place: Place, identity: Identity, prepare: Prepare) -> None:
    logging.basicConfig(
        filename=place.journal.with_suffix(".log"), format=f"%(asctime)s {identity.instance} %(name)s %(message)s"
    )
    prepare()
    asyncio.run(_until_terminated(opening, place, identity))


async def _until_terminated(opening: Opening, place: Place, identity: Identity) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with (
        open_network(place.settings, place.subjects, name=identity.instance) as network,
        opening(network, identity) as daemon,
    ):
        place.note(Note(identity.instance, "ready", time.monotonic()))
        await daemon.run(stopped)
