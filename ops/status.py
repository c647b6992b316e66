"""Asking the network who is there."""

import asyncio

from nats.aio.msg import Msg

from bus.network import Network
from schemas import SchemaError, StatusQuery, StatusResponse, decode, encode

QUIET_S = 0.3
"""Answers are complete when none has come for this long."""
LONGEST_S = 2.0


async def ask(network: Network, clone: str | None = None) -> list[StatusResponse]:
    """Return the answers of all instances (of `clone`) that answer soon, in the order of their names."""
    answers: list[StatusResponse] = []
    heard = asyncio.Event()

    async def on_answer(message: Msg) -> None:
        heard.set()
        try:
            answers.append(decode(StatusResponse, message.data))
        except SchemaError:
            return  # no responders, or an instance of another version that answers otherwise

    inbox = network.client.new_inbox()
    subscription = await network.client.subscribe(inbox, cb=on_answer)
    try:
        await network.client.publish(network.subjects.status(clone), encode(StatusQuery()), reply=inbox)
        async with asyncio.timeout(LONGEST_S):
            while True:
                heard.clear()
                async with asyncio.timeout(QUIET_S):
                    await heard.wait()
    except TimeoutError:
        pass
    finally:
        await subscription.unsubscribe()
    return sorted(answers, key=lambda answer: (answer.clone, answer.instance))
