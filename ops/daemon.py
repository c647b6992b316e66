"""One daemon process: a clone or Omega, from its connection to its drained stop."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from bus.artifacts import Artifacts
from bus.identity import Identity
from bus.network import Network, open_network
from bus.task import Service
from bus.topology import Limits
from clones.daemon import Daemon
from clones.engine_handler import Handlers, Workshop, artifact_fetcher
from clones.routing import routes_of, service
from clones.targets import TargetPolicy
from ops.connect import Where
from ops.metrics import Metrics

_T = TypeVar("_T")

OMEGA = "omega"
OMEGA_CAPACITY = 64
"""Workflows at once; each mostly waits."""


@dataclass(frozen=True, slots=True)
class DaemonOptions:
    """How one daemon runs."""

    where: Where
    workspace: Path
    roots: tuple[Path, ...]
    capacity: int
    metrics_port: int | None
    """0 takes a free one, None serves none."""
    drain_s: float
    ledger_max_bytes: int | None = None


def default_capacity() -> int:
    """Return how many engines one clone runs at once: as many as the machine has processors."""
    return max(1, os.cpu_count() or 1)


def _handlers(clone: str, workshop: Workshop) -> Handlers:
    from clones import beta, delta, gamma, sigma

    modules: Mapping[str, ModuleType] = {"beta": beta, "gamma": gamma, "delta": delta, "sigma": sigma}
    make: Callable[[Workshop], Handlers] = modules[clone].handlers
    return make(workshop)


async def run_clone(clone: str, options: DaemonOptions) -> None:
    """Run the clone until SIGTERM or SIGINT."""
    async with _Process(clone, options) as process:
        artifacts = Artifacts(process.network)
        targets = TargetPolicy(
            workspace=options.workspace, roots=options.roots, fetch_artifact=artifact_fetcher(artifacts)
        )
        workshop = Workshop(network=process.network, artifacts=artifacts, targets=targets)
        handlers = _handlers(clone, workshop)
        subjects = process.network.subjects
        services = [service(route, handlers[route.task_type], subjects) for route in routes_of(clone)]
        await process.serve(services, options.capacity)


async def run_omega(options: DaemonOptions) -> None:
    """Run Omega until SIGTERM or SIGINT."""
    from clones.omega import coordination, make_network
    from ops.queues import watched

    async with _Process(OMEGA, options) as process:
        await process.unless_stopped(make_network(process.network, Limits(ledger_max_bytes=options.ledger_max_bytes)))
        async with (
            watched(process.network, process.metrics),
            coordination(process.network, process.identity) as services,
        ):
            await process.serve(services, OMEGA_CAPACITY)


class _Process:
    """What every daemon process has: a connection, metrics, and the signals that stop it."""

    def __init__(self, clone: str, options: DaemonOptions) -> None:
        self.identity = Identity(clone)
        self._options = options
        self._stack = AsyncExitStack()
        self._stop = asyncio.Event()
        self.network: Network
        self.metrics: Metrics

    async def __aenter__(self) -> "_Process":
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        where = self._options.where
        settings = where.settings(self.identity.clone)
        opening = self._stack.enter_async_context(open_network(settings, where.subjects, name=self.identity.instance))
        self.network = await self.unless_stopped(opening)
        self.metrics = Metrics(self.identity, self.network)
        return self

    async def unless_stopped(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Return what `work` does, which may wait for the server for ever.

        Raises:
            SystemExit: this process was told to stop meanwhile.
        """
        working = asyncio.create_task(work)
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait((working, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if working.done():
            return working.result()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
        raise SystemExit(0)

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def serve(self, services: "list[Service] | tuple[Service, ...]", capacity: int) -> None:
        url = self._stack.enter_context(self.metrics.served(self._options.metrics_port))
        daemon = Daemon(
            self.network,
            self.identity,
            services,
            capacity=capacity,
            observer=self.metrics.observer,
            metrics_url=url,
            drain_s=self._options.drain_s,
        )
        self.metrics.watch(daemon.worker)
        await daemon.run(self._stop)
