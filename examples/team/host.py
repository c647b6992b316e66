"""A process that has one of the team: `python host.py writer`. Any number may have the same one; Ctrl-C ends it."""

import asyncio
import contextlib
import os
import sys

from casting import make

from bus.agent_runtime import NatsAgentRuntime
from bus.agents.chat import host_chat_agent


async def main(name: str) -> None:
    """Host the agent until we are interrupted."""
    runtime = NatsAgentRuntime(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    await host_chat_agent(runtime, name, lambda: make(name))
    await host_chat_agent(runtime, f"{name}_in_swarm", lambda: make(name, hands_over=True))
    await runtime.start()
    print(f"{name} is in process {os.getpid()}", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await runtime.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(sys.argv[1]))
