"""What a worker does with a delivery: the message to the agent's handler, an order about the agent to the agent."""

import contextlib
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from autogen_core import Agent, AgentId, MessageContext, MessageHandlerContext, TopicId
from autogen_core.logging import DeliveryStage, MessageKind

from bus.agents import wire
from bus.agents.codec import Codec
from bus.agents.errors import StateNotKept
from bus.agents.hosting import Hosting
from bus.agents.incoming import Delivered
from bus.agents.keeping import Keeping
from bus.agents.tracing import Tracing, log_failed, log_message

_log = logging.getLogger("autogen_core")


class Handling:
    """Runs handlers."""

    def __init__(
        self,
        codec: Codec,
        hosting: Hosting,
        keeping: Keeping | None,
        tracing: Tracing,
        on_unhandled: Callable[[BaseException], None],
    ) -> None:
        self._codec = codec
        self._hosting = hosting
        self._keeping = keeping
        self._tracing = tracing
        self._on_unhandled = on_unhandled

    async def __call__(self, agent_id: AgentId, delivery: wire.Delivery, work: Delivered) -> wire.Value:
        """Return what the handler returned; raises what it raised, and StateNotKept."""
        try:
            if delivery.operation in ("send", "publish"):
                return wire.Value(await self._message(agent_id, delivery, work), settled=True)
            async with self._kept(agent_id, await self._hosting.get(agent_id)):
                value = await self.order(agent_id, delivery)
            return wire.Value(self._codec.encode(value), settled=True)
        except StateNotKept:
            raise
        except BaseException as error:
            if delivery.operation == "publish":
                _log.exception("Error processing publish message for %s", agent_id)
                self._on_unhandled(error)
            log_failed(delivery.body, agent_id, error)
            raise

    async def _message(self, agent_id: AgentId, delivery: wire.Delivery, work: Delivered) -> wire.Body:
        is_call = delivery.operation == "send"
        sender = None if delivery.sender is None else AgentId(*delivery.sender)
        message = self._codec.decode(delivery.body)
        kind = MessageKind.DIRECT if is_call else MessageKind.PUBLISH
        log_message(delivery.body, sender, agent_id if is_call else None, kind, DeliveryStage.DELIVER)
        context = MessageContext(
            sender=sender,
            topic_id=None if delivery.topic is None else TopicId(*delivery.topic),
            is_rpc=is_call,
            cancellation_token=work.token,
            message_id=delivery.message_id,
        )
        agent = await self._hosting.get(agent_id)
        async with self._kept(agent_id, agent):
            with (
                self._tracing.processing(agent_id, type(agent).__name__, delivery.trace, context, delivery.body),
                MessageHandlerContext.populate_context(agent_id),
            ):
                response = await agent.on_message(message, ctx=context)
        if not is_call:
            return _NOTHING
        body = self._codec.encode(response)
        log_message(body, agent_id, sender, MessageKind.RESPOND, DeliveryStage.SEND)
        return body

    def _kept(self, agent_id: AgentId, agent: Agent) -> AbstractAsyncContextManager[object]:
        return _NOT_KEPT if self._keeping is None else self._keeping.handling(agent_id, agent)

    async def order(self, agent_id: AgentId, delivery: wire.Delivery) -> Any:
        """Save or load an agent's state, or return its metadata."""
        agent = await self._hosting.get(agent_id)
        if delivery.operation == "save":
            return dict(await agent.save_state())
        if delivery.operation == "load":
            return await agent.load_state(self._codec.decode(delivery.body))
        return dict(agent.metadata)


_NOT_KEPT = contextlib.nullcontext()
_NOTHING = wire.Body("", "", "", b"")
