"""The copy of a result that goes to the inbox of whoever asked: best effort, the stored result is the one that counts."""

import logging

from nats.errors import Error as NatsError

from bus.errors import Disconnected
from bus.quick_client import QuickClient
from schemas import MSGPACK, TaskResult, encode

log = logging.getLogger(__name__)


def reply(client: QuickClient, reply_to: str | None, result: TaskResult, content_type: str) -> None:
    """Send `result` to `reply_to`, if there is one, encoded as the task was; a copy that cannot be sent is in the log."""
    if reply_to is None:
        return
    headers = {"Content-Type": MSGPACK} if content_type == MSGPACK else None
    try:
        client.post(reply_to, encode(result, content_type), headers=headers)
    except (Disconnected, NatsError, OverflowError) as error:  # MessagePack has no integers beyond 64 bits, JSON has
        log.warning("could not reply to %s: %s", reply_to, error)
