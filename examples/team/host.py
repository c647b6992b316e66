"""A process that has one of the team: `python host.py writer`. Any number may have the same one; Ctrl-C ends it."""

import argparse
import asyncio
import os
import signal
import sys

from casting import WORDS, make

from bus.agent_runtime import NatsAgentRuntime
from bus.agents.chat import host_chat_agent
from bus.errors import SanctuaryError


async def main(name: str) -> None:
    """Host the agent until we are told to end."""
    end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    runtime = NatsAgentRuntime(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    try:
        await host_chat_agent(runtime, name, lambda: make(name))
        await host_chat_agent(runtime, f"{name}_in_swarm", lambda: make(name, hands_over=True))
        await runtime.start()
        print(f"{name} is in process {os.getpid()}", flush=True)
        await end.wait()
    except SanctuaryError as error:
        sys.exit(str(error))
    finally:
        await runtime.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=WORDS)
    asyncio.run(main(parser.parse_args().name))
