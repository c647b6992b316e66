"""The worker: pulls tasks for the services it offers, runs each under a lease, and stops without losing any."""

import asyncio
import logging
from collections.abc import Iterable

from bus.delivery import Delivery
from bus.execution import Executor
from bus.identity import Identity
from bus.lease import Lease, LeaseKeeper, Stop
from bus.network import Network
from bus.observer import Observer
from bus.pull import PullLoop
from bus.task import Service
from bus.topology import missing_consumers

DRAIN_S = 10.0
"""How long running tasks may take to finish once the worker stops; then they are handed back."""
CONSUMER_POLL_S = 0.5

log = logging.getLogger(__name__)


class Worker:
    """Serves `services` with at most `capacity` tasks at once. `start`, then `stop`."""

    def __init__(
        self,
        network: Network,
        services: Iterable[Service],
        identity: Identity,
        *,
        capacity: int,
        observer: Observer | None = None,
    ) -> None:
        self._network = network
        self._services = {consumer: service for service in services for consumer in service.consumers}
        self.capacity = capacity
        self._observer = observer or Observer()
        self._executor = Executor(network, identity, self._observer)
        self._leases = LeaseKeeper(network.requester, network.subjects.results, network.is_connected)
        weights = {consumer: service.consumers[consumer] for consumer, service in self._services.items()}
        self._pulls = PullLoop(network.client, network.subjects.ledger, weights, capacity, self._accept)
        self._running: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._forget_listener = network.on_reconnect(self._pulls.reconnected)

    @property
    def in_flight(self) -> int:
        """How many tasks run now."""
        return len(self._running)

    async def start(self) -> None:
        """Wait until the consumers exist (whoever runs the network makes them), then begin to take tasks."""
        said = False
        while missing := await missing_consumers(self._network.requester, self._network.subjects, self._services):
            if not said:
                log.info("waiting for the network to make %s", ", ".join(missing))
                said = True
            await asyncio.sleep(CONSUMER_POLL_S)
        self._keeper = asyncio.create_task(self._leases.run())
        self._pulls.start()

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Take no more tasks, give running ones `drain_s` seconds to finish, hand back those that have not."""
        self._forget_listener()
        await self._pulls.stop()
        if self._running:
            await asyncio.wait(self._running, timeout=drain_s)
        for lease in self._leases.held:
            if lease.interruptible:
                lease.stop(Stop.HANDED_BACK)
        if self._running:
            await asyncio.wait(self._running)
        await self._executor.close()
        if self._keeper is not None:
            self._keeper.cancel()

    def _accept(self, delivery: Delivery) -> None:
        lease = self._leases.hold(delivery)
        task = asyncio.create_task(self._executor.execute(lease, self._services[delivery.consumer]))
        lease.run(task)
        self._running.add(task)
        task.add_done_callback(lambda ended: self._ended(lease, ended))

    def _ended(self, lease: Lease, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self._leases.let_go(lease)
        self._pulls.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            # A defect of the worker itself: the task comes again when its lease ends.
            log.error("the worker failed on %s #%d", lease.delivery.subject, lease.delivery.sequence, exc_info=error)
            self._observer.crashed(self._services[lease.delivery.consumer].task_type, None, error)
