"""A chat agent that hands over to another."""

import os
from collections.abc import Sequence

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseChatMessage, HandoffMessage
from autogen_core import CancellationToken


class HandsOver(BaseChatAgent):
    """Hands over, and says in which process it did."""

    def __init__(self, name: str, target: str) -> None:
        super().__init__(name, "hands over")
        self._target = target

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (HandoffMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        content = f"from {os.getpid()}"
        return Response(chat_message=HandoffMessage(content=content, source=self.name, target=self._target))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Nothing is remembered."""
