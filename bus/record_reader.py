"""Reading the ledger's entries exactly as they are stored, in order, many at a time.

A short-lived consumer delivers each message with the header block that is stored and the time of storing in nanoseconds.
A direct get does not: the server writes lines of its own into the header block, and takes the end off one that is not
well-formed. So everything that is hashed is read here, whoever reads it.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress

import msgspec
from nats.aio.subscription import Subscription

from bus.errors import JetStreamError, RequestTimeout, SanctuaryError
from bus.jetstream import NO_MESSAGE_FOUND, api
from bus.ledger import last_sequence
from bus.network import Network
from bus.records import Record
from bus.requests import DEFAULT_TIMEOUT_S

BATCH = 2000
"""Entries that are asked for at once; two batches are under way."""
BATCH_BYTES = 8 * 1024 * 1024
"""How large a batch may grow, unless the server takes larger messages than that."""
_ENVELOPE_BYTES = 64 * 1024
"""What the server counts of a message beside its payload: its subjects."""
_INACTIVE_S = 30.0
"""The server drops a reader's consumer this long after its last word."""
_FRUITLESS = 3
"""How often in a row the server may say that there is more and then send nothing."""


async def records(
    network: Network, start: int, end: int | None = None, *, subject: str | None = None
) -> AsyncGenerator[list[Record], None]:
    """Yield the ledger's entries from the sequence `start` up to `end`, or to the last there is now, in order, in batches.

    With `subject`, which may have wildcards, only those on it. Sequences that the ledger does not hold are left out. Memory holds
    two batches, whatever the ledger's length.

    Raises:
        JetStreamError: the server refused.
        RequestTimeout, NoResponders, Disconnected: the ledger does not answer, or the connection broke meanwhile.
    """
    last = await last_sequence(network) if end is None else end
    following = max(1, start)
    fruitless = 0
    while following <= last and fruitless < _FRUITLESS:
        reader = _Reader(network, following, last, subject)
        began = following
        try:
            await reader.open()
            async for batch in reader.batches():
                following = batch[-1].sequence + 1
                wanted = [each for each in batch if each.sequence <= last] if following > last + 1 else batch
                if wanted:
                    yield wanted
        finally:
            await reader.close()
        if following <= last:
            if not await _is_there(network, following, subject):
                return
            # A consumer's count of what waits for it is wrong now and then; a fresh one goes on where it ended.
            fruitless = 0 if following > began else fruitless + 1
    if fruitless:
        raise RequestTimeout(f"the server announces entries of {network.subjects.ledger} and does not send them")


async def _is_there(network: Network, following: int, subject: str | None) -> bool:
    """Tell whether the ledger holds an entry of this sequence or a later one, on `subject`, by the word of the stream's leader."""
    body = {"seq": following, "next_by_subj": subject or ">"}
    try:
        await api(network.requester, f"STREAM.MSG.GET.{network.subjects.ledger}", body)
    except JetStreamError as error:
        if error.err_code == NO_MESSAGE_FOUND:
            return False
        raise
    return True


async def record(network: Network, sequence: int) -> Record | None:
    """Return the entry number `sequence`, or None where the ledger does not hold it; raises as `records`."""
    async for batch in records(network, sequence, sequence):
        return batch[0]
    return None


class _Reader:
    """One consumer of the ledger, from a sequence on, and the requests to it."""

    def __init__(self, network: Network, start: int, end: int, subject: str | None) -> None:
        self._network = network
        self._start = start
        self._end = end
        self._subject = subject
        self._client = network.client
        self._stream = network.subjects.ledger
        self._name = f"reader_{secrets.token_hex(8)}"
        self._inbox = self._client.new_inbox()
        self._subscription: Subscription | None = None
        self._forget: Callable[[], None] | None = None
        self._arrived: list[Record] = []
        self._requests: dict[bytes, int] = {}
        """How many entries each request under way still has to bring, by its token, oldest first."""
        self._sent = 0
        self._last = start - 1
        """The sequence that came last."""
        self._delivered = 0
        self._changed = asyncio.Event()
        self._error: SanctuaryError | None = None

    async def open(self) -> None:
        """Make the consumer."""
        self._forget = self._network.on_reconnect(self._on_reconnect)
        self._subscription = await self._client.listen_raw(f"{self._inbox}.*", self._on_message)
        config = {
            "name": self._name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._start,
            "ack_policy": "none",
            "replay_policy": "instant",
            "inactive_threshold": round(_INACTIVE_S * 1e9),
            "num_replicas": 1,
            "mem_storage": True,
        }
        if self._subject is not None:
            config["filter_subject"] = self._subject
        await api(
            self._network.requester,
            f"CONSUMER.CREATE.{self._stream}.{self._name}",
            {"stream_name": self._stream, "config": config, "action": "create"},
        )

    async def close(self) -> None:
        """Remove the consumer; where that fails, the server does it later."""
        if self._forget is not None:
            self._forget()
        if self._subscription is not None and not self._client.is_closed and not self._client.is_draining:
            await self._subscription.unsubscribe()
        with suppress(SanctuaryError):
            await api(self._network.requester, f"CONSUMER.DELETE.{self._stream}.{self._name}")

    async def batches(self) -> AsyncIterator[list[Record]]:
        """Yield what comes, up to the end, or until the server ends a request without having sent anything."""
        while self._last < self._end:
            self._ask()
            requests = len(self._requests)
            if not requests:
                return
            while len(self._requests) == requests:
                await self._change()
            batch, self._arrived = self._arrived, []
            if not batch:
                return
            yield batch

    def _ask(self) -> None:
        """Have two requests under way, for as much as there is."""
        most_bytes = max(BATCH_BYTES, self._network.max_payload + _ENVELOPE_BYTES)
        while len(self._requests) < 2:
            under_way = sum(self._requests.values())
            wanted = min(BATCH, self._end - self._last - under_way)
            if wanted <= 0:
                return
            body = {"batch": wanted, "no_wait": True, "max_bytes": most_bytes}
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._name}"
            token = str(self._sent)
            self._client.post(subject, msgspec.json.encode(body), reply=f"{self._inbox}.{token}")
            self._requests[token.encode()] = wanted
            self._sent += 1

    async def _change(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(DEFAULT_TIMEOUT_S):
                await self._changed.wait()
        except TimeoutError:
            raise RequestTimeout(f"the server stopped sending entries of {self._stream}") from None
        if self._error is not None:
            raise self._error

    def _on_reconnect(self) -> None:
        self._error = RequestTimeout(f"the connection broke while {self._stream} was read")
        self._changed.set()

    def _on_message(self, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        """Take an entry, whose reply subject says where it stands (ADR-15), or the server's word that a request is over (ADR-13)."""
        tokens = reply.split(b".")
        if len(tokens) < 9:
            self._requests.pop(subject.rpartition(b".")[2], None)
            self._changed.set()
            return
        base = 5 if len(tokens) == 9 else 7
        self._delivered += 1
        if int(tokens[base + 1]) != self._delivered:
            self._error = RequestTimeout(f"entries of {self._stream} were lost on the way")
            self._changed.set()
            return
        self._last = int(tokens[base])
        self._arrived.append(
            Record(self._last, int(tokens[base + 2]), subject.decode("utf-8", "surrogateescape"), headers, data)
        )
        oldest = next(iter(self._requests), None)
        if oldest is not None:
            self._requests[oldest] -= 1
            if not self._requests[oldest]:
                del self._requests[oldest]
                self._changed.set()
