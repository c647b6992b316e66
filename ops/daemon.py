"""One daemon process: a clone or Omega, from its connection to its drained stop."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bus.artifacts import Artifacts
from bus.errors import ConfigurationError, SanctuaryError
from bus.identity import OMEGA, Identity
from bus.network import Network, open_network
from bus.settings import ConnectionSettings
from bus.task import Service
from bus.topology import Limits
from clones import watchdog
from clones.base import Definition
from clones.daemon import Daemon
from clones.engine_handler import Handlers, Workshop, artifact_fetcher
from clones.escalation import Escalations
from clones.membership import Membership
from clones.models.asking import Adviser, Model
from clones.offer import Offer
from clones.targets import TargetPolicy
from ops.connect import Where
from ops.joining import NotAdmitted, join
from ops.metrics import Metrics

_T = TypeVar("_T")

OMEGA_CAPACITY = 128
"""Workflows and commands at once; each mostly waits."""

COLLECT_AFTER = 20_000
"""So many objects more than before are looked through for cycles."""

log = logging.getLogger(__name__)


class NotStarted(SanctuaryError):
    """What a clone of one's own does when it starts raised; the message names the class and the error."""


@dataclass(frozen=True, slots=True)
class CloneOptions:
    """How one clone works."""

    workspace: Path
    roots: tuple[Path, ...]
    capacity: int
    drain_s: float
    share: float | None = None
    """Of each type's tasks, what this instance takes at most, above 0 and below 1; None: as many as it can."""
    model: Model | None = None
    """The language model that it may ask; closed when the clone ends."""


def default_capacity() -> int:
    """Return how many engines one clone runs at once: as many as the machine has processors."""
    return max(1, os.cpu_count() or 1)


async def run_clone(definition: Definition, where: Where, options: CloneOptions, *, metrics_port: int | None) -> None:
    """Run the clone until SIGTERM or SIGINT; `metrics_port` 0 takes a free one, None serves none.

    One that the network does not know yet is made known to it, once it has started.

    Raises:
        NotStarted: it cannot start; nothing was changed.
        NotAdmitted, ConfigurationError, ConnectionFailed, AuthorizationFailed: as of `ops.joining.join`.
    """
    ones_own = bool(definition.routes)
    async with _Process(definition.name, where, metrics_port, perhaps_unknown=ones_own) as process:
        workshop = _workshop(process, options)
        async with _closed_at_end(options.model), _started(definition, workshop) as handlers:
            if ones_own:
                await process.unless_stopped(join(definition, where))
                await process.become_itself()
                own = _workshop(process, options)
                # In place: the clone may have handed it on.
                workshop.network, workshop.artifacts, workshop.targets = own.network, own.artifacts, own.targets
                workshop.adviser, workshop.membership = own.adviser, own.membership
            offer = Offer(definition.name, handlers, process.network.subjects)
            await process.serve(offer, capacity=options.capacity, drain_s=options.drain_s, share=options.share)


def _workshop(process: "_Process", options: CloneOptions) -> Workshop:
    network = process.network
    artifacts = Artifacts(network)
    targets = TargetPolicy(workspace=options.workspace, roots=options.roots, fetch_artifact=artifact_fetcher(artifacts))
    adviser = Adviser(options.model, process.metrics.model_observer()) if options.model is not None else None
    return Workshop(
        network=network, artifacts=artifacts, targets=targets, adviser=adviser, membership=process.membership
    )


@asynccontextmanager
async def _closed_at_end(model: Model | None) -> AsyncIterator[None]:
    try:
        yield
    finally:
        if model is not None:
            await model.client.close()


@asynccontextmanager
async def _started(definition: Definition, workshop: Workshop) -> AsyncIterator[Handlers]:
    async with AsyncExitStack() as stack:
        try:
            handlers = await stack.enter_async_context(definition.serving(workshop))
        except Exception as error:
            log.debug("%s cannot start", definition.source, exc_info=True)
            words = " ".join(f"{type(error).__name__}: {error}".split())
            raise NotStarted(f"{definition.source} cannot start: {words} (-v shows where)") from error
        yield handlers


async def run_omega(where: Where, *, metrics_port: int | None, ledger_max_bytes: int | None) -> None:
    """Run Omega until SIGTERM or SIGINT; options as of `run_clone` and `Limits`."""
    from clones.omega.coordination import coordination, make_network
    from ops.queues import watched

    async with _Process(OMEGA, where, metrics_port) as process:
        await process.unless_stopped(make_network(process.network, Limits(ledger_max_bytes=ledger_max_bytes)))
        async with (
            watched(process.network, process.metrics),
            coordination(
                process.network,
                process.identity,
                process.metrics.watch_instances,
                watch_completeness=process.metrics.watch_completeness,
                observer=process.metrics.workflow_observer(),
            ) as services,
        ):
            # A workflow waits for its steps, and is taken up where it was: waiting for it here gains nothing.
            await process.serve(services, capacity=OMEGA_CAPACITY, drain_s=0.0)


def _collect_less() -> None:
    """Have garbage collected in larger portions, and what was made until now, nearly all of it modules, left alone.

    Python's own pace costs a busy daemon a fifteenth of its time; most of what it makes for a task is free without.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


class _Process:
    """What every daemon process has: a connection, metrics, and the signals that stop it."""

    def __init__(
        self,
        clone: str,
        where: Where,
        metrics_port: int | None,
        *,
        perhaps_unknown: bool = False,
    ) -> None:
        """Take whether the network may not know the clone yet; then it is reached as the operator until `become_itself`."""
        self._perhaps_unknown = perhaps_unknown
        self.identity = Identity(clone)
        self._where = where
        self._metrics_port = metrics_port
        self._stack = AsyncExitStack()
        self._stop = asyncio.Event()
        self._is_itself = True
        self._served = False
        """Whether a Daemon has begun, which escalates what ends it."""
        self.network: Network
        self.membership: Membership
        self.metrics: Metrics

    async def __aenter__(self) -> "_Process":
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        self._stack.enter_context(watchdog.watched())
        try:
            settings = self._where.settings(self.identity.clone)
        except ConfigurationError:
            if not self._perhaps_unknown:
                raise
            settings, self._is_itself = self._where.settings(), False
        await self._connect(settings)
        return self

    async def become_itself(self) -> None:
        """Have a connection as the clone's own user, which the network has by now, from here on."""
        if not self._is_itself:
            await self._connect(self._where.settings(self.identity.clone))
            self._is_itself = True

    async def _connect(self, settings: ConnectionSettings) -> None:
        # One that went before stays open to the end: what a clone opened at its start may use it.
        opening = open_network(settings, self._where.subjects, name=self.identity.instance)
        self.network = await self.unless_stopped(self._stack.enter_async_context(opening))
        self.membership = await self._stack.enter_async_context(Membership(self.network))
        self.metrics = Metrics(self.identity, self.network)

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

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        # Who is not admitted has been told what to do, and may not be allowed to tell the network.
        if isinstance(error, Exception) and not self._served and not isinstance(error, NotAdmitted):
            # Whoever looks after the network does not read every daemon's log.
            escalations = Escalations(self.network, self.identity)
            escalations.raise_(error, severity="critical")
            await escalations.close()
        await self._stack.aclose()

    async def serve(
        self, serves: Iterable[Service] | Offer, *, capacity: int, drain_s: float, share: float | None = None
    ) -> None:
        url = self._stack.enter_context(self.metrics.served(self._metrics_port))
        daemon = Daemon(
            self.network,
            self.identity,
            serves,
            capacity=capacity,
            observer=self.metrics.observer,
            metrics_url=url,
            drain_s=drain_s,
            share=share,
            membership=self.membership,
        )
        self.metrics.watch(daemon.worker)
        self._served = True
        _collect_less()
        await daemon.run(self._stop)
