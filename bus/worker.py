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
from bus.observer import Crash, Observer, Observers
from bus.pull import PullLoop
from bus.serving import Serving
from bus.task import Service
from bus.topology import missing_consumers

DRAIN_S = 10.0
"""How long running tasks may take to finish once the worker stops; then they are handed back."""
HAND_BACK_S = 3.0
"""How long handing back may take; a task that is not handed back by then is delivered again when its lease ends."""
CONSUMER_POLL_S = 0.5
NAMED = 3
"""Of what is missing, so much is named in the log."""

log = logging.getLogger(__name__)


class Worker:
    """Serves `services` with at most `capacity` tasks at once. `start`, then `stop`; `serve` at any time."""

    def __init__(
        self,
        network: Network,
        services: Iterable[Service],
        identity: Identity,
        *,
        capacity: int,
        observer: Observer | None = None,
        share: float | None = None,
    ) -> None:
        """Take what to serve; `share`, above 0 and below 1, makes this a canary, which takes no more than that of the tasks.

        Raises:
            ValueError: `share` is no share.
        """
        self._network = network
        self.capacity = capacity
        self._leases = LeaseKeeper(network)
        self._pulls = PullLoop(
            network.client,
            network.subjects.ledger,
            capacity,
            self._accept,
            in_step=lambda: self._leases.in_step,
        )
        self._running: dict[asyncio.Task[None], Service] = {}
        self._serving = Serving(network, self._pulls, self._running.values, share=share)
        self._serving.replace(services)
        breakers = self._serving.breakers
        self._observer = breakers if observer is None else Observers(breakers, observer)
        self._executor = Executor(network, identity, self._observer)
        self._background: list[asyncio.Task[None]] = []
        """What must not end by itself; first the renewal of leases, which running tasks need to the last."""
        self._forget_listener = network.on_reconnect(self._reconnected)

    @property
    def services(self) -> tuple[Service, ...]:
        """What is served now."""
        return self._serving.services

    @property
    def in_flight(self) -> int:
        """How many tasks run now."""
        return len(self._running)

    def problems(self) -> tuple[str, ...]:
        """Return in words what keeps this worker from some of the tasks that it serves."""
        return self._serving.breakers.problems()

    async def start(self) -> None:
        """Wait until the consumers exist (whoever runs the network makes them), then begin to take tasks."""
        said = ""
        while reason := await self._cannot_start():
            if reason != said:
                log.info("waiting: %s", reason)
                said = reason
            await asyncio.sleep(CONSUMER_POLL_S)
        self._background = [asyncio.create_task(work) for work in (self._leases.run(), *self._serving.tasks())]
        await self._serving.open()

    async def _cannot_start(self) -> str:
        try:
            missing = await missing_consumers(self._network.requester, self._network.subjects, self._serving.consumers)
        except SanctuaryError as error:
            return error.message
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        return f"the network has yet to make {', '.join(missing[:NAMED])}{more}" if missing else ""

    async def serve(self, services: Iterable[Service]) -> None:
        """Serve these, and nothing else, from now on; tasks that run go on under the service that they began with.

        A consumer that does not exist yet is pulled from within a second of being made, and holds up nothing else.
        """
        self._serving.replace(services)

    async def failed(self) -> None:
        """Wait, once started, until what takes tasks or renews their leases ends by itself, and raise what ended it.

        A worker without one of them is deaf, or loses every task that it takes, and looks well from outside: end its process.
        """
        if not self._background:
            raise RuntimeError("the worker was not started")
        pulling = asyncio.create_task(self._pulls.failed())
        try:
            ended, _ = await asyncio.wait((*self._background, pulling), return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            pulling.cancel()

    async def stop(self, drain_s: float = DRAIN_S) -> None:
        """Take no more tasks, give running ones `drain_s` seconds to finish, hand back those that have not."""
        self._forget_listener()
        for task in self._background[1:]:
            task.cancel()
        await self._serving.close()
        await self._ended_within(drain_s)
        for lease in self._leases.held:
            lease.recall()
        await self._ended_within(HAND_BACK_S)
        for running in self._running:
            log.warning("a task could neither end nor be handed back; it is delivered again when its lease ends")
            running.cancel()
        await self._ended_within(HAND_BACK_S)
        await self._executor.close()
        for task in self._background:
            task.cancel()

    async def _ended_within(self, limit_s: float) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=limit_s)

    def _reconnected(self) -> None:
        self._leases.reconnected()
        self._pulls.reconnected()

    def _accept(self, delivery: Delivery) -> None:
        service = self._serving.of(delivery.consumer)
        lease = self._leases.hold(delivery)
        if lease is None:
            self._release(service, delivery)
            return
        task = asyncio.create_task(self._executor.execute(lease, service))
        lease.run(task)
        self._running[task] = service
        task.add_done_callback(lambda ended: self._ended(lease, ended))

    def _release(self, service: Service, delivery: Delivery) -> None:
        self._serving.left(service)
        self._pulls.release(delivery.consumer)

    def _ended(self, lease: Lease, task: "asyncio.Task[None]") -> None:
        service = self._running.pop(task)
        self._leases.let_go(lease)
        self._release(service, lease.delivery)
        if not task.cancelled() and (error := task.exception()) is not None:
            # A defect of the worker itself: the task comes again when its lease ends.
            log.error("the worker failed on %s #%d", lease.delivery.subject, lease.delivery.sequence, exc_info=error)
            self._observer.crashed(Crash(service.task_type, None, error))
