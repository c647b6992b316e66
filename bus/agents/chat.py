"""AgentChat agents in other processes than their team's.

    await host_chat_agent(runtime, "writer", lambda: AssistantAgent("writer", model_client))  # in the writer's process
    writer = await remote_chat_agent(runtime, "writer", key=conversation)  # in the team's
    team = RoundRobinGroupChat([writer, editor], runtime=runtime)

A team makes its participants in its own process, whatever its runtime is: `RemoteChatAgent` stands there for one that is
elsewhere. This is the one module that needs autogen-agentchat.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import ChatAgent, Response
from autogen_agentchat.messages import BaseChatMessage
from autogen_core import AgentId, AgentRuntime, AgentType, CancellationToken, MessageContext, RoutedAgent, rpc
from pydantic import BaseModel, SerializeAsAny

from bus.agents.class_refs import class_ref, find_class
from bus.agents.errors import CannotRead

Make = Callable[[], ChatAgent | Awaitable[ChatAgent]]


class Introduce(BaseModel):
    """Answered with Introduction."""


class Introduction(BaseModel):
    """Who a hosted agent is."""

    name: str
    description: str
    produces: list[str]
    """The classes of messages that it may answer with, `module:qualified.name`."""


class Turn(BaseModel):
    """Answered with Taken."""

    messages: list[SerializeAsAny[BaseChatMessage]]
    """What was said since the agent's last turn."""


class Taken(BaseModel):
    """What the agent made of its turn."""

    response: Response


class Notice(BaseModel):
    """What a team tells its participants beside their turns."""

    kind: Literal["reset", "pause", "resume"]


class HostedChatAgent(RoutedAgent):
    """A chat agent that takes its turns for teams in other processes. Its state is the chat agent's."""

    def __init__(self, agent: ChatAgent) -> None:
        super().__init__(agent.description)
        self._agent = agent

    @rpc
    async def introduce(self, message: Introduce, ctx: MessageContext) -> Introduction:
        """Say who this is."""
        agent = self._agent
        produces = [class_ref(produced) for produced in agent.produced_message_types]
        return Introduction(name=agent.name, description=agent.description, produces=produces)

    @rpc
    async def turn(self, message: Turn, ctx: MessageContext) -> Taken:
        """Let the agent speak."""
        return Taken(response=await self._agent.on_messages(message.messages, ctx.cancellation_token))

    @rpc
    async def notice(self, message: Notice, ctx: MessageContext) -> None:
        """Pass it on."""
        if message.kind == "reset":
            await self._agent.on_reset(ctx.cancellation_token)
        elif message.kind == "pause":
            await self._agent.on_pause(ctx.cancellation_token)
        else:
            await self._agent.on_resume(ctx.cancellation_token)

    async def save_state(self) -> Mapping[str, Any]:
        """Return the chat agent's state."""
        return await self._agent.save_state()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Give the chat agent its state back."""
        await self._agent.load_state(state)

    async def close(self) -> None:
        """Close the chat agent."""
        await self._agent.close()


class RemoteChatAgent(BaseChatAgent):
    """A participant that is hosted elsewhere; made by `remote_chat_agent`.

    What the agent does within a turn arrives with its response. Closing this leaves the hosted agent as it is.
    """

    def __init__(
        self, runtime: AgentRuntime, hosted: AgentId, introduction: Introduction, produces: Sequence[type]
    ) -> None:
        super().__init__(introduction.name, introduction.description)
        self._runtime = runtime
        self._hosted = hosted
        self._produces = produces

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        """The types of messages that it may answer with."""
        return self._produces

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        """Return the hosted agent's response; raises what it raised, and as of `NatsAgentRuntime.send_message`."""
        taken: Taken = await self._runtime.send_message(
            Turn(messages=list(messages)), self._hosted, cancellation_token=cancellation_token
        )
        return taken.response

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Reset the hosted agent."""
        await self._tell(Notice(kind="reset"), cancellation_token)

    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        """Pause the hosted agent."""
        await self._tell(Notice(kind="pause"), cancellation_token)

    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        """Have the hosted agent go on."""
        await self._tell(Notice(kind="resume"), cancellation_token)

    async def save_state(self) -> Mapping[str, Any]:
        """Return the hosted agent's state, for the team's."""
        return await self._runtime.agent_save_state(self._hosted)

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Give the hosted agent its state back."""
        await self._runtime.agent_load_state(self._hosted, state)

    async def _tell(self, notice: Notice, token: CancellationToken) -> None:
        await self._runtime.send_message(notice, self._hosted, cancellation_token=token)


async def host_chat_agent(runtime: AgentRuntime, agent_type: str, make: Make) -> AgentType:
    """Take chat agents of a type: `make` is called for each key that a team asks for.

    Raises:
        ValueError: this runtime takes the type already.
    """

    async def hosted() -> HostedChatAgent:
        made = make()
        return HostedChatAgent(await made if inspect.isawaitable(made) else made)

    return await HostedChatAgent.register(runtime, agent_type, hosted)


async def remote_chat_agent(runtime: AgentRuntime, agent_type: str, key: str = "default") -> RemoteChatAgent:
    """Return a participant for the agent of this type and key, which is made where it is hosted if it is not there yet.

    Teams that name the same key share the agent and what it remembers: give each conversation a key of its own.

    Raises:
        CannotRead: it answers with messages of a class that is not loaded here.
        RecipientNotFound, WorkerLost, NotPlaced: as of `NatsAgentRuntime.send_message`.
    """
    hosted = AgentId(agent_type, key)
    introduction: Introduction = await runtime.send_message(Introduce(), hosted)
    produces: list[type[BaseChatMessage]] = []
    for ref in introduction.produces:
        found: type[BaseChatMessage] | None = find_class(ref, BaseChatMessage)  # type: ignore[type-abstract]
        if found is None:
            raise CannotRead(f"{hosted} answers with messages of class {ref}, which is not loaded here: import it")
        produces.append(found)
    return RemoteChatAgent(runtime, hosted, introduction, produces)
