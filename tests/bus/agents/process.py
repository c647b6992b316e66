"""A worker process: `python -m tests.bus.agents.process URL SEED INBOX NAMESPACE TYPE [TOPIC...]`. Says `ready`, then serves."""

import asyncio
import sys
from pathlib import Path

from bus.agent_runtime import NatsAgentRuntime
from bus.settings import ConnectionSettings
from tests.bus.agents.cast import take_worker


async def main(url: str, seed: str, inbox: str, namespace: str, agent_type: str, *topics: str) -> None:
    settings = ConnectionSettings(servers=(url,), source="the test", nkey=Path(seed), inbox_prefix=inbox)
    runtime = NatsAgentRuntime(settings, namespace=namespace)
    await runtime.start()
    await take_worker(runtime, agent_type, *topics)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
