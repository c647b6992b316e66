"""Workers and Omegas in processes of their own, forked from one that has everything loaded: one is there in a few ms.

Leases are short here, so that what happens when they end takes no time. A worker's handler does as the task's script says and
notes it in a journal that outlives its process.
"""

import asyncio
import logging
import os
import signal
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Literal

import msgspec

import bus.breaker
import bus.lease
import bus.parking
import bus.topology
from bus.client import Submitter
from bus.identity import Identity
from bus.network import Network, open_network
from bus.settings import ConnectionSettings
from bus.store import read_network
from bus.subjects import Subjects
from bus.task import Done, Handler, Service, Task, TaskError
from bus.worker import Worker
from clones import routing
from clones.omega import commands
from clones.omega.clock import SystemClock
from clones.omega.deadlines import Deadlines
from clones.omega.workflows.steering import workflows_of
from schemas import Backoff, ErrorCode, Route, RoutingTable
from tests.faults.forking import fork
from tests.faults.journals import whole_lines

LEASE_S = 1.0
COOL_DOWN_S = 0.1
DRAIN_S = 0.1
CAPACITY = 4

_background: set[asyncio.Task[None]] = set()
_QUICK = Backoff(initial_s=0.02, maximum_s=0.1)
TABLE = RoutingTable(
    routes={
        "plain": Route(clone="ann", fallback=("bob",), fallback_when="busy", timeout_s=20, retries=2, backoff=_QUICK),
        "parked": Route(clone="ann", timeout_s=20, retries=1, backoff=_QUICK, when_exhausted="park"),
        "passed": Route(
            clone="ann", fallback=("bob",), timeout_s=20, retries=1, backoff=_QUICK, when_exhausted="fallback"
        ),
    }
)
"""One route for each of what may happen when the attempts run out; the second one has no fallback."""
CLONES = tuple(routing.types_by_clone(TABLE))


class Act(msgspec.Struct, frozen=True):
    """What a handler does in one attempt."""

    ends: Literal["done", "fails", "refuses", "raises", "hangs", "dies"]
    sleep_s: float = 0.0
    reports: Literal["", "first", "last"] = ""
    """When it reports progress."""


class Note(msgspec.Struct, frozen=True):
    """A line of a journal."""

    instance: str
    what: str
    """`ready`, `starts`, or how an attempt ended."""
    at_s: float
    """On the machine's monotonic clock."""
    task_id: str = ""
    attempt: int = 0
    sequence: int = 0


class Place(msgspec.Struct, frozen=True):
    """A realm, as a process finds it."""

    store: Path
    realm: str
    journal: Path
    kept_s: float
    """How long parked tasks are handed back for, unless they are woken."""

    @property
    def subjects(self) -> Subjects:
        return Subjects(self.realm)

    @property
    def settings(self) -> ConnectionSettings:
        known = read_network(self.store)
        assert known is not None
        return known.settings_for("operator")

    def note(self, note: Note) -> None:
        """Whole lines only, whoever else writes and whenever this process dies."""
        descriptor = os.open(self.journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, msgspec.json.encode(note) + b"\n")
        finally:
            os.close(descriptor)

    def notes(self) -> list[Note]:
        """All that was noted, oldest first."""
        return [msgspec.json.decode(line, type=Note) for line in whole_lines(self.journal)]


def shorten_leases(put: Callable[[object, str, float], None] = setattr) -> None:
    """Have this process make consumers, and hold leases, of `LEASE_S`; and breakers that close again at once."""
    for module in (bus.topology, bus.lease):
        put(module, "ACK_WAIT_S", LEASE_S)
    put(bus.lease, "TICK_S", LEASE_S / 4)
    for name in ("COOL_DOWN_S", "MAX_COOL_DOWN_S"):
        put(bus.breaker, name, COOL_DOWN_S)


def start_worker(place: Place, clone: str, instance: str) -> ForkServerProcess:
    """Start a worker; it notes when it is ready, and drains on SIGTERM."""
    return fork(_run, _serve, place, clone, instance)


def start_omega(place: Place, instance: str) -> ForkServerProcess:
    """Start an Omega that carries out commands, decides on escalations and ends what is overdue; otherwise as a worker."""
    return fork(_run, _coordinate, place, "omega", instance)


def handler(place: Place, instance: str) -> Handler:
    """Return what does in each attempt what the task's script has for it, the last act for all further ones."""

    async def handle(task: Task) -> Done:
        def note(what: str) -> None:
            place.note(Note(instance, what, time.monotonic(), task.id, task.attempt, task.sequence))

        script = msgspec.convert(task.params["script"], list[Act])
        act = script[min(task.attempt, len(script)) - 1]
        note("starts")
        try:
            if act.reports == "first":
                task.report(0.0, "begins")
            await asyncio.sleep(3600 if act.ends == "hangs" else act.sleep_s)
        except asyncio.CancelledError:
            note("cancelled")
            raise
        finally:
            if act.reports == "last":
                task.report(1.0, "ends")
        if act.ends == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        note(act.ends)
        match act.ends:
            case "fails":
                raise TaskError(ErrorCode.TARGET_UNAVAILABLE, "as asked")
            case "refuses":
                raise TaskError(ErrorCode.INCOMPATIBLE_TASK, "as asked")
            case "raises":
                raise RuntimeError("as asked")
        return Done(output={"instance": instance, "attempt": task.attempt})

    return handle


Work = Callable[[Place, Network, Identity], Sequence[Service]]


def _run(work: Work, place: Place, clone: str, instance: str) -> None:
    logging.basicConfig(
        filename=place.journal.with_suffix(".log"), format=f"%(asctime)s {instance} %(name)s %(message)s"
    )
    shorten_leases()
    bus.parking.KEPT_S = place.kept_s
    asyncio.run(_until_terminated(work, place, Identity(clone, instance)))


async def _until_terminated(work: Work, place: Place, identity: Identity) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    instance = identity.instance
    async with open_network(place.settings, place.subjects, name=instance) as network:
        worker = Worker(network, work(place, network, identity), identity, capacity=CAPACITY)
        await worker.start()
        place.note(Note(instance, "ready", time.monotonic()))
        await stopped.wait()
        await worker.stop(DRAIN_S)


def _serve(place: Place, network: Network, identity: Identity) -> Sequence[Service]:
    handle = handler(place, identity.instance)
    types = routing.types_of(TABLE, identity.clone)
    return [routing.service(TABLE, each, identity.clone, handle, network.subjects) for each in types]


def _coordinate(_: Place, network: Network, identity: Identity) -> Sequence[Service]:
    deadlines = Deadlines(network, identity, lambda: TABLE)
    _background.add(asyncio.get_running_loop().create_task(deadlines.run()))
    workflows = workflows_of(network, identity, Submitter(network), lambda: TABLE, SystemClock())
    return commands.services(identity, workflows)
