"""The pull loop: takes tasks from the ledger's consumers, never more than there are free slots to run them.

A worker pulls from several consumers at once (four priorities of each of its task types). With slots to spare, every
consumer keeps one pull of its own open, which holds a slot, and busy ones share the rest by weight. With few slots,
consumers are asked in turn by weight; when all are empty, one pull waits on each, the first task wins, and the other pulls
are withdrawn: a single busy consumer has all slots.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus.delivery import Delivery, hand_back, parse
from bus.errors import Disconnected
from bus.quick_client import QuickClient
from bus.sharing import SlotSharing
from bus.slots import WeightedRound
from bus.topology import PRIORITY_GROUP

SPARE_FACTOR = 8
"""With this many slots for each consumer there are some to spare: pulls that wait hold an eighth of them at most."""
LONG_PULL_S = 30.0
"""How long a pull for one task stays open at the server."""
BUSY_PULL_S = 0.1
"""How long a pull for several tasks holds slots that another consumer might use."""
GRACE_S = 2.0
"""How much later than its expiry a pull without a word from the server counts as lost."""
RETRY_S = 1.0
"""How long to wait when the server refused a pull (no such consumer yet, no leader)."""
WITHDRAW_S = 2.0
"""How long a withdrawal waits for what is on its way; on a working connection that is one round trip."""

log = logging.getLogger(__name__)

Deliver = Callable[[Delivery], None]


class _Subscription(Protocol):
    async def drain(self) -> None: ...
    async def unsubscribe(self, limit: int = 0) -> None: ...


class _Pull:
    """One request for tasks, sent to one or more consumers: how many tasks it may still take, and whether it has ended."""

    def __init__(self, batch: int) -> None:
        self.open_slots = batch
        self.connection = -1
        """On which connection it was sent, counted by reconnects; the server forgets a pull with its connection."""
        self.received = 0
        self.pending = 0
        """How many more the server had when it sent the last one."""
        self.refusal = ""
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(self, delivery: Delivery) -> None:
        self.received += 1
        self.pending = delivery.pending
        self.open_slots -= 1
        if self.open_slots == 0:
            self.end()

    def end(self, refusal: str = "") -> None:
        self.refusal = self.refusal or refusal
        if not self._ended.done():
            self._ended.set_result(None)

    async def wait(self, limit_s: float) -> None:
        await asyncio.wait((self._ended,), timeout=limit_s)

    def close(self) -> int:
        """Return the slots that it did not fill; a task that still comes is a late one."""
        unfilled, self.open_slots = self.open_slots, 0
        return unfilled


class PullLoop:
    """Hands tasks to `deliver` as slots are free; the receiver calls `release` once for each when its slot is free again."""

    def __init__(
        self,
        client: QuickClient,
        stream: str,
        weights: Mapping[str, int],
        capacity: int,
        deliver: Deliver,
        *,
        in_step: Callable[[], bool],
        priority: int = 0,
    ) -> None:
        """Pull from the consumers in `weights` of `stream`, with at most `capacity` tasks running at once.

        `in_step` tells whether a delivery that is read now has a lease for certain; where not, nothing is said about it.
        `priority` is the place in the consumers' prioritized group: 0 for a primary, 1 for its fallback.
        """
        self._client = client
        self._stream = stream
        self._round = WeightedRound(weights.items())
        self._deliver = deliver
        self._in_step = in_step
        self._priority = priority
        self._capacity = capacity
        self._slots = SlotSharing(self._round, capacity)
        self._open: set[_Pull] = set()
        self._connected = asyncio.Event()
        self._withdrawals: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._stopping = False

    def start(self) -> None:
        """Begin to pull."""
        consumers = self._round.consumers
        if self._capacity >= SPARE_FACTOR * len(consumers):
            self._loops = [asyncio.create_task(self._pull_always(consumer)) for consumer in consumers]
        else:
            self._loops = [asyncio.create_task(self._pull_in_turn())]

    async def failed(self) -> None:
        """Wait until one of the loops ends by itself, and raise what ended it; without it, its consumers are not pulled from."""
        if not self._loops:
            await asyncio.Event().wait()
        ended, _ = await asyncio.wait(self._loops, return_when=asyncio.FIRST_COMPLETED)
        for loop in ended:
            loop.result()

    def release(self) -> None:
        """Say that a delivered task has left its slot."""
        self._slots.give_back(1)

    def reconnected(self) -> None:
        """Say that the connection is a new one: the server has forgotten the pulls of the old one, so they are sent again."""
        self._connected.set()
        for pull in tuple(self._open):
            if pull.connection != self._connection:
                pull.end()

    async def stop(self) -> None:
        """Withdraw all pulls. What the server sent before it knew is handed back at once; running tasks are not touched."""
        self._stopping = True
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await asyncio.gather(*self._withdrawals, return_exceptions=True)

    # Slots to spare: one loop a consumer, each with a pull of its own open at all times.

    async def _pull_always(self, consumer: str) -> None:
        current = _Pull(0)

        def on_message(message: Msg) -> None:
            self._on_message(message, current)

        inbox = self._client.new_inbox()
        subscription = await self._client.listen(inbox, on_message)
        try:
            while True:
                batch = await self._slots.claim(consumer, self._capacity if current.received else 1)
                if current.pending > batch:
                    self._slots.reserve(consumer)
                current = _Pull(batch)
                await self._pull(current, {consumer: inbox}, expires_s=LONG_PULL_S if batch == 1 else BUSY_PULL_S)
                if not current.pending:
                    self._slots.forgo(consumer)
        finally:
            await self._withdraw([subscription])

    # Few slots: the consumers in turn, and when all are empty, one pull on each until the first task.

    async def _pull_in_turn(self) -> None:
        current = _Pull(0)

        def on_message(message: Msg) -> None:
            self._on_message(message, current)

        inbox = self._client.new_inbox()
        subscription = await self._client.listen(inbox, on_message)
        candidates = set(self._round.consumers)
        try:
            while True:
                await self._slots.take_one()
                current = _Pull(1)
                if candidates:
                    consumer = self._round.turn(sorted(candidates))
                    await self._pull(current, {consumer: inbox}, expires_s=0)
                    candidates.discard(consumer)
                else:
                    await self._pull_anywhere(current)
                if current.received:
                    candidates = set(self._round.consumers)
        finally:
            await self._withdraw([subscription])

    async def _pull_anywhere(self, pull: _Pull) -> None:
        def on_message(message: Msg) -> None:
            self._on_message(message, pull)

        inboxes = {consumer: self._client.new_inbox() for consumer in self._round.consumers}
        subscriptions = [await self._client.listen(inbox, on_message) for inbox in inboxes.values()]
        try:
            await self._pull(pull, inboxes, expires_s=LONG_PULL_S)
        finally:
            await self._withdraw(subscriptions)

    # Both ways.

    async def _pull(self, pull: _Pull, inboxes: Mapping[str, str], *, expires_s: float) -> None:
        """Send `pull` to each consumer and wait until it is full, has expired or is refused; its unfilled slots become free."""
        try:
            while not self._client.is_connected:
                self._connected.clear()
                await self._connected.wait()
            pull.connection = self._connection
            self._open.add(pull)
            body: dict[str, object] = {"batch": pull.open_slots, "group": PRIORITY_GROUP, "priority": self._priority}
            body |= {"expires": round(expires_s * 1e9)} if expires_s else {"no_wait": True}
            payload = msgspec.json.encode(body)
            for consumer, inbox in inboxes.items():
                await self._client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{consumer}", payload, reply=inbox)
            await pull.wait(expires_s + GRACE_S)
        except NatsError as error:
            pull.end(str(error))
        finally:
            self._open.discard(pull)
            self._slots.give_back(pull.close())
        if pull.refusal and not pull.received:
            log.warning("the server refused to hand out tasks of %s: %s", ", ".join(inboxes), pull.refusal)
            await asyncio.sleep(RETRY_S)

    @property
    def _connection(self) -> int:
        return self._client.stats["reconnects"]

    def _on_message(self, message: Msg, pull: _Pull) -> None:
        delivery = parse(message)
        if delivery is None:
            _on_status(message, pull)
        elif not self._in_step():
            log.warning("%s #%d came too late to be sure of its lease", delivery.subject, delivery.sequence)
            if pull.open_slots > 0:
                pull.take(delivery)
                self._slots.give_back(1)
        elif self._stopping:
            self._hand_back(delivery)
        elif pull.open_slots > 0:
            pull.take(delivery)
            self._deliver(delivery)
        elif self._slots.take_one_now():
            self._deliver(delivery)
        else:
            self._hand_back(delivery)

    def _hand_back(self, delivery: Delivery) -> None:
        try:
            hand_back(self._client, delivery)
        except Disconnected as error:
            log.debug("could not hand %s #%d back: %s", delivery.subject, delivery.sequence, error)

    async def _withdraw(self, subscriptions: Sequence[_Subscription]) -> None:
        """Take back the interest in the inboxes, which ends their pulls; messages that were on their way are still handled."""
        withdrawal = asyncio.create_task(self._drain(subscriptions))
        self._withdrawals.add(withdrawal)
        withdrawal.add_done_callback(self._withdrawals.discard)
        # Shielded: what is on its way is handed back even where the loop is cancelled meanwhile.
        await asyncio.shield(withdrawal)

    async def _drain(self, subscriptions: Sequence[_Subscription]) -> None:
        try:
            if self._client.is_connected:
                # nats-py's unsubscribe would drop what is in flight, which then waits out the lease; drain handles it first.
                async with asyncio.timeout(WITHDRAW_S):
                    await asyncio.gather(*(subscription.drain() for subscription in subscriptions))
            else:
                # What was in flight went with the connection, and draining would wait for the next one.
                await asyncio.gather(*(subscription.unsubscribe() for subscription in subscriptions))
        except (NatsError, TimeoutError) as error:
            log.debug("could not withdraw a pull: %r", error)


def _on_status(message: Msg, pull: _Pull) -> None:
    """Handle the server's word about a pull: 404 none there, 408 expired, 409 and 503 refused; 100 is a heartbeat (ADR-13)."""
    headers = message.headers or {}
    status = headers.get("Status", "")
    if status in ("404", "408"):
        pull.end()
    elif status and status != "100":
        pull.end(
            headers.get("Description") or "no such consumer" if status == "503" else headers.get("Description", status)
        )
