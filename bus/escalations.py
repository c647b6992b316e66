"""Escalations: stored where Omega and people find them, and told to whoever waits for the task."""

import logging
import traceback

from nats.errors import Error as NatsError

from bus.errors import Disconnected
from bus.intake import is_inbox
from bus.jetstream import once, publish
from bus.network import Network
from bus.task import printable
from schemas import ErrorEscalation, encode

TRACEBACK_CHARS = 8000

log = logging.getLogger(__name__)


async def escalate(network: Network, escalation: ErrorEscalation, *, reply_to: str | None) -> None:
    """Store `escalation`, then send a copy to the task's `reply_to`, best effort and to inboxes only.

    The same escalation sent again, after an answer that did not come, is stored once.

    Raises:
        SanctuaryError: it was not stored, or the server did not say so.
    """
    body = encode(escalation)
    subject = network.subjects.escalation(escalation.severity, escalation.clone)
    await publish(network.requester, subject, body, headers=once("escalation", body))
    tell(network, body, reply_to=reply_to)


def tell(network: Network, body: bytes, *, reply_to: str | None) -> None:
    """Send a copy of an escalation that is stored to a task's `reply_to`, best effort and to inboxes only."""
    if reply_to is not None and is_inbox(reply_to):
        try:
            network.client.post(reply_to, body)
        except (Disconnected, NatsError) as error:
            log.warning("could not tell %s of an escalation: %s", reply_to, error)


def last_lines(error: BaseException) -> str:
    """Return the end of an exception's traceback, as an escalation has it."""
    return printable("".join(traceback.format_exception(error))[-TRACEBACK_CHARS:])
