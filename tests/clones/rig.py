"""A realm with all of Sanctuary's task types, and daemons of clones and of Omega in this process, each on a connection of its own."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from bus.artifacts import Artifacts
from bus.client import Submitter
from bus.identity import Identity
from bus.network import Network, open_network
from bus.routes import ensure_bucket, put
from bus.server import EmbeddedServer
from bus.subjects import Subjects
from bus.task import Handler
from bus.topology import Limits
from clones import beta, delta, gamma, sigma
from clones.daemon import Daemon
from clones.engine_handler import Workshop, artifact_fetcher
from clones.models.asking import Adviser
from clones.offer import Offer
from clones.omega.clock import Clock
from clones.omega.coordination import coordination, make_network
from clones.routing import DEFAULT_TABLE
from clones.targets import TargetPolicy
from schemas import ErrorEscalation, RoutesInForce, RoutingTable, TaskAssignment, TaskResult, decode
from tests.bus.rig import QUICK, Rig, open_rig

MODULES = {"beta": beta, "gamma": gamma, "delta": delta, "sigma": sigma}
TABLE = replace(
    DEFAULT_TABLE, routes={name: replace(route, backoff=QUICK) for name, route in DEFAULT_TABLE.routes.items()}
)
"""The default with short pauses between attempts."""


class Partial(Offer):
    """A clone that is content to do a part of what the table gives it."""

    def lacking(self, table: RoutingTable) -> tuple[str, ...]:
        return ()


@dataclass
class Running:
    """A daemon that runs in this process."""

    daemon: Daemon
    identity: Identity
    network: Network
    stop: asyncio.Event
    running: "asyncio.Task[None]"

    async def ended(self) -> None:
        """Tell it to stop, and wait until it has."""
        self.stop.set()
        await self.running


class ClonesRig:
    """A realm on a real server, made as Omega makes it, with a workspace for targets."""

    def __init__(self, bus: Rig, workspace: Path) -> None:
        self.bus = bus
        self.workspace = workspace

    @property
    def network(self) -> Network:
        return self.bus.network

    @property
    def subjects(self) -> Subjects:
        return self.bus.subjects

    @property
    def submitter(self) -> Submitter:
        return self.bus.submitter

    @asynccontextmanager
    async def clone(
        self,
        name: str,
        handlers: Mapping[str, Handler] | None = None,
        *,
        capacity: int = 4,
        drain_s: float = 0.0,
        complete: bool = False,
        adviser: Adviser | None = None,
    ) -> AsyncIterator[Running]:
        """A clone's daemon, with the real engines where no handlers are given, and perhaps with a model.

        Of the types that the table gives it, those without a handler are left out, and escalated where it is `complete`.
        """
        async with open_network(self.bus.settings, self.subjects, name=name) as network:
            artifacts = Artifacts(network)
            targets = TargetPolicy(workspace=self.workspace, fetch_artifact=artifact_fetcher(artifacts))
            workshop = Workshop(network=network, artifacts=artifacts, targets=targets, adviser=adviser)
            if handlers is None:
                handlers = {kind: do for module in MODULES.values() for kind, do in module.handlers(workshop).items()}
            identity = Identity(name)
            offer = (Offer if complete else Partial)(name, handlers, self.subjects)
            daemon = Daemon(network, identity, offer, capacity=capacity, drain_s=drain_s)
            async with _run(daemon, identity, network) as running:
                yield running

    @asynccontextmanager
    async def omega(self, *, clock: Clock | None = None, capacity: int = 16) -> AsyncIterator[Running]:
        """Omega, ready to answer; its workflows live by `clock`, the system's where there is none."""
        async with open_network(self.bus.settings, self.subjects, name="omega") as network:
            identity = Identity("omega")
            async with coordination(network, identity, clock=clock) as services:
                daemon = Daemon(network, identity, services, capacity=capacity, drain_s=0.0)
                async with _run(daemon, identity, network) as running:
                    yield running

    async def run(
        self, task_type: str, params: Mapping[str, Any], *, within_s: float = 100.0, **fields: Any
    ) -> TaskResult:
        """Submit a task and return its result."""
        assignment = TaskAssignment(params=dict(params), **fields)
        return await self.submitter.run(task_type, assignment, timeout_s=within_s)

    async def escalations(self) -> list[ErrorEscalation]:
        """What stands in the ledger, oldest first."""
        messages = await self.bus.in_stream(self.subjects.ledger, self.subjects.every("escalation"))
        return [decode(ErrorEscalation, message.data) for message in messages]


@asynccontextmanager
async def _run(daemon: Daemon, identity: Identity, network: Network) -> AsyncIterator[Running]:
    stop = asyncio.Event()
    running = Running(daemon, identity, network, stop, asyncio.create_task(daemon.run(stop)))
    try:
        yield running
    finally:
        await running.ended()


async def put_table(network: Network, table: RoutingTable = TABLE, base_revision: int = 0) -> int:
    """Put a table into force behind everybody's back, so that the ledger knows nothing of it; returns its revision."""
    await ensure_bucket(network)
    routes = RoutesInForce(table=table, at=datetime.now(UTC), command=0)
    return await put(network, routes, base_revision=base_revision)


@asynccontextmanager
async def open_clones_rig(
    server: EmbeddedServer, workspace: Path, table: RoutingTable = TABLE
) -> AsyncIterator[ClonesRig]:
    """A fresh realm whose ledger is empty."""
    async with open_rig(server, types=()) as bus:
        await put_table(bus.network, table)
        await make_network(bus.network, Limits())
        yield ClonesRig(bus, workspace)
