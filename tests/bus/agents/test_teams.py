"""AgentChat teams on the runtime, their agents spread over three processes."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE

import pytest
from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.messages import HandoffMessage
from autogen_agentchat.teams import MagenticOneGroupChat, RoundRobinGroupChat, SelectorGroupChat, Swarm
from autogen_core import AgentId
from autogen_ext.models.replay import ReplayChatCompletionClient

from bus.agent_runtime import NatsAgentRuntime
from bus.agents.chat import RemoteChatAgent, remote_chat_agent
from tests.bus.agents.conftest import Grounds
from tests.bus.agents.handing import HandsOver
from tests.bus.eventually import WITHIN_S, eventually


async def _seat(
    grounds: Grounds, runtime: NatsAgentRuntime, name: str, *replies: str, handoff: str = ""
) -> RemoteChatAgent:
    settings = grounds.server.settings_for("operator")
    command = [sys.executable, "-m", "tests.bus.agents.seat_process", settings.servers[0], str(settings.nkey)]
    command += [str(settings.inbox_prefix), grounds.namespace, name, handoff, *replies]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    grounds.keep(process)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return await remote_chat_agent(runtime, name)


@pytest.mark.usefixtures("unhurried")
async def test_round_robin(grounds: Grounds) -> None:
    runtime = await grounds.started()
    writer, critic = await asyncio.gather(
        _seat(grounds, runtime, "writer", "a draft", "a better draft"),
        _seat(grounds, runtime, "critic", "not yet", "APPROVED"),
    )
    editor = AssistantAgent("editor", ReplayChatCompletionClient(["to the critic", "to the critic"]))
    team = RoundRobinGroupChat(
        [writer, editor, critic], runtime=runtime, termination_condition=TextMentionTermination("APPROVED")
    )
    result = await team.run(task="write")
    assert [message.to_text() for message in result.messages] == [
        "write",
        "a draft",
        "to the critic",
        "not yet",
        "a better draft",
        "to the critic",
        "APPROVED",
    ]
    assert [message.source for message in result.messages] == ["user", *["writer", "editor", "critic"] * 2]
    state = await team.save_state()
    await team.reset()
    await team.load_state(state)
    await runtime.stop_when_idle()


async def test_a_team_is_told_when_a_host_dies_in_its_turn(grounds: Grounds) -> None:
    runtime = await grounds.started()
    writer = await _seat(grounds, runtime, "writer", "said", "never said")
    (process,) = grounds._processes
    team = RoundRobinGroupChat([writer], runtime=runtime, termination_condition=MaxMessageTermination(2))
    assert (await team.run(task="write")).messages[-1].to_text() == "said"
    process.send_signal(signal.SIGSTOP)
    running = asyncio.create_task(team.run(task="write more"))
    await eventually(lambda: _is_with(runtime, AgentId("writer", "default")))
    process.send_signal(signal.SIGKILL)
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(RuntimeError, match="WorkerLost: writer/default"):
            await running


def _is_with(runtime: NatsAgentRuntime, agent: AgentId) -> bool:
    """Tell whether a message was sent on its way to an agent's worker."""
    return any(item.lane.recipient == agent and item.worker for item in runtime._node.outgoing.items.values())


@pytest.mark.usefixtures("unhurried")
async def test_selector(grounds: Grounds) -> None:
    runtime = await grounds.started()
    red, blue = await asyncio.gather(_seat(grounds, runtime, "red", "r1", "r2"), _seat(grounds, runtime, "blue", "b1"))
    green = AssistantAgent("green", ReplayChatCompletionClient(["g1"]))
    team = SelectorGroupChat(
        [red, blue, green],
        model_client=ReplayChatCompletionClient(["blue", "red", "green", "red"]),
        runtime=runtime,
        termination_condition=MaxMessageTermination(5),
        allow_repeated_speaker=True,
    )
    result = await team.run(task="go")
    assert [message.source for message in result.messages] == ["user", "blue", "red", "green", "red"]
    await runtime.stop_when_idle()


@pytest.mark.usefixtures("unhurried")
async def test_swarm(grounds: Grounds) -> None:
    runtime = await grounds.started()
    first, second = await asyncio.gather(
        _seat(grounds, runtime, "first", handoff="second"), _seat(grounds, runtime, "second", handoff="third")
    )
    third = HandsOver("third", "first")
    team = Swarm([first, second, third], runtime=runtime, termination_condition=MaxMessageTermination(5))
    result = await team.run(task="go")
    handed = [message for message in result.messages if isinstance(message, HandoffMessage)]
    assert [message.target for message in handed] == ["second", "third", "first", "second"]
    assert len({message.content for message in handed}) == 3
    await runtime.stop_when_idle()


@pytest.mark.usefixtures("unhurried")
async def test_magentic(grounds: Grounds) -> None:
    runtime = await grounds.started()
    worker = await _seat(grounds, runtime, "worker", "done it")
    ledger = (
        '{"is_request_satisfied": {"answer": %s, "reason": "r"}, "is_progress_being_made": {"answer": true, "reason": "r"},'
        '"is_in_loop": {"answer": false, "reason": "r"}, "instruction_or_question": {"answer": "do it", "reason": "r"},'
        '"next_speaker": {"answer": "worker", "reason": "r"}}'
    )
    model = ReplayChatCompletionClient(["facts", "plan", ledger % "false", ledger % "true", "all is done"])
    team = MagenticOneGroupChat([worker], model_client=model, runtime=runtime)
    result = await team.run(task="go")
    assert "done it" in [message.to_text() for message in result.messages]
    assert result.messages[-1].to_text() == "all is done"
    await runtime.stop_when_idle()
