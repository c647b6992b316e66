"""The worker: pulls tasks for the services it offers, runs each under a lease, and stops without losing any."""

import asyncio
import logging
from collections.abc import Iterable

from bus.delivery import Delivery
from bus.errors import SanctuaryError
from bus.execution import Executor
from bus.identity import Identity
from bus.lease import Lease, LeaseKeeper
from bus.network import Network
from bus.observer import Observer
from bus.pull import PullLoop
from bus.task import Service
from bus.topology import missing_consumers

DRAIN_S = 10.0
"""How long running tasks may take to finish once the worker stops; then they are handed back."""
HAND_BACK_S = 3.0
"""How long handing back may take; a task that is not handed back by then is delivered again when its lease ends."""
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
        self._leases = LeaseKeeper(network)
        weights = {consumer: service.consumers[consumer] for consumer, service in self._services.items()}
        self._pulls = PullLoop(
            network.client,
            network.subjects.ledger,
            weights,
            capacity,
            self._accept,
            in_step=lambda: self._leases.in_step,
        )
        self._running: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._forget_listener = network.on_reconnect(self._reconnected)

    @property
    def in_flight(self) -> int:
        """How many tasks run now."""
        return len(self._running)

    async def start(self) -> None:
        """Wait until the consumers exist (whoever runs the network makes them), then begin to take tasks."""
        said = ""
        while reason := await self._cannot_start():
            if reason != said:
                log.info("waiting: %s", reason)
                said = reason
            await asyncio.sleep(CONSUMER_POLL_S)
        self._keeper = asyncio.create_task(self._leases.run())
        self._pulls.start()

    async def _cannot_start(self) -> str:
        try:
            missing = await missing_consumers(self._network.requester, self._network.subjects, self._services)
        except SanctuaryError as error:
            return error.message
        return f"the network has yet to make {', '.join(missing)}" if missing else ""

    async def failed(self) -> None:
        """Wait, once started, until what takes tasks or renews their leases ends by itself, and raise what ended it.

        A worker without one of them is deaf, or loses every task that it takes, and looks well from outside: end its process.
        """
        if self._keeper is None:
            raise RuntimeError("the worker was not started")
        pulling = asyncio.create_task(self._pulls.failed())
        try:
            ended, _ = await asyncio.wait((self._keeper, pulling), return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            pulling.cancel()

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Take no more tasks, give running ones `drain_s` seconds to finish, hand back those that have not."""
        self._forget_listener()
        await self._pulls.stop()
        await self._ended_within(drain_s)
        for lease in self._leases.held:
            lease.recall()
        await self._ended_within(HAND_BACK_S)
        for task in self._running:
            log.warning("a task could neither end nor be handed back; it is delivered again when its lease ends")
            task.cancel()
        await self._ended_within(HAND_BACK_S)
        await self._executor.close()
        if self._keeper is not None:
            self._keeper.cancel()

    async def _ended_within(self, limit_s: float) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=limit_s)

    def _reconnected(self) -> None:
        self._leases.reconnected()
        self._pulls.reconnected()

    def _accept(self, delivery: Delivery) -> None:
        lease = self._leases.hold(delivery)
        if lease is None:
            self._pulls.release()
            return
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
