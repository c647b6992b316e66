"""Takes messages from a durable consumer by hand, as a worker would, and answers for them."""

from dataclasses import dataclass

import msgspec

from bus.jetstream import publish
from bus.network import Network
from bus.topology import PRIORITY_GROUP
from tests.bus.eventually import WITHIN_S
from tests.bus.rig import TYPE


@dataclass(frozen=True)
class Taken:
    """A delivered message."""

    sequence: int
    delivered: int
    ack_subject: str


async def store(network: Network, *bodies: bytes, subject: str | None = None) -> list[int]:
    """Store tasks and return their ledger sequences."""
    return [
        (await publish(network.requester, subject or network.subjects.task(TYPE), body)).seq
        for body in bodies or (b"{}",)
    ]


async def take(network: Network, consumer: str, count: int = 1, *, wait_s: float = WITHIN_S) -> list[Taken]:
    """Take up to `count` messages; fewer where no more come within `wait_s`, which only who expects none makes short."""
    body = {"batch": count, "expires": round(wait_s * 1e9), "group": PRIORITY_GROUP}
    inbox = network.client.new_inbox()
    subscription = await network.client.subscribe(inbox)
    subject = f"$JS.API.CONSUMER.MSG.NEXT.{network.subjects.ledger}.{consumer}"
    await network.client.publish(subject, msgspec.json.encode(body), reply=inbox)
    taken: list[Taken] = []
    while len(taken) < count:
        message = await subscription.next_msg(timeout=wait_s + WITHIN_S)
        if not message.reply.startswith("$JS.ACK."):
            break
        tokens = message.reply.split(".")
        taken.append(Taken(int(tokens[5]), int(tokens[4]), message.reply))
    await subscription.unsubscribe()
    return taken


async def answer(network: Network, taken: Taken, body: bytes) -> None:
    """Say something about a message, and wait until the server has heard it."""
    await network.requester.request(taken.ack_subject, body)
