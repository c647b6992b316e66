"""A realm with all of Sanctuary's task types, clones without engines, and the command line as people run it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.identity import Identity
from bus.network import open_network
from bus.server import EmbeddedServer
from bus.task import Handler
from bus.topology import Limits
from clones.daemon import Daemon
from clones.offer import Offer
from clones.omega.coordination import make_network
from clones.routing import DEFAULT_TABLE
from ops.metrics import Metrics
from ops.status import ask
from tests.bus.eventually import eventually
from tests.bus.rig import Rig, open_rig
from tests.clones.rig import put_table

SANCTUARY = Path(sys.executable).with_name("sanctuary")
WITHIN_S = 90.0
"""For a command to end, or to say something: as long as a machine with much else to do may take."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.err == "" or self.out, self.err
        return json.loads(self.out)


class OpsRig:
    """A realm on a real server."""

    def __init__(self, bus: Rig, server: EmbeddedServer) -> None:
        self.bus = bus
        self.environment: Mapping[str, str] = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("NATS_", "SANCTUARY_"))},
            "NATS_URL": server.url,
            "NATS_NKEY": str(server.keys["operator"]),
            "SANCTUARY_REALM": bus.subjects.realm,
        }

    async def start(
        self, *arguments: str | Path, cwd: Path | None = None, stdout: int = asyncio.subprocess.PIPE
    ) -> asyncio.subprocess.Process:
        """Start a command."""
        return await asyncio.create_subprocess_exec(
            SANCTUARY,
            *arguments,
            cwd=cwd,
            env=self.environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=asyncio.subprocess.PIPE,
        )

    async def cli(self, *arguments: str | Path, cwd: Path | None = None) -> Ended:
        """Run a command to its end."""
        process = await self.start(*arguments, cwd=cwd)
        out, err = await asyncio.wait_for(process.communicate(), WITHIN_S)
        return Ended(process.returncode or 0, out.decode(), err.decode())

    async def ready(self, clone: str, count: int = 1) -> None:
        """Return once so many instances of a clone, or of Omega, are ready."""

        async def are() -> bool:
            return [answer.state for answer in await ask(self.bus.network, clone)] == ["ready"] * count

        await eventually(are)

    @asynccontextmanager
    async def clone(
        self, name: str, handler: Handler, *, capacity: int = 4, share: float | None = None
    ) -> AsyncIterator[Metrics]:
        """A clone's daemon whose every task `handler` does, with its metrics; `share` makes it a canary."""
        subjects = self.bus.subjects
        async with open_network(self.bus.settings, subjects, name=name) as network:
            offer = Offer(name, dict.fromkeys(DEFAULT_TABLE.routes, handler), subjects)
            identity = Identity(name)
            metrics = Metrics(identity, network)
            with metrics.served(0) as url:
                daemon = Daemon(
                    network,
                    identity,
                    offer,
                    capacity=capacity,
                    observer=metrics.observer,
                    metrics_url=url,
                    drain_s=1,
                    share=share,
                )
                metrics.watch(daemon.worker)
                stop = asyncio.Event()
                running = asyncio.create_task(daemon.run(stop))
                try:
                    yield metrics
                finally:
                    stop.set()
                    await running


@asynccontextmanager
async def open_ops_rig(server: EmbeddedServer) -> AsyncIterator[OpsRig]:
    """A fresh realm, made as Omega makes it, whose ledger is empty."""
    async with open_rig(server, types=()) as bus:
        await put_table(bus.network)
        await make_network(bus.network, Limits())
        yield OpsRig(bus, server)
