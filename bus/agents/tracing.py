"""OpenTelemetry spans and autogen-core's event log, as SingleThreadedAgentRuntime writes them; nothing where nobody looks."""

import contextlib
import json
import logging
from collections.abc import Iterator
from typing import Any

from autogen_core import AgentId, MessageContext, TopicId
from autogen_core._telemetry import (
    EnvelopeMetadata,
    MessageRuntimeTracingConfig,
    TraceHelper,
    get_telemetry_envelope_metadata,
)
from autogen_core._telemetry._tracing_config import ExtraMessageRuntimeAttributes, MessagingOperation
from autogen_core.logging import (
    DeliveryStage,
    MessageDroppedEvent,
    MessageEvent,
    MessageHandlerExceptionEvent,
    MessageKind,
)
from opentelemetry import context as contexts
from opentelemetry.propagate import extract
from opentelemetry.trace import NoOpTracerProvider, ProxyTracerProvider, TracerProvider, get_tracer_provider

from bus.agents import wire

_events = logging.getLogger("autogen_core.events")
_NO_SPAN = contextlib.nullcontext()


class Tracing:
    """The spans of one runtime."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._helper = TraceHelper(provider, MessageRuntimeTracingConfig("NatsAgentRuntime"))
        self.is_on = False
        self.look()

    def look(self) -> None:
        """See whether anybody takes spans now. Making them takes as long as all else that a message costs."""
        provider = self._helper.tracer_provider
        if isinstance(provider, ProxyTracerProvider):
            provider = get_tracer_provider()
        self.is_on = not isinstance(provider, NoOpTracerProvider | ProxyTracerProvider)

    def block(
        self,
        operation: MessagingOperation,
        destination: AgentId | TopicId | str | None,
        parent: EnvelopeMetadata | None = None,
        *,
        message: Any = None,
        attributes: dict[str, str] | None = None,
    ) -> contextlib.AbstractContextManager[object]:
        """Return the span to be in, if there is to be one."""
        if not self.is_on:
            return _NO_SPAN
        extra = ExtraMessageRuntimeAttributes()
        if message is not None:
            extra["message_type"] = type(message).__name__
        return self._helper.trace_block(operation, destination, parent, extraAttributes=extra, attributes=attributes)

    def metadata(self) -> EnvelopeMetadata | None:
        """Return the current span, for links to it."""
        return get_telemetry_envelope_metadata() if self.is_on else None

    def trace(self, created: EnvelopeMetadata | None) -> wire.Trace | None:
        """Return what a message carries: the span that made it, and the current one."""
        if created is None:
            return None
        return wire.Trace(created.traceparent, created.tracestate, get_telemetry_envelope_metadata().traceparent)

    def processing(
        self, agent: AgentId, agent_class: str, trace: wire.Trace | None, context: MessageContext, body: wire.Body
    ) -> contextlib.AbstractContextManager[object]:
        """Return the span of a handler, which stands below the sender's."""
        return self._processing(agent, agent_class, trace, context, body) if self.is_on else _NO_SPAN

    @contextlib.contextmanager
    def _processing(
        self, agent: AgentId, agent_class: str, trace: wire.Trace | None, context: MessageContext, body: wire.Body
    ) -> Iterator[None]:
        created = None if trace is None else EnvelopeMetadata(traceparent=trace.parent, tracestate=trace.state)
        above = {} if trace is None or trace.delivering is None else {"traceparent": trace.delivering}
        attributes = {
            "recipient_agent_type": agent.type,
            "recipient_agent_class": agent_class,
            "message_context": json.dumps(
                {
                    "sender": str(context.sender),
                    "topic_id": str(context.topic_id),
                    "is_rpc": context.is_rpc,
                    "message_id": context.message_id,
                }
            ),
            "message": text_of(body),
        }
        if context.sender is not None:
            attributes["sender_agent_type"] = context.sender.type
        token = contexts.attach(extract(above)) if above else None
        try:
            with self.block("process", agent, created, attributes=attributes):
                yield
        finally:
            if token is not None:
                contexts.detach(token)


def text_of(body: wire.Body) -> str:
    """Return a message as the event log shows it."""
    if not body.type_name:
        return "No Message"
    try:
        return body.payload.decode() if "json" in body.content_type else "Message could not be serialized"
    except UnicodeDecodeError:
        return "Message could not be serialized"


def log_message(
    body: wire.Body,
    sender: AgentId | None,
    receiver: AgentId | TopicId | None,
    kind: MessageKind,
    stage: DeliveryStage,
) -> None:
    """Log a message on its way."""
    if _events.isEnabledFor(logging.INFO):
        _events.info(
            MessageEvent(payload=text_of(body), sender=sender, receiver=receiver, kind=kind, delivery_stage=stage)
        )


def log_dropped(body: wire.Body, sender: AgentId | None, receiver: AgentId | TopicId | None, kind: MessageKind) -> None:
    """Log a message that an intervention handler dropped."""
    _events.info(MessageDroppedEvent(payload=text_of(body), sender=sender, receiver=receiver, kind=kind))


def log_failed(body: wire.Body, agent: AgentId, error: BaseException) -> None:
    """Log an error of a handler."""
    _events.info(MessageHandlerExceptionEvent(payload=text_of(body), handling_agent=agent, exception=error))
