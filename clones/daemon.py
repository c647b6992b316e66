"""A clone's daemon: one worker with its presence and its escalations, from start to drained stop."""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from bus.identity import OMEGA, Identity
from bus.network import Network
from bus.observer import Observer, Observers
from bus.routes import Revision
from bus.task import Service
from bus.worker import DRAIN_S, Worker
from clones.admission import admitted
from clones.agent_keys import Keys
from clones.escalation import Escalations
from clones.membership import Membership
from clones.offer import Offer, tell_lacking
from clones.presence import About, Presence, Tally
from clones.tables import follow

log = logging.getLogger(__name__)

ANSWER_S = 0.5
"""How long agents that wait for a task are given to get its result, once no more tasks run here."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
"""Between two tries to join the network's agents."""


class Daemon:
    """Serves tasks on a network until told to stop."""

    def __init__(
        self,
        network: Network,
        identity: Identity,
        serves: Iterable[Service] | Offer,
        *,
        capacity: int,
        observer: Observer | None = None,
        metrics_url: str | None = None,
        drain_s: float = DRAIN_S,
        share: float | None = None,
        membership: Membership | None = None,
    ) -> None:
        """Take what to serve: always the same, or what the routing table in force has of an offer.

        `observer` also hears what the worker does, `capacity` tasks run at once; `share` as of Worker. With a `membership` the clone
        is an agent too, from soon after it is ready for tasks.
        """
        self._offer = serves if isinstance(serves, Offer) else None
        served = () if isinstance(serves, Offer) else tuple(serves)
        self._routed = asyncio.Event()
        self._lacking: frozenset[str] = frozenset()
        self._network = network
        self._drain_s = drain_s
        self._escalations = Escalations(network, identity)
        tally = Tally()
        observers = Observers(tally, self._escalations, *([observer] if observer else []))
        self.worker = Worker(network, served, identity, capacity=capacity, observer=observers, share=share)
        about = About(
            identity=identity,
            version=version("sanctuary-bus"),
            metrics_url=metrics_url,
            started_at=datetime.now(UTC),
            handlers=tuple(serves.handlers if isinstance(serves, Offer) else (each.task_type for each in served)),
            share=share,
        )
        self._presence = Presence(network, about, self.worker, tally)
        self._identity = identity
        self._membership = membership

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then take no more tasks, finish or hand back what runs, and return.

        Raises:
            Exception: what ended the worker by itself, a defect; it is escalated, and a new process serves better.
        """
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_stray_exception)
        async with AsyncExitStack() as stack:
            stack.callback(loop.set_exception_handler, None)
            stack.push_async_callback(self._escalations.close)
            await stack.enter_async_context(self._presence)
            working = asyncio.create_task(self._work())
            defect = await _first(working, stop)
            if defect is not None:
                self._escalations.raise_(defect, severity="critical")
            self._presence.state = "draining"
            log.info("%s drains; tasks running: %d", self._identity.instance, self.worker.in_flight)
            if self._membership is None:
                await self.worker.stop(self._drain_s)
            else:
                await asyncio.gather(self._membership.withdraw(), self.worker.stop(self._drain_s))
                await self._membership.answer(ANSWER_S)
            # Becoming an agent, it may have something to undo.
            await asyncio.wait((working,))
            if defect is not None:
                raise defect

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(follow(self._network, self._on_table))
            if self._offer is not None:
                await self._routed.wait()
            await self.worker.start()
            self._presence.state = "ready"
            log.info("%s is ready", self._identity.instance)
            if self._membership is not None:
                group.create_task(self._be_agent(self._membership))
            await self.worker.failed()

    async def _be_agent(self, membership: Membership) -> None:
        """Join the network's agents. A clone that cannot serves its tasks as before, and tries again."""
        # Without a table it has no keys, and would say of each that there is no such agent.
        await self._routed.wait()
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await membership.serve(self._identity, self._keys)
            except Exception as error:  # noqa: BLE001  whatever AutoGen raises on being loaded is no reason to serve no tasks
                log.warning("%s is no agent yet, tries again in %g s: %s", self._identity.clone, pause_s, error)
                self._escalations.raise_(error, severity="medium")
            else:
                return
            await asyncio.sleep(pause_s)
            pause_s = min(LONGEST_PAUSE_S, pause_s * 2)

    def _keys(self) -> Keys:
        """Return for which task types this clone is an agent: those that it serves; Omega for all that there are."""
        if self._identity.clone == OMEGA:
            routes = self._presence.routes
            return Keys(() if routes is None else tuple(routes.routes.table.routes))
        services = self.worker.services
        return Keys(
            tuple(service.task_type for service in services if service.place == 0),
            tuple(service.task_type for service in services if service.place > 0),
        )

    async def _on_table(self, revision: Revision) -> None:
        if self._offer is not None:
            table = revision.routes.table
            await self._take_on(self._offer.services(table))
            lacking = frozenset(self._offer.lacking(table))
            for task_type in sorted(lacking - self._lacking):
                await tell_lacking(self._network, self._identity, task_type, revision.number)
            self._lacking = lacking
        self._presence.routes = revision
        self._routed.set()
        log.info("routing table %d is in force", revision.number)

    async def _take_on(self, services: tuple[Service, ...]) -> None:
        """Serve these: what is served already as it is to be from now on, at once, and what is new when the server lets us."""
        served = {service.task_type for service in self.worker.services}
        new = [service for service in services if service.task_type not in served]
        if new and self._presence.state == "ready":
            await self.worker.serve(service for service in services if service.task_type in served)
            if not await admitted(self._network, new):
                types = ", ".join(service.task_type for service in new)
                log.warning("this user may not take tasks of %s yet, or their consumers are missing", types)
        await self.worker.serve(services)

    def _on_stray_exception(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        log.error("%s", context.get("message"), exc_info=error)
        if error is not None:
            self._escalations.raise_(error, severity="high")


async def _first(working: asyncio.Task[None], stop: asyncio.Event) -> BaseException | None:
    """Return when `stop` is set, or what ended the work before; then it is told to end."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        return _only(working.exception()) if working.done() else None
    finally:
        working.cancel()
        stopping.cancel()


def _only(error: BaseException | None) -> BaseException | None:
    """Return what a task group was ended by."""
    return _only(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
