"""Who is in the namespace and takes what, known to every runtime in it.

A runtime's record stands in the bucket, for those that come later, and is told to each of the others, which answer: when a
registration returns, all who could send to it know. Records of the dead are dropped by whoever finds nobody there.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from autogen_core import AgentId, Subscription, TopicId, TypePrefixSubscription, TypeSubscription

from bus.agents import wire
from bus.agents.buckets import ensure_bucket
from bus.agents.durable.records import decode_named
from bus.agents.session import Session
from bus.errors import Disconnected, JetStreamError, NoResponders, RequestTimeout
from bus.jetstream import api, publish

_log = logging.getLogger(__name__)

MakeDurable = Callable[[Sequence[str]], Awaitable[None]]
"""Enters topic types as durable, for all and for good."""

_TRIES = 5
_TRY_S = 2.0
_PAUSE_S = 0.2
_MOST_TOPICS = 10_000
"""Whose recipients are remembered: a source may be a conversation, and there is no end of them."""


class Members:
    """The others' records, and one's own."""

    def __init__(self, session: Session, durable_topics: Sequence[str], make_durable: MakeDurable) -> None:
        """Take the topic types that this runtime makes durable, and what enters them."""
        self._session = session
        self._named = tuple(durable_topics)
        self._make_durable = make_durable
        self._durable = set(durable_topics)
        self._others: dict[str, wire.Member] = {}
        self._own = wire.Member(wire.VERSION, session.worker, 0, False, (), (), False, self._named)
        self._said: wire.Member | None = None
        self._saying = asyncio.Lock()
        self._silent: dict[str, asyncio.Task[None]] = {}
        """Those that did not answer, frozen perhaps, and what tells them until they do."""
        self._recipients: dict[TopicId, list[AgentId]] = {}
        self._subscriptions: Sequence[Subscription] = ()
        self._joined = False
        self._unread = True

    @property
    def others(self) -> Sequence[str]:
        """The other runtimes."""
        return tuple(self._others)

    async def join(self) -> None:
        """Make the bucket where there is none, and get to know the others; may be called again after a break.

        Raises:
            RuntimeFailed: the server has no JetStream, or does not let us.
        """
        await ensure_bucket(self._session, self._session.names.bucket)
        if self._named:
            await self._make_durable(self._named)
        self._joined = True
        self._said, self._unread = None, True
        await self.say()

    async def refresh(self) -> None:
        """Read the bucket."""
        names = self._session.names
        # ADR-31; the last answer has a status and no body.
        wanted = msgspec.json.encode({"multi_last": [names.every_member, names.every_named]})
        for answer in await self._session.requester.collect(f"$JS.API.DIRECT.GET.{names.stream}", wanted):
            if answer.data and (answer.headers or {}).get("Nats-Subject", "").startswith(names.named_prefix):
                self._durable.add(decode_named(answer.data).topic_type)
            elif answer.data:
                self.learn(wire.decode_member(answer.data))

    def learn(self, member: wire.Member) -> None:
        """Take a record, unless a newer one is known."""
        known = self._others.get(member.worker)
        if member.worker != self._session.worker and (known is None or known.revision < member.revision):
            self._others[member.worker] = member
            self._durable.update(member.durable)
            self._recipients.clear()

    def forget(self, worker: str) -> None:
        """Drop a runtime that is gone."""
        if self._others.pop(worker, None) is not None:
            self._recipients.clear()

    async def bury(self, worker: str) -> None:
        """Drop a runtime of which nobody answers, for all; not where our own connection came back just now: so may its."""
        if self._session.recently_back:
            return
        self.forget(worker)
        await self._erase(worker)

    def update(self, *, started: bool, types: Sequence[str], subscriptions: Sequence[Subscription]) -> None:
        """Note what this runtime takes; `say` tells it."""
        rules = tuple(dict.fromkeys(rule for one in subscriptions if (rule := rule_of(one)) is not None))
        resolves = any(rule_of(one) is None for one in subscriptions)
        self._own = wire.Member(
            wire.VERSION,
            self._session.worker,
            self._own.revision + 1,
            started,
            tuple(types),
            rules,
            resolves,
            self._named,
        )
        self._subscriptions = tuple(subscriptions)
        self._recipients.clear()

    async def say(self) -> None:
        """Tell the others what this runtime takes; when it returns, they know, but for those that are frozen.

        One that does not answer is waited for once, and told in the background until it answers.
        """
        async with self._saying:
            own = self._own
            if not self._joined or self._said is own:
                return
            await self._enter(own)
            if self._unread:
                # After our own record was written: of two that join at once, one finds the other.
                await self.refresh()
                self._unread = False
            told: set[str] = set()
            while waiting := set(self._others) - told:
                await asyncio.gather(*(self._tell(worker, own) for worker in waiting - self._silent.keys()))
                told |= waiting
            self._said = own

    async def _enter(self, own: wire.Member) -> None:
        subject = self._session.names.member(own.worker)
        for left in reversed(range(_TRIES)):
            try:
                await publish(self._session.requester, subject, wire.encode(own), timeout_s=_TRY_S)
            except (RequestTimeout, Disconnected):
                # Lost with a connection, perhaps; writing the same again does no harm.
                if not left:
                    raise
                await asyncio.sleep(_PAUSE_S)
            else:
                return

    async def _tell(self, worker: str, own: wire.Member) -> None:
        if not await self._announce(worker, own):
            _log.warning("runtime %s of %s does not answer", worker, self._session.names.namespace)
            self._silence(worker)

    def _silence(self, worker: str) -> None:
        if worker not in self._silent:
            self._silent[worker] = asyncio.create_task(self._keep_telling(worker), name=f"tell {worker}")

    async def _keep_telling(self, worker: str) -> None:
        told: wire.Member | None = None
        try:
            while told is not self._own and worker in self._others:
                own = self._own
                if await self._announce(worker, own):
                    told = own
        finally:
            # At once: what is said next is told by who says it.
            self._silent.pop(worker, None)

    async def _announce(self, worker: str, own: wire.Member) -> bool:
        """Tell one of the others; False where it does not answer."""
        try:
            answer = await self._session.order(worker, wire.Announce(own))
            self.learn(wire.decode_member(answer.data))
        except NoResponders:
            await self.bury(worker)
        except RequestTimeout:
            return False
        except Disconnected:
            _log.debug("runtime %s is told when the connection is back", worker)
        return True

    @property
    def own(self) -> wire.Member:
        """What this runtime takes."""
        return self._own

    async def leave(self) -> None:
        """Say good-bye: callers of agents that nobody else takes get an error at once."""
        self._joined = False
        for telling in self._silent.values():
            telling.cancel()
        self._silent.clear()
        for worker in self._others:
            self._session.client.post(self._session.names.worker(worker), wire.encode(wire.Leave(self._session.worker)))
        await self._erase(self._session.worker)

    async def _erase(self, worker: str) -> None:
        names = self._session.names
        try:
            await api(self._session.requester, f"STREAM.PURGE.{names.stream}", {"filter": names.member(worker)})
        except (JetStreamError, RequestTimeout, NoResponders, Disconnected) as error:
            _log.debug("the record of runtime %s was not erased: %s", worker, error)

    def takers(self, agent_type: str) -> list[wire.Member]:
        """Return the runtimes that take agents of a type, started ones first."""
        found = [member for member in (self._own, *self._others.values()) if agent_type in member.types]
        return sorted(found, key=lambda member: not member.started)

    async def recipients(self, topic: TopicId) -> list[AgentId]:
        """Return the agents that a topic is for, once for each subscription that differs from the others."""
        known = self._recipients.get(topic)
        if known is not None:
            return known
        members = (self._own, *self._others.values())
        rules = dict.fromkeys(rule for member in members for rule in member.rules)
        found = [AgentId(rule.agent_type, topic.source) for rule in rules if matches(rule, topic)]
        lasting = True
        for member in members:
            if member.resolves and member is self._own:
                found += self.resolve(topic)
            elif member.resolves:
                lasting = False
                found += await self._ask(member.worker, topic)
        if lasting and members == (self._own, *self._others.values()):
            if len(self._recipients) >= _MOST_TOPICS:
                self._recipients.clear()
            self._recipients[topic] = found
        return found

    @property
    def durable(self) -> tuple[str, ...]:
        """The durable topic types, named by whichever runtime: from then on and for good."""
        return tuple(self._durable)

    def is_durable(self, topic_type: str) -> bool:
        """Tell whether what is published to a topic type is stored first."""
        return topic_type in self._durable

    def subscribed(self, topic_type: str) -> set[str]:
        """Return the agent types that are subscribed to a topic type, as far as everybody can tell."""
        rules = {rule for member in (self._own, *self._others.values()) for rule in member.rules}
        return {rule.agent_type for rule in rules if _matches(rule, topic_type)}

    def subscribed_here(self, topic_type: str) -> set[str]:
        """Return those of them that this runtime's subscriptions are for."""
        return {rule.agent_type for rule in self._own.rules if _matches(rule, topic_type)}

    def resolve(self, topic: TopicId) -> list[AgentId]:
        """Return the agents that this runtime's subscriptions of other kinds map a topic to."""
        own = [one for one in self._subscriptions if rule_of(one) is None and one.is_match(topic)]
        return [one.map_to_agent(topic) for one in own]

    async def _ask(self, worker: str, topic: TopicId) -> list[AgentId]:
        if worker in self._silent:
            return []
        try:
            answer = await self._session.order(worker, wire.Resolve(topic.type, topic.source))
        except NoResponders:
            return []
        except RequestTimeout:
            self._silence(worker)
            return []
        return [AgentId(agent_type, key) for agent_type, key in wire.decode_agents(answer.data)]


def rule_of(subscription: Subscription) -> wire.Rule | None:
    """Return a subscription as all can match it; None for kinds of one's own."""
    if isinstance(subscription, TypeSubscription) and _as_made(subscription, TypeSubscription):
        return wire.Rule(False, subscription.topic_type, subscription.agent_type)
    if isinstance(subscription, TypePrefixSubscription) and _as_made(subscription, TypePrefixSubscription):
        return wire.Rule(True, subscription.topic_type_prefix, subscription.agent_type)
    return None


def _as_made(subscription: Subscription, kind: type) -> bool:
    """Tell whether a subscription, perhaps of a derived class, matches as its kind does."""
    cls = type(subscription)
    return all(getattr(cls, name) is getattr(kind, name) for name in ("is_match", "map_to_agent"))


def matches(rule: wire.Rule, topic: TopicId) -> bool:
    """Tell whether a rule is for a topic."""
    return _matches(rule, topic.type)


def _matches(rule: wire.Rule, topic_type: str) -> bool:
    return topic_type.startswith(rule.topic) if rule.prefix else topic_type == rule.topic
