"""Leases: as long as a worker says that a task is in progress, the server gives it to nobody else.

The worker trusts its lease only as far as the server has confirmed it. After a pause (a stopped process, a frozen server)
that outlasted `ACK_WAIT_S`, somebody else may run the task: the lease is lost and nothing more is said about the task,
because even a late acknowledgement of this worker would take effect on the other one's delivery. The same goes for
deliveries that lay unread in the socket meanwhile.
"""

import asyncio
import logging
import math
import time
from enum import Enum, auto

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus.delivery import IN_PROGRESS, Delivery, hand_back
from bus.errors import Disconnected, LeaseLost, SanctuaryError
from bus.jetstream import stored
from bus.network import Network
from bus.quick_client import QuickClient
from bus.topology import ACK_WAIT_S

TICK_S = ACK_WAIT_S / 4
ROUND_TRIP_S = 5

log = logging.getLogger(__name__)


class Stop(Enum):
    """Why a running task is stopped from outside."""

    LEASE_LOST = auto()
    SETTLED = auto()
    """It has a result already: cancelled, or ended by a deadline."""
    HANDED_BACK = auto()
    """This worker drains."""


class Lease:
    """The right to one task, and the way to stop what runs under it."""

    def __init__(self, delivery: Delivery, renewed_at: float) -> None:
        self.delivery = delivery
        self.renewed_at = renewed_at
        self.result_subject = ""
        """Where a result that another wrote would be; set before `interruptible`."""
        self.interruptible = False
        """Whether the handler is what runs now: only then does another's result, or this worker's end, stop it."""
        self.lost_offline = False
        """Whether it was lost because there was no connection: then this process knows what it did meanwhile."""
        self.delivered_again = False
        """Whether the task was delivered here once more meanwhile: somebody has woken it, or the server lost count of it."""
        self._recalled = False
        self.stop_reason: Stop | None = None
        self._runner: asyncio.Task[None] | None = None

    def run(self, runner: "asyncio.Task[None]") -> None:
        """Name the asyncio task that `stop` is to cancel."""
        self._runner = runner

    @property
    def lost(self) -> bool:
        """Whether the last confirmed renewal is too old to believe in."""
        return time.monotonic() - self.renewed_at > ACK_WAIT_S

    @property
    def over(self) -> bool:
        """Whether what ran under it has come to its end, and nothing more is said about the task."""
        return self._runner is not None and self._runner.done()

    def check(self) -> None:
        """Return where something may still be said about the task.

        Raises:
            LeaseLost: somebody else may hold the task now.
        """
        if self.lost or self.stop_reason is Stop.LEASE_LOST:
            raise LeaseLost(f"the lease of {self.delivery.subject} #{self.delivery.sequence} is lost")

    def is_recalled(self) -> bool:
        """Tell whether this worker drains: a handler that has not started does not start any more."""
        return self._recalled

    def recall(self) -> None:
        """Have the task handed back, at once where its handler runs, otherwise when it would start."""
        self._recalled = True
        if self.interruptible:
            self.stop(Stop.HANDED_BACK)

    def stop(self, reason: Stop) -> None:
        """Cancel what runs under this lease: once, and once more where the lease is lost on top."""
        lost_on_top = reason is Stop.LEASE_LOST and self.stop_reason is not Stop.LEASE_LOST
        if self._runner is not None and (self.stop_reason is None or lost_on_top):
            self.stop_reason = reason
            self._runner.cancel()


def give_back(client: QuickClient, lease: Lease, delay_s: float = 0.0) -> None:
    """Return the task to its queue, for whoever is free after `delay_s` seconds; without a connection it comes when the lease ends.

    What was delivered again while it was held waits for nothing: a decision that woke it would wait with it.

    Raises:
        LeaseLost: somebody else may hold it now, and would have it taken away.
    """
    lease.check()
    delivery = lease.delivery
    try:
        hand_back(client, delivery, 0.0 if lease.delivered_again else delay_s)
    except Disconnected as error:
        log.warning("could not hand %s #%d back: %s", delivery.subject, delivery.sequence, error)


class LeaseKeeper:
    """Renews all leases of a worker, and sees to it that a task which has its result elsewhere stops."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._leases: dict[tuple[str, int], Lease] = {}
        self._in_step_at = time.monotonic()
        self._offline_at = -math.inf
        """When there was last known to be no connection, or a new one."""
        self._round_trips: set[asyncio.Task[None]] = set()

    @property
    def held(self) -> frozenset[Lease]:
        """The leases held now."""
        return frozenset(self._leases.values())

    @property
    def in_step(self) -> bool:
        """Whether a delivery that is read now is so young that its lease cannot have ended on the way.

        The server writes to a connection in order: what is read after its answer to a ping was written after that ping
        was sent. How long a message lay in the socket while this process was stopped, nothing else would tell.
        """
        return time.monotonic() - self._in_step_at <= ACK_WAIT_S

    def reconnected(self) -> None:
        """Say that the connection is a new one: nothing on it is old."""
        self._in_step_at = self._offline_at = time.monotonic()

    def hold(self, delivery: Delivery) -> Lease | None:
        """Begin to renew the lease that came with `delivery`; None where a lease of the task is held already.

        A server that died, or this process if it was stopped for a while, brings a task again that runs here still: what
        is said under the lease that is held counts for the new delivery too, unless all is said.
        """
        key = (delivery.consumer, delivery.sequence)
        held = self._leases.get(key)
        if held is not None and not held.over:
            if not held.lost:
                held.delivered_again = True
                return None
            held.stop(Stop.LEASE_LOST)
        lease = self._leases[key] = Lease(delivery, self._in_step_at)
        return lease

    def let_go(self, lease: Lease) -> None:
        """Stop to renew it."""
        key = (lease.delivery.consumer, lease.delivery.sequence)
        if self._leases.get(key) is lease:
            del self._leases[key]

    async def run(self) -> None:
        """Renew until cancelled."""
        self._in_step_at = time.monotonic()
        try:
            await self._renew()
        finally:
            for round_trip in self._round_trips:
                round_trip.cancel()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if not self._network.is_connected():
                self._offline_at = time.monotonic()
            round_trip = asyncio.create_task(self._round_trip())
            self._round_trips.add(round_trip)
            round_trip.add_done_callback(self._round_trips.discard)
            for lease in tuple(self._leases.values()):
                if lease.lost:
                    log.warning(
                        "the lease of %s #%d is lost; another worker may have it",
                        lease.delivery.subject,
                        lease.delivery.sequence,
                    )
                    lease.lost_offline = self._offline_at > lease.renewed_at
                    lease.stop(Stop.LEASE_LOST)
                elif self._network.is_connected():
                    await self._tend(lease)

    async def _round_trip(self) -> None:
        sent_at = time.monotonic()
        try:
            await self._network.client.flush(ROUND_TRIP_S)
        except NatsError as error:
            log.debug("a ping was not answered: %r", error)
        else:
            self._in_step_at = max(self._in_step_at, sent_at)

    async def _tend(self, lease: Lease) -> None:
        sent_at = time.monotonic()

        def renewed(answer: asyncio.Future[Msg]) -> None:
            if not answer.cancelled() and answer.exception() is None:
                lease.renewed_at = max(lease.renewed_at, sent_at)

        def looked_up(answer: asyncio.Future[Msg]) -> None:
            if answer.cancelled() or answer.exception() is not None:
                return
            try:
                if stored(answer.result()) is not None and lease.interruptible:
                    lease.stop(Stop.SETTLED)
            except SanctuaryError as error:
                log.debug("could not look for a result of %s: %s", lease.result_subject, error)

        try:
            # With a reply subject the server confirms the renewal; without the confirmation it does not count.
            sent = self._network.requester.send(lease.delivery.ack_subject, IN_PROGRESS, timeout_s=TICK_S)
            sent.add_done_callback(renewed)
            if lease.interruptible:
                get = f"$JS.API.DIRECT.GET.{self._network.subjects.results}.{lease.result_subject}"
                self._network.requester.send(get, b"", timeout_s=TICK_S).add_done_callback(looked_up)
        except SanctuaryError as error:
            log.debug("could not renew a lease: %s", error)
