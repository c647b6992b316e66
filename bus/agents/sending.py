"""Calls and events of one runtime, from the message to the answer."""

import asyncio
import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from autogen_core import AgentId, CancellationToken, MessageContext, TopicId
from autogen_core._telemetry import EnvelopeMetadata
from autogen_core.exceptions import MessageDroppedException
from autogen_core.logging import DeliveryStage, MessageKind

from bus.agents import wire
from bus.agents.codec import Codec
from bus.agents.durable.records import Event, encode_event
from bus.agents.durable.topics import Topics
from bus.agents.faults import from_fault
from bus.agents.idle import Idle, Work, current_work
from bus.agents.interventions import Interventions
from bus.agents.members import Members
from bus.agents.outgoing import Item, Outgoing
from bus.agents.tracing import Tracing, log_dropped, log_message


@dataclass(frozen=True, slots=True)
class Outbound:
    """A message as the runtime was given it."""

    message: Any
    sender: AgentId | None
    token: CancellationToken | None
    message_id: str | None
    parent: Work | None
    """The delivery in whose handler it is sent."""


@dataclass(frozen=True, slots=True)
class _Publication:
    recipients: list[AgentId]
    body: wire.Body
    topic: TopicId
    sender: tuple[str, str] | None
    message_id: str
    parent: Work | None
    report: bool


class UnderWay:
    """Holds idleness off as long as it is entered; gives the delivery in whose handler this is."""

    __slots__ = ("_idle", "_parent")

    def __init__(self, idle: Idle, parent: Work | None) -> None:
        self._idle = idle
        self._parent = parent

    def __enter__(self) -> Work | None:
        self._idle.begin()
        if self._parent is not None:
            self._parent.begin()
        return self._parent

    def __exit__(self, *_: object) -> None:
        if self._parent is not None:
            self._parent.end(None)
        self._idle.end()


class Sending:
    """Sends for one runtime, which is told of the errors that come back of events, if it wants to be."""

    def __init__(
        self,
        *,
        runtime: object,
        codec: Codec,
        members: Members,
        topics: Topics,
        outgoing: Outgoing,
        interventions: Interventions | None,
        tracing: Tracing,
        idle: Idle,
        on_fault: Callable[[wire.Fault | None], None],
    ) -> None:
        self._runtime = runtime
        self._codec = codec
        self._members = members
        self._topics = topics
        self._outgoing = outgoing
        self._interventions = interventions
        self._tracing = tracing
        self._idle = idle
        self._on_fault = on_fault
        self._spans: set[asyncio.Task[None]] = set()
        self._ids = itertools.count(1)
        self._id_prefix = secrets.token_hex(8)

    def _new_id(self) -> str:
        # Unique as a UUID is, and a tenth of the time of one.
        return f"{self._id_prefix}-{next(self._ids)}"

    def under_way(self) -> "UnderWay":
        """Count what is being sent as under way, from the caller's first step on."""
        return UnderWay(self._idle, current_work(self._runtime))

    async def call(self, out: Outbound, recipient: AgentId) -> Any:
        """Return the answer; raises what the handler raised."""
        message, sender, message_id = out.message, out.sender, out.message_id or self._new_id()
        with self._tracing.block("create", recipient, message=message):
            created = self._tracing.metadata()
            if self._interventions is not None:
                context = _context(sender, None, out.token, message_id)
                try:
                    message = await self._interventions.on_send(message, context, recipient)
                except MessageDroppedException:
                    log_dropped(self._codec.encode(message), sender, recipient, MessageKind.DIRECT)
                    raise
            body = self._codec.encode(message)
            log_message(body, sender, recipient, MessageKind.DIRECT, DeliveryStage.SEND)
            with self._tracing.block("send", recipient, created):
                delivery = wire.Delivery(
                    wire.VERSION,
                    "send",
                    (recipient.type, recipient.key),
                    body,
                    None if sender is None else (sender.type, sender.key),
                    None,
                    message_id,
                    False,
                    self._tracing.trace(created),
                )
                value = await self.order(recipient, delivery, out.token, out.parent)
            return await self._response(value, recipient, sender, created)

    async def order(
        self, recipient: AgentId, delivery: wire.Delivery, token: CancellationToken | None, parent: Work | None
    ) -> wire.Value:
        """Send a delivery that is answered, and return the answer; raises what the other side raised."""
        if token is not None and token.is_cancelled():
            raise asyncio.CancelledError
        item = self._outgoing.call(recipient, wire.encode(delivery), parent)
        if token is not None:
            token.link_future(item.answer)
            token.add_callback(lambda: self._outgoing.cancel(item))
        answer = await item.answer
        if isinstance(answer, wire.Failed):
            raise from_fault(answer.fault)
        if not isinstance(answer, wire.Value):
            raise asyncio.CancelledError
        return answer

    async def _response(
        self, value: wire.Value, recipient: AgentId, sender: AgentId | None, created: EnvelopeMetadata | None
    ) -> Any:
        response = self._codec.decode(value.body)
        if self._interventions is not None:
            try:
                response = await self._interventions.on_response(response, recipient, sender)
            except MessageDroppedException:
                log_dropped(value.body, sender, recipient, MessageKind.RESPOND)
                raise
        with self._tracing.block("ack", sender, created):
            log_message(value.body, recipient, sender, MessageKind.RESPOND, DeliveryStage.DELIVER)
        return response

    async def publish(self, out: Outbound, topic: TopicId, *, report: bool) -> None:
        """Send an event on its way to all whom the topic is for."""
        message, sender, message_id = out.message, out.sender, out.message_id or self._new_id()
        with self._tracing.block("create", topic, message=message):
            created = self._tracing.metadata()
            if self._interventions is not None:
                context = _context(sender, topic, out.token, message_id)
                try:
                    message = await self._interventions.on_publish(message, context)
                except MessageDroppedException:
                    log_dropped(self._codec.encode(message), sender, topic, MessageKind.PUBLISH)
                    return
            body = self._codec.encode(message)
            log_message(body, sender, topic, MessageKind.PUBLISH, DeliveryStage.SEND)
            if self._members.is_durable(topic.type):
                with self._tracing.block("publish", topic, created):
                    await self._store(out, topic, body, message_id, self._tracing.trace(created))
                return
            recipients = await self._members.recipients(topic)
            if sender is not None:
                recipients = [agent for agent in recipients if agent != sender]
            named = None if sender is None else (sender.type, sender.key)
            publication = _Publication(recipients, body, topic, named, message_id, out.parent, report)
            if created is None:
                items = self._send_each(publication, None)
            else:
                sent: asyncio.Future[list[Item]] = asyncio.get_running_loop().create_future()
                span = asyncio.create_task(self._traced(sent, publication, created))
                self._spans.add(span)
                span.add_done_callback(self._spans.discard)
                items = await sent
        if out.token is not None and items:
            out.token.add_callback(lambda: self._cancel(items))
        for item in items:
            await self._outgoing.room(item)

    async def _store(
        self, out: Outbound, topic: TopicId, body: wire.Body, message_id: str, trace: wire.Trace | None
    ) -> None:
        """Have an event of a durable topic stored; once it is, it cannot be cancelled any more."""
        named = None if out.sender is None else (out.sender.type, out.sender.key)
        event = Event(wire.VERSION, (topic.type, topic.source), body, named, message_id, trace)
        storing = asyncio.ensure_future(self._topics.put(topic.type, encode_event(event)))
        if out.token is not None:
            out.token.link_future(storing)
        await storing

    def _cancel(self, items: list[Item]) -> None:
        for item in items:
            self._outgoing.cancel(item)

    def _send_each(self, publication: _Publication, trace: wire.Trace | None) -> list[Item]:
        items: list[Item] = []
        topic = (publication.topic.type, publication.topic.source)
        for agent in publication.recipients:
            delivery = wire.Delivery(
                wire.VERSION,
                "publish",
                (agent.type, agent.key),
                publication.body,
                publication.sender,
                topic,
                publication.message_id,
                publication.report,
                trace,
            )
            item = self._outgoing.send(agent, wire.encode(delivery), publication.parent)
            if publication.report:
                item.on_settled = self._on_fault
            items.append(item)
        return items

    async def _traced(
        self, sent: "asyncio.Future[list[Item]]", publication: _Publication, created: EnvelopeMetadata
    ) -> None:
        """Hold the span of a publication open until its deliveries have settled."""
        with self.under_way(), self._tracing.block("publish", publication.topic, created):
            items = self._send_each(publication, self._tracing.trace(created))
            waiting: list[asyncio.Future[None]] = []
            for item in items:
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                waiting.append(future)
                item.on_settled = _then(future, item.on_settled)
            sent.set_result(items)
            if waiting:
                await asyncio.wait(waiting)


def _then(
    future: "asyncio.Future[None]", before: Callable[[wire.Fault | None], None] | None
) -> Callable[[wire.Fault | None], None]:
    def settled(fault: wire.Fault | None) -> None:
        if before is not None:
            before(fault)
        if not future.done():
            future.set_result(None)

    return settled


def _context(
    sender: AgentId | None, topic: TopicId | None, token: CancellationToken | None, message_id: str
) -> MessageContext:
    return MessageContext(
        sender=sender,
        topic_id=topic,
        is_rpc=topic is None,
        cancellation_token=token or CancellationToken(),
        message_id=message_id,
    )
