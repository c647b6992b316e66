"""AgentChat agents that take part in teams of other runtimes."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest
from autogen_agentchat.agents import AssistantAgent, BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.conditions import MaxMessageTermination
from autogen_agentchat.messages import BaseChatMessage, StructuredMessage, TextMessage, ThoughtEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import AgentId, AgentInstantiationContext, CancellationToken
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel

from bus.agents.chat import HostedChatAgent, Introduction, host_chat_agent, remote_chat_agent
from bus.agents.errors import CannotRead, RecipientNotFound
from tests.bus.agents.conftest import Grounds
from tests.bus.eventually import eventually

pytestmark = pytest.mark.usefixtures("unhurried")


class Shape(BaseModel):
    sides: int


class Draws(BaseChatAgent):
    """Answers in structured messages, thinks aloud, and notes what it is told beside its turns."""

    def __init__(self, name: str = "draws") -> None:
        super().__init__(name, "draws shapes")
        self.told: list[str] = []
        self.heard: list[str] = []
        self.speaking = asyncio.Event()
        self.may_speak = asyncio.Event()
        self.may_speak.set()
        self.cancelled = False

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (StructuredMessage[Shape],)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self.heard += [message.to_text() for message in messages]
        self.speaking.set()
        waiting = asyncio.ensure_future(self.may_speak.wait())
        cancellation_token.link_future(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        shape = Shape(sides=len(self.heard))
        return Response(
            chat_message=StructuredMessage[Shape](content=shape, source=self.name),
            inner_messages=[ThoughtEvent(content="a shape", source=self.name)],
        )

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.told.append("reset")

    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        self.told.append("pause")

    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        self.told.append("resume")

    async def close(self) -> None:
        self.told.append("close")


async def test_a_team_hears_what_the_hosted_agent_says_and_thinks(grounds: Grounds) -> None:
    host, runtime = await grounds.started(), await grounds.started()
    drawer = Draws()
    await host_chat_agent(host, "drawer", lambda: drawer)
    remote = await remote_chat_agent(runtime, "drawer")
    assert (remote.name, remote.description) == ("draws", "draws shapes")
    assert remote.produced_message_types == [StructuredMessage[Shape]]
    team = RoundRobinGroupChat([remote], runtime=runtime, termination_condition=MaxMessageTermination(2))
    result = await team.run(task="draw")
    said, thought, drawn = result.messages
    assert (said.to_text(), thought.to_text()) == ("draw", "a shape")
    assert isinstance(drawn, StructuredMessage)
    assert drawn.content == Shape(sides=1)
    assert drawer.heard == ["draw"]


async def test_a_pause_arrives_in_the_middle_of_a_turn(grounds: Grounds) -> None:
    host, runtime = await grounds.started(), await grounds.started()
    drawer = Draws()
    drawer.may_speak.clear()
    await host_chat_agent(host, "drawer", lambda: drawer)
    remote = await remote_chat_agent(runtime, "drawer")
    team = RoundRobinGroupChat([remote], runtime=runtime, termination_condition=MaxMessageTermination(2))
    running = asyncio.create_task(team.run(task="draw"))
    await drawer.speaking.wait()
    await team.pause()
    await team.resume()
    assert drawer.told == ["pause", "resume"]
    drawer.may_speak.set()
    await running
    await team.reset()
    await host.close()
    assert drawer.told == ["pause", "resume", "reset", "close"]


async def test_cancelling_reaches_the_hosted_agent(grounds: Grounds) -> None:
    host, runtime = await grounds.started(), await grounds.started()
    drawer = Draws()
    drawer.may_speak.clear()
    await host_chat_agent(host, "drawer", lambda: drawer)
    remote = await remote_chat_agent(runtime, "drawer")
    token = CancellationToken()
    turn = asyncio.create_task(remote.on_messages([TextMessage(content="draw", source="user")], token))
    await drawer.speaking.wait()
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await eventually(lambda: drawer.cancelled)


async def test_a_team_s_state_holds_that_of_hosted_agents(grounds: Grounds) -> None:
    host, runtime = await grounds.started(), await grounds.started()

    async def writer() -> AssistantAgent:
        key = AgentInstantiationContext.current_agent_id().key
        return AssistantAgent("writer", ReplayChatCompletionClient([f"for {key}", "again"]))

    await host_chat_agent(host, "writer", writer)
    end = MaxMessageTermination(2)
    first = RoundRobinGroupChat(
        [await remote_chat_agent(runtime, "writer", "one")], runtime=runtime, termination_condition=end
    )
    assert (await first.run(task="write")).messages[-1].to_text() == "for one"
    state = await first.save_state()
    second = RoundRobinGroupChat(
        [await remote_chat_agent(runtime, "writer", "two")], runtime=runtime, termination_condition=end
    )
    await second.load_state(state)
    assert (await second.run(task="and more")).messages[-1].to_text() == "for two"
    hosted = await host.try_get_underlying_agent_instance(AgentId("writer", "two"), HostedChatAgent)
    context = (await hosted.save_state())["llm_context"]["messages"]
    assert [message["content"] for message in context] == ["write", "for one", "and more", "for two"]


async def test_a_conversation_goes_on_at_another_host(grounds: Grounds) -> None:
    runtime = await grounds.started()
    first, second = [await grounds.started(keep_state=True) for _ in range(2)]
    await host_chat_agent(first, "writer", lambda: AssistantAgent("writer", ReplayChatCompletionClient(["first"])))
    remote = await remote_chat_agent(runtime, "writer")
    await host_chat_agent(second, "writer", lambda: AssistantAgent("writer", ReplayChatCompletionClient(["second"])))
    team = RoundRobinGroupChat([remote], runtime=runtime, termination_condition=MaxMessageTermination(2))
    assert (await team.run(task="write")).messages[-1].to_text() == "first"
    await first.close()
    assert (await team.run(task="write more")).messages[-1].to_text() == "second"
    state = await runtime.agent_save_state(AgentId("writer", "default"))
    said = [message["content"] for message in state["llm_context"]["messages"]]
    assert said == ["write", "first", "write more", "second"]


async def test_nobody_there_and_classes_that_are_not_loaded_are_told(grounds: Grounds) -> None:
    host, runtime = await grounds.started(), await grounds.started()
    with pytest.raises(RecipientNotFound):
        await remote_chat_agent(runtime, "nobody")

    class Foreign(HostedChatAgent):
        async def on_message_impl(self, message: object, ctx: object) -> Introduction:
            return Introduction(name="a", description="b", produces=["gone:Message"])

    await Foreign.register(host, "foreign", lambda: Foreign(Draws()))
    with pytest.raises(CannotRead, match=r"foreign/default answers with messages of class gone:Message, .*: import it"):
        await remote_chat_agent(runtime, "foreign")


async def test_streams_arrive_with_the_response(grounds: Grounds) -> None:
    host, runtime = await grounds.started(), await grounds.started()
    await host_chat_agent(host, "drawer", Draws)
    remote = await remote_chat_agent(runtime, "drawer")
    stream: AsyncGenerator[object, None] = remote.run_stream(task="draw")
    assert [type(item).__name__ for item in [each async for each in stream]] == [
        "TextMessage",
        "ThoughtEvent",
        "StructuredMessage[Shape]",
        "TaskResult",
    ]
