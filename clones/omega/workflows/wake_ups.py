"""What has a run of a workflow go on: its start, stored anew under its id with a mark that says so."""

from bus.intake import WAKE_UP
from bus.jetstream import publish
from bus.ledger import entry
from bus.network import Network
from schemas import MSGPACK, WorkflowStart, encode


def mark_of(nonce: str) -> str:
    """Return the mark of the wake-up that was stored for what only its author knows."""
    return f"{WAKE_UP}.{nonce}"


async def wake_up(network: Network, start: WorkflowStart, *, driven: int) -> tuple[bytes, dict[str, str]]:
    """Return a run's start as it is stored anew, and its headers: it is answered as it was asked.

    `driven` is the ledger sequence of the message under which the run was driven until now.

    Raises:
        SanctuaryError: that message could not be read.
    """
    if start.reply_to is not None:
        message = await entry(network, driven)
        if message is not None and message.headers.get("Content-Type") == MSGPACK:
            return encode(start, MSGPACK), {"Content-Type": MSGPACK}
    return encode(start), {}


async def store_wake_up(network: Network, subject: str, start: WorkflowStart, *, mark: str, driven: int) -> None:
    """Store a run's wake-up, once for each `mark` within two minutes.

    Raises:
        SanctuaryError: it was not stored, or the server did not say so.
    """
    body, headers = await wake_up(network, start, driven=driven)
    await publish(network.requester, subject, body, headers={**headers, "Nats-Msg-Id": mark})
