"""Reading the ledger by direct gets: one entry by its sequence, and entries of a subject in order, or newest first."""

from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime

import msgspec

from bus.errors import JetStreamError
from bus.jetstream import BATCH_BYTES, StoredMessage, api, stored
from bus.network import Network
from bus.requests import Requester

BATCH = 256
WINDOW = 512
"""Sequences that are read at once when reading newest first; windows that hold little are doubled."""
LARGEST_WINDOW = 65_536
LAST_SEQUENCE = 2**64 - 1
KEPT = 1024
"""Entries in memory at once when reading newest first."""


async def entry(network: Network, sequence: int) -> StoredMessage | None:
    """Return the ledger's entry number `sequence`, or None where there is none.

    Raises:
        JetStreamError, RequestTimeout, NoResponders, Disconnected: nothing could be read.
    """
    if not 0 < sequence <= LAST_SEQUENCE:
        # Whoever asks for an id, or writes an event, chooses the number; the server refuses these.
        return None
    subject = f"$JS.API.DIRECT.GET.{network.subjects.ledger}"
    return stored(await network.requester.request(subject, msgspec.json.encode({"seq": sequence})))


async def first_of(network: Network, subject: str, *, start: int = 1) -> StoredMessage | None:
    """Return the oldest entry on `subject` from the sequence `start` on, or None where there is none; raises as `entry`."""
    body = {"seq": start, "next_by_subj": subject}
    get = f"$JS.API.DIRECT.GET.{network.subjects.ledger}"
    return stored(await network.requester.request(get, msgspec.json.encode(body)))


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


async def extent(network: Network) -> tuple[int, int]:
    """Return the first entry's sequence that the ledger holds, or will hold, and the newest one's; 0: it never had any.

    Raises:
        JetStreamError, RequestTimeout, NoResponders, Disconnected: the ledger does not answer, or is not there.
    """
    state = (await api(network.requester, f"STREAM.INFO.{network.subjects.ledger}"))["state"]
    return int(state["first_seq"]), int(state["last_seq"])


async def first_sequence(network: Network) -> int:
    """Return the first entry's sequence that the ledger holds, or will hold; raises as `extent`."""
    first, _ = await extent(network)
    return first


async def last_sequence(network: Network) -> int:
    """Return the newest entry's sequence; 0: the ledger never had any; raises as `extent`."""
    _, last = await extent(network)
    return last


async def subjects_of(network: Network, wildcard: str) -> AsyncIterator[Mapping[str, int]]:
    """Yield the subjects that the ledger holds below `wildcard`, each with how many entries, as many at a time as the server tells.

    Raises as `entry`.
    """
    told = 0
    while True:
        body = {"subjects_filter": wildcard, "offset": told}
        info = await api(network.requester, f"STREAM.INFO.{network.subjects.ledger}", body, timeout_s=10)
        page = info["state"].get("subjects") or {}
        yield page
        told += len(page)
        if not page or told >= info.get("total", 0):
            return


async def newest_first(
    network: Network, subjects: Sequence[str], *, before: int, least: int = 1
) -> AsyncIterator[StoredMessage]:
    """Yield the entries on `subjects` (wildcards allowed) from the sequence `least` to below `before`, newest first; raises as `entry`.

    Memory is bounded whatever the ledger's length.
    """
    end = before - 1
    window = WINDOW
    while end >= least:
        start = max(least, end - window + 1)
        found: list[StoredMessage] = []
        for subject in subjects:
            kept, overflowed = await _newest(network, subject, start, end)
            if overflowed:
                start = max(start, kept[0].sequence)
            found += kept
        found = sorted((message for message in found if message.sequence >= start), key=lambda each: -each.sequence)
        for message in found:
            yield message
        end = start - 1
        window = min(LARGEST_WINDOW, window * 2) if len(found) < window // 8 else WINDOW


async def _newest(network: Network, subject: str, start: int, end: int) -> tuple[deque[StoredMessage], bool]:
    """Return the newest entries between two sequences, oldest first, and whether there are more than are kept."""
    kept: deque[StoredMessage] = deque(maxlen=KEPT)
    overflowed = False
    async for message in entries(network, subject, start=start):
        if message.sequence > end:
            break
        overflowed = overflowed or len(kept) == KEPT
        kept.append(message)
    return kept, overflowed
