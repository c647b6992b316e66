"""An AgentChat agent that sits in another process: `Seat` there, `Elsewhere` in the team."""

from collections.abc import Sequence

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import ChatAgent, Response
from autogen_agentchat.messages import BaseChatMessage, HandoffMessage, TextMessage
from autogen_core import AgentId, AgentRuntime, CancellationToken, MessageContext, RoutedAgent, rpc
from pydantic import BaseModel, SerializeAsAny


class Turn(BaseModel):
    messages: list[SerializeAsAny[BaseChatMessage]]


class Taken(BaseModel):
    response: SerializeAsAny[Response]


class Reset(BaseModel): ...


class Seat(RoutedAgent):
    """Gives a chat agent its turns."""

    def __init__(self, agent: ChatAgent) -> None:
        super().__init__(agent.description)
        self._agent = agent

    @rpc
    async def turn(self, message: Turn, ctx: MessageContext) -> Taken:
        return Taken(response=await self._agent.on_messages(message.messages, ctx.cancellation_token))

    @rpc
    async def reset(self, message: Reset, ctx: MessageContext) -> None:
        await self._agent.on_reset(ctx.cancellation_token)


class Elsewhere(BaseChatAgent):
    """Takes part in a team for an agent that sits elsewhere, under its name."""

    def __init__(self, name: str, runtime: AgentRuntime, key: str) -> None:
        super().__init__(name, f"{name}, elsewhere")
        self._runtime = runtime
        self._seat = AgentId(name, key)

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage, HandoffMessage)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        taken = await self._runtime.send_message(
            Turn(messages=list(messages)), self._seat, cancellation_token=cancellation_token
        )
        assert isinstance(taken, Taken)
        return taken.response

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        await self._runtime.send_message(Reset(), self._seat, cancellation_token=cancellation_token)
