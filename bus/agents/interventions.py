"""Intervention handlers, which see what their runtime sends and what it gets back."""

import warnings
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from autogen_core import AgentId, DropMessage, InterventionHandler, MessageContext
from autogen_core.exceptions import MessageDroppedException

from bus.agents.tracing import Tracing


class Interventions:
    """The handlers of one runtime, in order; each sees what the one before made of the message."""

    def __init__(self, handlers: Sequence[InterventionHandler], tracing: Tracing) -> None:
        self._handlers = handlers
        self._tracing = tracing

    async def on_send(self, message: Any, context: MessageContext, recipient: AgentId) -> Any:
        """Return the message to send; raises MessageDroppedException, or what a handler raised."""
        return await self._each(
            "on_send", message, lambda one, it: one.on_send(it, message_context=context, recipient=recipient)
        )

    async def on_publish(self, message: Any, context: MessageContext) -> Any:
        """Return the message to publish; raises as on_send."""
        return await self._each("on_publish", message, lambda one, it: one.on_publish(it, message_context=context))

    async def on_response(self, message: Any, sender: AgentId, recipient: AgentId | None) -> Any:
        """Return the response to hand out; raises as on_send."""
        return await self._each(
            "on_response", message, lambda one, it: one.on_response(it, sender=sender, recipient=recipient)
        )

    async def _each(
        self, name: str, message: Any, call: Callable[[InterventionHandler, Any], Coroutine[Any, Any, Any]]
    ) -> Any:
        for handler in self._handlers:
            with self._tracing.block("intercept", type(handler).__name__, self._tracing.metadata()):
                changed = await call(handler, message)
            if changed is DropMessage or isinstance(changed, DropMessage):
                raise MessageDroppedException
            if changed is None and message is not None:
                warnings.warn(
                    f"Intervention handler {name} returned None. This might be unintentional. "
                    "Consider returning the original message or DropMessage explicitly.",
                    RuntimeWarning,
                    stacklevel=2,
                )
                continue
            message = changed
        return message
