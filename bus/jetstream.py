"""The few JetStream requests that the bus is made of: the management API, stored publishes, and direct reads.

nats-py covers most of them, but drops fields that the bus needs (priority groups) and never fails the future of an
asynchronous publish that the server refused; see the JetStream wire API reference for the subjects and error codes.
"""

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from nats.aio.msg import Msg

from bus.errors import JetStreamError, NotStored, SlotTaken, StorageFull
from bus.requests import DEFAULT_TIMEOUT_S, Requester, server_status


class PubAck(msgspec.Struct, frozen=True):
    """The server's word that a message is stored."""

    stream: str
    seq: int
    duplicate: bool = False
    """The same `Nats-Msg-Id` was stored before, under `seq`; nothing was stored now."""
    count: int = 0
    """How many messages an atomic batch stored, the last of them under `seq`; 0 for a single message."""


class _ApiError(msgspec.Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _PubAnswer(msgspec.Struct, frozen=True):
    stream: str = ""
    seq: int = 0
    duplicate: bool = False
    count: int = 0
    error: _ApiError | None = None


class StoredMessage(msgspec.Struct, frozen=True):
    """A message as the stream holds it."""

    subject: str
    sequence: int
    stored_at: datetime
    data: bytes
    headers: dict[str, str]


_decode_pub_answer = msgspec.json.Decoder(_PubAnswer).decode
_decode_time = msgspec.json.Decoder(datetime).decode

BATCH_BYTES = 4 * 1024 * 1024
"""How large the answer to one direct get may grow, but for its last message: the server hangs up on who leaves 64 MB unread."""

# https://github.com/nats-io/nats-server/blob/main/server/errors.json
STREAM_NOT_FOUND = 10059
CONSUMER_NOT_FOUND = 10014
NO_MESSAGE_FOUND = 10037
WRONG_LAST_SEQUENCE = 10071
"""The subject's newest message is another one than `Nats-Expected-Last-Subject-Sequence` says."""
_STREAM_STORE_FAILED = 10077
_STORAGE_ERRORS = {10047, 10028, 10023}
"""Insufficient storage resources, storage limits exceeded, insufficient resources."""


async def api(
    requester: Requester, subject: str, body: Any = None, *, timeout_s: float = DEFAULT_TIMEOUT_S
) -> dict[str, Any]:
    """Call `$JS.API.<subject>` and return its answer.

    Raises:
        JetStreamError: the server refused; `err_code` says why.
        RequestTimeout, NoResponders, Disconnected: as of Requester.request.
    """
    payload = b"" if body is None else msgspec.json.encode(body)
    answer = await requester.request(f"$JS.API.{subject}", payload, timeout_s=timeout_s)
    decoded: dict[str, Any] = msgspec.json.decode(answer.data)
    if "error" in decoded:
        error = msgspec.convert(decoded["error"], _ApiError)
        raise JetStreamError(error.description, err_code=error.err_code)
    return decoded


def pub_ack(answer: Msg) -> PubAck:
    """Return the acknowledgement in the answer to a stored publish; raises as `publish` where it is a refusal."""
    try:
        decoded = _decode_pub_answer(answer.data)
    except msgspec.DecodeError:
        raise NotStored(f"{answer.subject} was not answered by a stream") from None
    if decoded.error is None:
        return PubAck(decoded.stream, decoded.seq, decoded.duplicate, decoded.count)
    description, err_code = decoded.error.description, decoded.error.err_code
    if err_code == _STREAM_STORE_FAILED and "per subject" in description:
        raise SlotTaken(description)
    if err_code in _STORAGE_ERRORS or (err_code == _STREAM_STORE_FAILED and "maximum" in description):
        raise StorageFull(f"nothing was stored, as there is no room ({description}): send it again when some was made")
    raise JetStreamError(description, err_code=err_code)


async def publish(
    requester: Requester,
    subject: str,
    payload: bytes,
    *,
    headers: dict[str, str] | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> PubAck:
    """Store a message and return the server's acknowledgement.

    Raises:
        SlotTaken: the subject holds its one message already.
        StorageFull: the stream, the account or the disk is full; nothing was stored.
        JetStreamError: the server refused for another reason; nothing was stored.
        RequestTimeout: whether it was stored is unknown.
        NoResponders, Disconnected: nothing was stored.
    """
    return pub_ack(await requester.request(subject, payload, headers=headers, timeout_s=timeout_s))


def once(kind: str, body: bytes) -> dict[str, str]:
    """Return the headers with which `body` is stored once, however often it is sent within two minutes.

    Nobody can use the mark up beforehand who does not know all of `body`; `kind` tells apart what it is.
    """
    return {"Nats-Msg-Id": f"{kind}.{hashlib.sha256(body).hexdigest()}"}


async def last_of(
    requester: Requester, stream: str, subject: str, *, timeout_s: float = DEFAULT_TIMEOUT_S
) -> StoredMessage | None:
    """Return the newest stored message of one exact subject by direct get (ADR-31), or None where there is none.

    Raises:
        JetStreamError: the server refused.
        RequestTimeout, NoResponders, Disconnected: as of Requester.request; without the stream nobody answers.
    """
    return stored(await requester.request(f"$JS.API.DIRECT.GET.{stream}.{subject}", timeout_s=timeout_s))


async def last_of_each(
    requester: Requester, stream: str, subjects: Collection[str], *, timeout_s: float = DEFAULT_TIMEOUT_S
) -> dict[str, StoredMessage]:
    """Return the newest stored message of each of up to 1024 exact subjects that has one (ADR-31); raises as `last_of`."""
    found: dict[str, StoredMessage] = {}
    wanted = list(subjects)
    while True:
        body = msgspec.json.encode({"multi_last": wanted, "batch": len(wanted), "max_bytes": BATCH_BYTES})
        answers = await requester.collect(f"$JS.API.DIRECT.GET.{stream}", body, timeout_s=timeout_s)
        end = answers.pop().headers or {}
        if end.get("Status") not in ("204", "404"):
            raise JetStreamError("the direct get was refused", err_code=int(end.get("Status", 0)))
        found |= {message.subject: message for answer in answers if (message := stored(answer)) is not None}
        if not answers or end.get("Nats-Num-Pending", "0") == "0":
            return found
        # The server ends a batch early where it grows large; the rest is asked for anew.
        wanted = [subject for subject in wanted if subject not in found]


def stored(answer: Msg) -> StoredMessage | None:
    """Return the message in the answer to a direct get, or None where it says that there is none."""
    headers = answer.headers or {}
    status = server_status(answer)
    if status == "404":
        return None
    if status is not None:
        raise JetStreamError(headers.get("Description", "the direct get was refused"), err_code=int(status))
    return StoredMessage(
        subject=headers["Nats-Subject"],
        sequence=int(headers["Nats-Sequence"]),
        stored_at=_decode_time(b'"%s"' % headers["Nats-Time-Stamp"].encode()),
        data=answer.data,
        headers=headers,
    )
