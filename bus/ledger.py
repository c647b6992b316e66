"""Reading the ledger by direct gets: one entry by its sequence, and entries of a subject in order."""

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from bus.errors import JetStreamError
from bus.jetstream import StoredMessage, stored
from bus.network import Network
from bus.requests import Requester

BATCH = 256
BATCH_BYTES = 4 * 1024 * 1024


async def entry(network: Network, sequence: int) -> StoredMessage | None:
    """Return the ledger's entry number `sequence`, or None where there is none.

    Raises:
        JetStreamError, RequestTimeout, NoResponders, Disconnected: nothing could be read.
    """
    subject = f"$JS.API.DIRECT.GET.{network.subjects.ledger}"
    return stored(await network.requester.request(subject, msgspec.json.encode({"seq": sequence})))


async def entries(network: Network, subject: str, *, start: int | datetime = 1) -> AsyncIterator[StoredMessage]:
    """Yield the ledger's entries on `subject` (wildcards allowed) from a sequence or time on, in order, to the present end.

    Reads batches (ADR-31), so that any length takes bounded memory; raises as `entry`.
    """
    async for message in stream_entries(network.requester, network.subjects.ledger, subject, start=start):
        yield message


async def stream_entries(
    requester: Requester, stream: str, subject: str, *, start: int | datetime = 1
) -> AsyncIterator[StoredMessage]:
    """As `entries`, of any stream that allows direct gets."""
    get = f"$JS.API.DIRECT.GET.{stream}"
    while True:
        first = {"start_time": start} if isinstance(start, datetime) else {"seq": start}
        body = {"batch": BATCH, "max_bytes": BATCH_BYTES, "next_by_subj": subject, **first}
        answers = await requester.collect(get, msgspec.json.encode(body))
        end = answers.pop().headers or {}
        if end.get("Status") not in ("204", "404"):
            raise JetStreamError(end.get("Description", "the batch was refused"), err_code=int(end.get("Status", 0)))
        for answer in answers:
            message = stored(answer)
            if message is not None:
                start = message.sequence + 1
                yield message
        if end.get("Nats-Num-Pending", "0") == "0" or not answers:
            return
