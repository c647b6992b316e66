"""A process with one chat agent: `python -m tests.bus.agents.seat_process URL SEED INBOX NAMESPACE NAME HANDOFF REPLY...`."""

import asyncio
import sys
from pathlib import Path

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import ChatAgent
from autogen_ext.models.replay import ReplayChatCompletionClient

from bus.agent_runtime import NatsAgentRuntime
from bus.agents.chat import host_chat_agent
from bus.settings import ConnectionSettings
from tests.bus.agents.handing import HandsOver


async def main(*arguments: str) -> None:
    url, seed, inbox, namespace, name, handoff, *replies = arguments
    settings = ConnectionSettings(servers=(url,), source="the test", nkey=Path(seed), inbox_prefix=inbox)
    runtime = NatsAgentRuntime(settings, namespace=namespace)
    await runtime.start()

    def make() -> ChatAgent:
        if handoff:
            return HandsOver(name, handoff)
        return AssistantAgent(name, ReplayChatCompletionClient(replies), description=f"{name} at a distance")

    await host_chat_agent(runtime, name, make)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
