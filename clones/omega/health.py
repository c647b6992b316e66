"""Omega listens to heartbeats, and says in the ledger who came, who is missed, and who is back.

What one Omega says the others need not: an event follows the last one of its instance by compare-and-set, and only where it
is news. So an Omega that has just started repeats nothing either. An Omega that did not listen for a while (stopped, busy,
disconnected) cannot tell who was silent meanwhile, and does not count that time.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus.errors import Disconnected, JetStreamError, SanctuaryError
from bus.escalations import escalate
from bus.identity import Identity
from bus.jetstream import WRONG_LAST_SEQUENCE, StoredMessage, last_of, publish
from bus.ledger import entries
from bus.network import Network
from bus.subjects import INSTANCE_TYPE
from clones.omega.repeating import insist, repeat
from clones.omega.roll_call import DEAD_S, MOST, Change, InstanceCounts, RollCall, may_follow, what_waits
from schemas import (
    ErrorCode,
    ErrorEscalation,
    Heartbeat,
    InstanceChanged,
    RoutingTable,
    SchemaError,
    decode,
    encode,
)

LOOK_EVERY_S = 0.25
ANSWER_WITHIN_S = 2.0
PAUSE_S = 1.0
"""Longer than this between two looks, and Omega or the server had stopped: no more than this of it counts as listening."""
RETRY_S = 1.0
LAST_WORDS_S = 1.0
"""What an Omega that stops takes for storing what it has just heard."""


class Health:
    """What one Omega knows of all instances; use as an async context manager, once the network's streams are made."""

    def __init__(self, network: Network, identity: Identity, table: Callable[[], RoutingTable]) -> None:
        self._network = network
        self._identity = identity
        self._table = table
        self._roll = RollCall()
        self._looked_at = 0.0
        """By the loop's clock, when it was last known who was heard."""
        self._listened_s = 0.0
        """How long this Omega has listened: the time that silence is measured in."""
        self._untold: dict[str, Change] = {}
        """By instance: while the ledger takes nothing, only the newest state is kept."""
        self._absent: dict[str, Change] = {}
        """By clone, the last of its instances to die: none is left, and nobody was told."""
        self._news = asyncio.Event()
        self._inbox = network.client.new_inbox()
        self._echo = asyncio.Event()

    def counts(self) -> InstanceCounts:
        """Return how many instances are in each state now."""
        return self._roll.counts(self._listened_s)

    async def __aenter__(self) -> "Health":
        client, subjects = self._network.client, self._network.subjects
        self._subscriptions = [
            await client.listen(subjects.heartbeat("*", "*"), self._on_heartbeat),
            await client.listen(self._inbox, lambda _: self._echo.set()),
        ]
        self._forget = self._network.on_reconnect(self._on_reconnect)
        self._looked_at = asyncio.get_running_loop().time()
        looking = repeat(self._look, LOOK_EVERY_S, "look who is silent")
        self._working = [asyncio.create_task(looking), asyncio.create_task(self._run())]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._forget()
        for task in self._working:
            task.cancel()
        await asyncio.wait(self._working)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                # Those that stop together with this Omega have said that they drain.
                if await self._has_heard_all():
                    await self._tell_all()
        if not self._network.client.is_closed:
            for subscription in self._subscriptions:
                await subscription.unsubscribe()

    def _on_heartbeat(self, message: Msg) -> None:
        """Take in a heartbeat; what is none is nobody's."""
        try:
            beat: Heartbeat = decode(Heartbeat, message.data)
        except SchemaError:
            return
        # Its subject is what the server let its sender use.
        if message.subject == self._network.subjects.heartbeat(beat.clone, beat.instance):
            change = self._roll.beat(beat, self._listened_s)
            self._absent.pop(beat.clone, None)
            if change is not None:
                self._note(change)

    def _on_reconnect(self) -> None:
        """Forgive the silence: what was sent while there was no connection did not arrive."""
        self._roll.forgive(self._listened_s)

    async def _has_heard_all(self) -> bool:
        """Return once the server has sent us all that it had, a message of our own behind it; False where it has not answered."""
        self._echo.clear()
        try:
            self._network.client.post(self._inbox, b"")
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self._echo.wait()
        except (Disconnected, TimeoutError):
            return False
        return True

    async def _look(self) -> None:
        """Look whom silence has changed."""
        if not await self._has_heard_all():
            return  # the silence is the server's
        now, last = asyncio.get_running_loop().time(), self._looked_at
        self._looked_at = now
        self._listened_s += min(now - last, PAUSE_S)
        if now - last > PAUSE_S:
            self._roll.forgive(self._listened_s)
        self._note_all(self._roll.look(self._listened_s))

    def _note_all(self, changes: Collection[Change]) -> None:
        for change in changes:
            self._note(change)
        for clone in {change.clone for change in changes if change.state == "dead"}:
            last_to_go = self._roll.last_to_go(clone)
            if last_to_go is not None:
                self._absent[clone] = last_to_go

    def _note(self, change: Change) -> None:
        self._untold.pop(change.instance, None)
        self._untold[change.instance] = change
        if len(self._untold) > MOST:
            # The ledger takes nothing, and names are made up: the newest ones matter most.
            del self._untold[next(iter(self._untold))]
        self._news.set()

    async def _run(self) -> None:
        """Store what has changed, until cancelled."""
        # Not before it is known what was said: that takes a look at the whole ledger.
        await insist(self._recall, RETRY_S, "learn who was there before")
        while True:
            await self._news.wait()
            self._news.clear()
            await self._tell_all()

    async def _tell_all(self) -> None:
        """Store what has changed and is not stored yet; insists for as long as the network refuses."""
        while self._absent or self._untold:
            await insist(self._tell_one, RETRY_S, "store who came and went")

    async def _tell_one(self) -> None:
        # Escalations first: an Omega that dies in between leaves a death unsaid, which the next one says again.
        for told, tell in ((self._absent, self._escalate), (self._untold, self._store)):
            for key, change in told.items():
                try:
                    await tell(change)
                except (SanctuaryError, NatsError):
                    raise
                except Exception:
                    # Tried again, it would keep the others waiting for ever.
                    _drop(told, key, change)
                    raise
                _drop(told, key, change)
                return

    async def _recall(self) -> None:
        """Expect those that are there by the ledger to be there still."""
        there: dict[str, InstanceChanged] = {}
        async for message in entries(self._network, self._network.subjects.event(INSTANCE_TYPE, "*")):
            event = _event(message)
            if event is not None and event.state in ("up", "suspect"):
                there[event.instance] = event
            elif event is not None:
                there.pop(event.instance, None)
        for event in there.values():
            self._roll.meet(event, self._listened_s)

    async def _store(self, change: Change) -> None:
        requester, subjects = self._network.requester, self._network.subjects
        subject = subjects.event(INSTANCE_TYPE, change.instance)
        last = await last_of(requester, subjects.ledger, subject)
        said = None if last is None else _event(last)
        if not may_follow(said.state if said else None, change.state):
            return
        event = InstanceChanged(
            clone=change.clone,
            instance=change.instance,
            state=change.state,
            at=datetime.now(UTC),
            told_by=self._identity.instance,
        )
        headers = {
            "Nats-Msg-Id": f"instance.{change.instance}.{change.state}.{change.beat_at.isoformat()}",
            "Nats-Expected-Last-Subject-Sequence": str(last.sequence if last else 0),
        }
        try:
            await publish(requester, subject, encode(event), headers=headers)
        except JetStreamError as error:
            if error.err_code != WRONG_LAST_SEQUENCE:
                raise
            # Another Omega has said something meanwhile, most likely this.
            await self._store(change)

    async def _escalate(self, change: Change) -> None:
        table = self._table()
        fallbacks = {clone for route in table.routes.values() for clone in route.fallback}
        consequence = what_waits(table, change.clone, frozenset(filter(self._roll.is_present, fallbacks)))
        if consequence is None:
            return
        escalation = ErrorEscalation(
            severity="high",
            clone=change.clone,
            instance=change.instance,
            code=ErrorCode.CLONE_ABSENT,
            message=f"no instance of {change.clone} is left: {change.instance} is silent for {DEAD_S:g} s. Meanwhile {consequence}",
            # Every Omega says this in the same words, and so it is stored once.
            at=change.beat_at,
        )
        await escalate(self._network, escalation, reply_to=None)


def _drop(told: dict[str, Change], key: str, change: Change) -> None:
    """Forget a change, unless a newer one has come in its place."""
    if told.get(key) is change:
        del told[key]


def _event(message: StoredMessage) -> InstanceChanged | None:
    try:
        event: InstanceChanged = decode(InstanceChanged, message.data)
    except SchemaError:
        return None
    return event
