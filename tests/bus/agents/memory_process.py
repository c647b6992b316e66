"""A worker that keeps states: `python -m tests.bus.agents.memory_process URL SEED INBOX NAMESPACE [TOPIC...]`.

Says `ready`, then serves.
"""

import asyncio
import sys
from pathlib import Path

from autogen_core import TypeSubscription

from bus.agent_runtime import NatsAgentRuntime
from bus.settings import ConnectionSettings
from tests.bus.agents.memory import Memory


async def main(url: str, seed: str, inbox: str, namespace: str, *topics: str) -> None:
    settings = ConnectionSettings(servers=(url,), source="the test", nkey=Path(seed), inbox_prefix=inbox)
    runtime = NatsAgentRuntime(settings, namespace=namespace, keep_state=True)
    await runtime.start()
    await Memory.register(runtime, "memory", Memory)
    for topic in topics:
        await runtime.add_subscription(TypeSubscription(topic, "memory"))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
