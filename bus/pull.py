"""The pull loop: takes tasks from the ledger's consumers, never more than there are free slots to run them.

A worker pulls from several consumers at once (four priorities of each of its task types, and more). With slots to spare,
every consumer keeps one pull of its own open, which holds a slot, and busy ones share the rest by weight. With few slots,
consumers are asked in turn by weight; when all are empty, one pull waits on each, the first task wins, and the other pulls
are withdrawn: a single busy consumer has all slots.

What is pulled from may change at any time: loops whose feeds are as before go on, the others are withdrawn and replaced.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus.delivery import Delivery, hand_back, parse
from bus.errors import Disconnected
from bus.feeds import Feed, Line, lines
from bus.pull_request import PullRequest
from bus.quick_client import QuickClient
from bus.readiness import Readiness
from bus.sharing import SlotSharing
from bus.slots import WeightedRound

LONG_PULL_S = 30.0
"""How long a pull for one task stays open at the server."""
BUSY_PULL_S = 0.1
"""How long a pull for several tasks holds slots that another consumer might use."""
SHORTEST_PULL_S = 0.01
"""How long a pull stays open at least that is to end when another consumer may be asked again."""
WITHDRAW_S = 2.0
"""How long a withdrawal waits for what is on its way; on a working connection that is one round trip."""

log = logging.getLogger(__name__)

Deliver = Callable[[Delivery], None]


class _Subscription(Protocol):
    async def drain(self) -> None: ...
    async def unsubscribe(self, limit: int = 0) -> None: ...


class PullLoop:
    """Hands tasks to `deliver` as slots are free; the receiver calls `release` once for each when its slot is free again."""

    def __init__(
        self,
        client: QuickClient,
        stream: str,
        capacity: int,
        deliver: Deliver,
        *,
        in_step: Callable[[], bool],
    ) -> None:
        """Pull from consumers of `stream`, with at most `capacity` tasks running at once; `feed` says from which.

        `in_step` tells whether a delivery that is read now has a lease for certain; where not, nothing is said about it.
        """
        self._client = client
        self._stream = stream
        self._capacity = capacity
        self._deliver = deliver
        self._in_step = in_step
        self._feeds: dict[str, Feed] = {}
        self._slots = SlotSharing(WeightedRound(()), capacity)
        self._open: set[PullRequest] = set()
        self._connected = asyncio.Event()
        self._lines: dict[Line, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        """Loops, those that end included, and withdrawals."""
        self._ready = Readiness()
        self._defect = asyncio.Event()
        self._error: BaseException | None = None

    def feed(self, feeds: Iterable[Feed]) -> None:
        """Pull from these, and from nothing else; what still comes from others is handed back."""
        self._feeds = {feed.consumer: feed for feed in feeds}
        wanted = lines(self._feeds.values(), self._capacity)
        for line in [line for line in self._lines if line not in wanted]:
            self._lines.pop(line).cancel()
        members = {line.key: [feed.consumer for feed in line.feeds] for line in wanted}
        self._slots.reweigh({line.key: line.weight for line in wanted}, members)
        for line in wanted:
            if line not in self._lines:
                loop = self._pull_in_turn(line) if line.in_turn else self._pull_always(line.feeds[0])
                self._lines[line] = self._spawn(loop)
        self._ready.changed()

    async def failed(self) -> None:
        """Wait until one of the loops ends by itself, and raise what ended it; without it, its consumers are not pulled from."""
        await self._defect.wait()
        if self._error is not None:
            raise self._error

    def release(self, consumer: str) -> None:
        """Say that a task that `consumer` delivered has left its slot."""
        self._slots.left(consumer)
        if self._ready.waiting:
            self._ready.changed()

    def room_changed(self) -> None:
        """Say that a feed's limits may have room now."""
        self._ready.changed()

    def reconnected(self) -> None:
        """Say that the connection is a new one: the server has forgotten the pulls of the old one, so they are sent again."""
        self._connected.set()
        for pull in tuple(self._open):
            if pull.connection != self._connection:
                pull.end()

    async def stop(self) -> None:
        """Withdraw all pulls. What the server sent before it knew is handed back at once; running tasks are not touched."""
        self.feed(())
        while self._tasks:
            await asyncio.wait(tuple(self._tasks))

    # Slots to spare: one loop a consumer, each with a pull of its own open at all times.

    async def _pull_always(self, feed: Feed) -> None:
        while True:
            await self._pull_until_lost(feed)

    async def _pull_until_lost(self, feed: Feed) -> None:
        current = PullRequest(0)

        def on_message(message: Msg) -> None:
            self._on_message(message, current)

        inbox = self._client.new_inbox()
        subscription = await self._client.listen(inbox, on_message)
        is_first = True
        try:
            while not current.lost:
                batch = await self._slots.claim(feed.consumer, self._capacity if current.received else 1)
                if current.pending > batch or is_first:
                    # At first too: whose first answer comes soonest must not take what the others will ask for.
                    self._slots.reserve(feed.consumer)
                    is_first = False
                current = PullRequest(batch)
                await self._pull(current, {inbox: feed}, expires_s=LONG_PULL_S if batch == 1 else BUSY_PULL_S)
                if not current.pending:
                    self._slots.forgo(feed.consumer)
                if rest_s := self._ready.rest_s(feed):
                    await asyncio.sleep(rest_s)
        finally:
            await self._withdraw([subscription])

    # Few slots, or limits: the consumers in turn, and when all are empty, one pull on each until the first task.

    async def _pull_in_turn(self, line: Line) -> None:
        turns = WeightedRound((feed.consumer, feed.weight) for feed in line.feeds)
        while True:
            await self._take_turns(line, turns)

    async def _take_turns(self, line: Line, turns: WeightedRound) -> None:
        """Pull until a pull is lost.

        Consumers that may have tasks waiting have turns. Where all were found empty and slots are free, one pull after the
        other waits on all of them: a primary with nothing to do always has pulls that come before those of a fallback.
        """
        consumers = {feed.consumer for feed in line.feeds}
        candidates = set(consumers)
        current = PullRequest(0)

        def on_message(message: Msg) -> None:
            self._on_message(message, current)

        inbox = self._client.new_inbox()
        subscription = await self._client.listen(inbox, on_message)
        try:
            while not current.lost:
                if not self._slots.has_free():
                    candidates |= consumers
                candidates |= {feed.consumer for feed in line.feeds if not self._ready.has(feed)}
                await self._ready.any_of(line.feeds)
                current = PullRequest(await self._slots.claim(line.key, 1))
                ready = {feed.consumer: feed for feed in line.feeds if self._ready.has(feed)}
                if not ready:
                    self._slots.give_back(current.close())
                    continue
                if asked := sorted(candidates & ready.keys()):
                    consumer = turns.turn(asked)
                    await self._pull(current, {inbox: ready[consumer]}, expires_s=0)
                    candidates.discard(consumer)
                    more = current.received
                else:
                    others = [feed for feed in line.feeds if feed.consumer not in ready]
                    await self._pull_anywhere(current, tuple(ready.values()), others)
                    more = current.pending
                if more:
                    candidates |= consumers
        finally:
            await self._withdraw([subscription])

    async def _pull_anywhere(self, pull: PullRequest, feeds: Sequence[Feed], others: Sequence[Feed]) -> None:
        """Wait for a task from any of `feeds`, at most until one of `others` may be asked again."""

        def on_message(message: Msg) -> None:
            self._on_message(message, pull)

        inboxes = {self._client.new_inbox(): feed for feed in feeds}
        subscriptions: list[_Subscription] = []
        try:
            for inbox in inboxes:
                # One by one: where this is cancelled, those made so far are known.
                subscriptions.append(await self._client.listen(inbox, on_message))  # noqa: PERF401  see above
            expires_s = max(SHORTEST_PULL_S, min(LONG_PULL_S, self._ready.wait_s(others)))
            with self._ready.told_of(others, pull.end):
                await self._pull(pull, inboxes, expires_s=expires_s)
        finally:
            self._slots.give_back(pull.close())
            # Not waited for: the next pulls may be under way before the server has answered.
            self._spawn(self._drain(subscriptions))

    # Both ways.

    async def _pull(self, pull: PullRequest, inboxes: Mapping[str, Feed], *, expires_s: float) -> None:
        """Send `pull` to each consumer and wait until it is full, has expired or is refused; its unfilled slots become free."""
        try:
            while not self._client.is_connected:
                self._connected.clear()
                await self._connected.wait()
            pull.connection = self._connection
            self._open.add(pull)
            for inbox, feed in inboxes.items():
                subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{feed.consumer}"
                await self._client.publish(subject, pull.body(feed.place, expires_s), reply=inbox)
            await pull.wait(inboxes, expires_s)
            pull.lost = pull.lost and self._client.is_connected
        except NatsError as error:
            pull.refusals = dict.fromkeys(inboxes, str(error))
        finally:
            self._open.discard(pull)
            self._slots.give_back(pull.close())
        self._ready.learn(pull, inboxes, waiting=expires_s > 0)

    @property
    def _connection(self) -> int:
        return self._client.stats["reconnects"]

    def _on_message(self, message: Msg, pull: PullRequest) -> None:
        delivery = parse(message)
        if delivery is None:
            pull.on_status(message)
            return
        feed = self._feeds.get(delivery.consumer)
        if not self._in_step():
            log.warning("%s #%d came too late to be sure of its lease", delivery.subject, delivery.sequence)
            if pull.open_slots > 0:
                pull.take(delivery)
                self._slots.give_back(1)
        elif feed is None:
            self._hand_back(delivery)
        elif pull.open_slots > 0:
            pull.take(delivery)
            if not feed.limits or feed.has_room():
                self._accept(feed, delivery)
            else:
                self._slots.give_back(1)
                self._hand_back(delivery)
        elif feed.has_room() and self._slots.take_one_now():
            self._accept(feed, delivery)
        else:
            self._hand_back(delivery)

    def _accept(self, feed: Feed, delivery: Delivery) -> None:
        for limit in feed.limits:
            limit.enter()
        self._slots.entered(delivery.consumer)
        self._deliver(delivery)

    def _hand_back(self, delivery: Delivery) -> None:
        try:
            hand_back(self._client, delivery)
        except Disconnected as error:
            log.debug("could not hand %s #%d back: %s", delivery.subject, delivery.sequence, error)

    async def _withdraw(self, subscriptions: Sequence[_Subscription]) -> None:
        """Take back the interest in the inboxes, which ends their pulls; messages that were on their way are still handled."""
        # Shielded: what is on its way is handed back even where the loop is cancelled meanwhile.
        await asyncio.shield(self._spawn(self._drain(subscriptions)))

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

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = self._error or error
            self._defect.set()
