"""Calls and events of one runtime, from the message to the answer."""

import asyncio
import contextlib
import uuid
from collections.abc import Iterator
from typing import Any

from autogen_core import AgentId, CancellationToken, MessageContext, TopicId
from autogen_core.exceptions import MessageDroppedException

from bus.agents import wire
from bus.agents.codec import Codec
from bus.agents.faults import from_fault
from bus.agents.idle import Idle, Work, current_work
from bus.agents.interventions import Interventions
from bus.agents.members import Members
from bus.agents.outgoing import Item, Outgoing
from bus.agents.tracing import DeliveryStage, EnvelopeMetadata, MessageKind, Tracing, log_dropped, log_message


class Sending:
    """Sends for one runtime, which is told of the errors that come back of events, if it wants to be."""

    def __init__(
        self,
        runtime: object,
        codec: Codec,
        members: Members,
        outgoing: Outgoing,
        interventions: Interventions | None,
        tracing: Tracing,
        idle: Idle,
        on_fault: Any,
    ) -> None:
        self._runtime = runtime
        self._codec = codec
        self._members = members
        self._outgoing = outgoing
        self._interventions = interventions
        self._tracing = tracing
        self._idle = idle
        self._on_fault = on_fault
        self._spans: set[asyncio.Task[None]] = set()

    @contextlib.contextmanager
    def under_way(self) -> Iterator[Work | None]:
        """Count what is being sent as under way, from the caller's first step on."""
        parent = current_work(self._runtime)
        self._idle.begin()
        if parent is not None:
            parent.begin()
        try:
            yield parent
        finally:
            if parent is not None:
                parent.end(None)
            self._idle.end()

    async def call(
        self,
        message: Any,
        recipient: AgentId,
        sender: AgentId | None,
        token: CancellationToken | None,
        message_id: str | None,
        parent: Work | None,
    ) -> Any:
        """Return the answer; raises what the handler raised."""
        message_id = message_id or str(uuid.uuid4())
        with self._tracing.block("create", recipient, message=message):
            created = self._tracing.metadata()
            if self._interventions is not None:
                context = _context(sender, None, token, message_id)
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
                value = await self.order(recipient, delivery, token, parent)
            return await self._response(value, recipient, sender, created)

    async def order(
        self, recipient: AgentId, delivery: wire.Delivery, token: CancellationToken | None, parent: Work | None
    ) -> wire.Value:
        """Send a delivery that is answered, and return the answer; raises what the other side raised."""
        if token is not None and token.is_cancelled():
            raise asyncio.CancelledError
        item = self._outgoing.send(recipient, wire.encode(delivery), parent, is_call=True)
        assert item.answer is not None
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

    async def publish(
        self,
        message: Any,
        topic: TopicId,
        sender: AgentId | None,
        token: CancellationToken | None,
        message_id: str | None,
        parent: Work | None,
        *,
        report: bool,
    ) -> None:
        """Send an event on its way to all whom the topic is for."""
        message_id = message_id or str(uuid.uuid4())
        with self._tracing.block("create", topic, message=message):
            created = self._tracing.metadata()
            if self._interventions is not None:
                context = _context(sender, topic, token, message_id)
                try:
                    message = await self._interventions.on_publish(message, context)
                except MessageDroppedException:
                    log_dropped(self._codec.encode(message), sender, topic, MessageKind.PUBLISH)
                    return
            body = self._codec.encode(message)
            log_message(body, sender, topic, MessageKind.PUBLISH, DeliveryStage.SEND)
            recipients = await self._members.recipients(topic)
            if sender is not None:
                recipients = [agent for agent in recipients if agent != sender]
            head = (
                None if sender is None else (sender.type, sender.key),
                (topic.type, topic.source),
                message_id,
                report,
            )
            if created is None:
                items = self._send_each(recipients, body, head, parent, None, report)
            else:
                sent: asyncio.Future[list[Item]] = asyncio.get_running_loop().create_future()
                span = asyncio.create_task(self._traced(sent, topic, recipients, body, head, parent, created, report))
                self._spans.add(span)
                span.add_done_callback(self._spans.discard)
                items = await sent
        if token is not None and items:
            token.add_callback(lambda: [self._outgoing.cancel(item) for item in items] and None)
        for item in items:
            await self._outgoing.room(item)

    def _send_each(
        self,
        recipients: list[AgentId],
        body: wire.Body,
        head: tuple[Any, Any, str, bool],
        parent: Work | None,
        trace: wire.Trace | None,
        report: bool,
    ) -> list[Item]:
        items: list[Item] = []
        for agent in recipients:
            delivery = wire.Delivery(wire.VERSION, "publish", (agent.type, agent.key), body, *head, trace)
            item = self._outgoing.send(agent, wire.encode(delivery), parent, is_call=False)
            if report:
                item.on_settled = self._on_fault
            items.append(item)
        return items

    async def _traced(
        self,
        sent: "asyncio.Future[list[Item]]",
        topic: TopicId,
        recipients: list[AgentId],
        body: wire.Body,
        head: tuple[Any, Any, str, bool],
        parent: Work | None,
        created: EnvelopeMetadata,
        report: bool,
    ) -> None:
        """Hold the span of a publication open until its deliveries have settled."""
        with self.under_way(), self._tracing.block("publish", topic, created):
            items = self._send_each(recipients, body, head, parent, self._tracing.trace(created), report)
            waiting: list[asyncio.Future[None]] = []
            for item in items:
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                waiting.append(future)
                item.on_settled = _then(future, item.on_settled)
            sent.set_result(items)
            if waiting:
                await asyncio.wait(waiting)


def _then(future: "asyncio.Future[None]", before: Any) -> Any:
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
