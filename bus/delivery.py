"""One delivered task: what the server says about it, and the four answers it takes."""

from datetime import UTC, datetime

import msgspec
from nats.aio.msg import Msg

from bus.jetstream import StoredMessage
from bus.quick_client import QuickClient
from schemas import JSON, MSGPACK

ACK = b"+ACK"
IN_PROGRESS = b"+WPI"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the ledger, delivered to this worker under a lease that other workers respect for `ACK_WAIT_S` seconds."""

    subject: str
    data: bytes
    headers: dict[str, str]
    ack_subject: str
    consumer: str
    sequence: int
    """In the ledger."""
    stored_at_s: float
    """Unix time at which the ledger stored it."""
    delivered: int
    """How often the server has delivered it; not how often it was executed (see `bus.attempts`)."""
    pending: int = 0
    """How many tasks of the consumer were still waiting when the server sent this one."""

    @property
    def content_type(self) -> str:
        """How the body is encoded, and how the publisher wants its answer."""
        return MSGPACK if self.headers.get("Content-Type") == MSGPACK else JSON

    @property
    def mark(self) -> str:
        """The `Nats-Msg-Id` that it was stored with; empty: none."""
        return self.headers.get("Nats-Msg-Id", "")

    @property
    def stored_at(self) -> datetime:
        """When the ledger stored it."""
        return datetime.fromtimestamp(self.stored_at_s, UTC)


def parse(message: Msg) -> Delivery | None:
    """Return the delivery in a message on a pull's inbox, or None where it is a status.

    The acknowledgement subject is `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>`,
    or the form with domain and account hash before the stream (ADR-15).
    """
    tokens = message.reply.split(".")
    if len(tokens) < 9 or tokens[0] != "$JS" or tokens[1] != "ACK":
        return None
    base = 2 if len(tokens) == 9 else 4
    return Delivery(
        subject=message.subject,
        data=message.data,
        headers=message.headers or {},
        ack_subject=message.reply,
        consumer=tokens[base + 1],
        delivered=int(tokens[base + 2]),
        sequence=int(tokens[base + 3]),
        stored_at_s=int(tokens[base + 5]) / 1e9,
        pending=int(tokens[base + 6]),
    )


def from_ledger(message: StoredMessage) -> Delivery:
    """Return an entry that was read, not delivered, in the form in which tasks are read; there is nothing to acknowledge."""
    return Delivery(
        subject=message.subject,
        data=message.data,
        headers=message.headers,
        ack_subject="",
        consumer="",
        sequence=message.sequence,
        stored_at_s=message.stored_at.timestamp(),
        delivered=1,
    )


def acknowledge(client: QuickClient, delivery: Delivery) -> None:
    """Tell the server that the task is settled. A lost acknowledgement costs a redelivery, which the stored result answers.

    Raises:
        Disconnected: nothing was sent.
    """
    client.post(delivery.ack_subject, ACK)


def hand_back(client: QuickClient, delivery: Delivery, delay_s: float = 0.0) -> None:
    """Return the task to the queue, for whoever is free after `delay_s` seconds.

    Raises:
        Disconnected: nothing was sent; the task is delivered again when its lease ends.
    """
    body = b"-NAK " + msgspec.json.encode({"delay": round(delay_s * 1e9)}) if delay_s > 0 else b"-NAK"
    client.post(delivery.ack_subject, body)
