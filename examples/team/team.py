"""A team whose writer and critic are in other processes: `python team.py round-robin`, or `selector`, or `swarm`."""

import argparse
import asyncio
import os
import sys
import uuid

from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat, Swarm
from autogen_agentchat.ui import Console
from autogen_core import AgentRuntime
from autogen_ext.models.replay import ReplayChatCompletionClient
from casting import make

from bus.agent_runtime import NatsAgentRuntime
from bus.agents.chat import remote_chat_agent
from bus.agents.errors import RecipientNotFound
from bus.errors import SanctuaryError


async def form(kind: str, runtime: AgentRuntime) -> RoundRobinGroupChat | SelectorGroupChat | Swarm:
    """Return the team. The editor is here; the other two wherever somebody hosts them."""
    suffix = "_in_swarm" if kind == "swarm" else ""
    # Agents of their own for each run: those that a key names remember what was said to them.
    key = uuid.uuid4().hex
    writer = await remote_chat_agent(runtime, f"writer{suffix}", key)
    critic = await remote_chat_agent(runtime, f"critic{suffix}", key)
    editor = make("editor", hands_over=kind == "swarm")
    end = TextMentionTermination("APPROVED") | MaxMessageTermination(20)
    if kind == "round-robin":
        return RoundRobinGroupChat([writer, editor, critic], runtime=runtime, termination_condition=end)
    if kind == "swarm":
        return Swarm([writer, editor, critic], runtime=runtime, termination_condition=end)
    chooses = ReplayChatCompletionClient(["writer", "critic", "writer", "critic"])
    return SelectorGroupChat([writer, editor, critic], chooses, runtime=runtime, termination_condition=end)


async def main(kind: str) -> None:
    """Have the team write a sentence."""
    runtime = NatsAgentRuntime(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    try:
        await runtime.start()
        team = await form(kind, runtime)
        await Console(team.run_stream(task="A sentence about agents, please."))
        await runtime.stop_when_idle()
    except RecipientNotFound as error:
        sys.exit(f"{error}. Start one with: python host.py NAME")
    except SanctuaryError as error:
        sys.exit(str(error))
    finally:
        await runtime.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("round-robin", "selector", "swarm"))
    asyncio.run(main(parser.parse_args().kind))
