"""A runtime for faults to happen to: `python -m tests.faults.durable_worker URL SEED INBOX NAMESPACE JOURNAL ROLE...`.

Roles: `hosts` agents of the type `reader`, which write what they get to the journal, a line each, before they handle it;
`subscribes` that type to the durable topic `orders`, and so stands for delivering it. Says its name, then `ready`, then serves.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from autogen_core import MessageContext, RoutedAgent, TypeSubscription, event

from bus.agent_runtime import NatsAgentRuntime
from bus.settings import ConnectionSettings
from tests.bus.agents.cast import Note

HANDLING_S = 0.005
POISON = "poison"
"""A note to it kills the process that handles it."""


async def main(url: str, seed: str, inbox: str, namespace: str, journal: str, *roles: str) -> None:
    descriptor = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    class Reader(RoutedAgent):
        def __init__(self) -> None:
            super().__init__("reads")

        @event
        async def note(self, message: Note, ctx: MessageContext) -> None:
            if message.to == POISON:
                os.kill(os.getpid(), signal.SIGKILL)
            os.write(descriptor, f"{self.id.key} {message.number}\n".encode())
            await asyncio.sleep(HANDLING_S)

    settings = ConnectionSettings(servers=(url,), source="the test", nkey=Path(seed), inbox_prefix=inbox)
    runtime = NatsAgentRuntime(settings, namespace=namespace)
    sys.stdout.write(f"{runtime._node.session.worker}\n")
    sys.stdout.flush()
    await runtime.start()
    if "hosts" in roles:
        await Reader.register(runtime, "reader", Reader, skip_class_subscriptions=True)
    if "subscribes" in roles:
        await runtime.add_subscription(TypeSubscription("orders", "reader"))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
