"""Key-value buckets that `nats kv` reads (ADR-8), of one value a key: made, read as they change, and written by compare-and-set."""

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from bus.errors import JetStreamError, NoResponders
from bus.jetstream import StoredMessage, api, last_of, publish
from bus.ledger import stream_entries
from bus.requests import DEFAULT_TIMEOUT_S, Requester

FORGOTTEN = "3600s"
"""How long it is still told that a key was deleted: whoever follows the bucket hears of it, and the server forgets it then."""

_WRONG_SEQUENCE = (10071, 10164)
"""Wrong last sequence (of the subject)."""
_IN_USE = 10058
"""A stream of this name exists with another configuration."""
_DELETED = {"KV-Operation": "DEL", "Nats-TTL": FORGOTTEN}


def stream_of(bucket: str) -> str:
    """Return the stream that holds a bucket."""
    return f"KV_{bucket}"


def subject_of(bucket: str, key: str) -> str:
    """Return the subject that a key's value is stored on."""
    return f"$KV.{bucket}.{key}"


def key_of(bucket: str, message: StoredMessage) -> str:
    """Return the key whose value, or whose deletion, `message` is."""
    return message.subject.removeprefix(subject_of(bucket, ""))


async def ensure_bucket(requester: Requester, bucket: str) -> None:
    """Make the bucket where there is none; one that exists stays as it is.

    Raises:
        JetStreamError, RequestTimeout, NoResponders, Disconnected: the server refused, or did not answer.
    """
    stream = stream_of(bucket)
    config = {
        "name": stream,
        "subjects": [subject_of(bucket, ">")],
        "max_msgs_per_subject": 1,
        "discard": "new",
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
        "allow_msg_ttl": True,
    }
    try:
        await api(requester, f"STREAM.CREATE.{stream}", config)
    except JetStreamError as error:
        if error.err_code != _IN_USE:
            raise


async def made_at(requester: Requester, bucket: str) -> datetime:
    """Return when a bucket was made, by the server's clock; raises as `ensure_bucket`."""
    info = await api(requester, f"STREAM.INFO.{stream_of(bucket)}")
    return msgspec.convert(info["created"], datetime)


async def put(
    requester: Requester,
    subject: str,
    value: bytes,
    revision: int,
    *,
    ttl: str = "",
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> int | None:
    """Write a key's value in place of the given revision, 0 for none, and return the new one; None: another stands there now.

    `ttl` is how long the value lasts as the server reads it, such as "2s"; empty: for ever. Asked again after an answer that
    was lost, None may mean that the first try came to pass.

    Raises:
        JetStreamError, RequestTimeout, NoResponders, Disconnected: as `bus.jetstream.publish`.
    """
    headers = {"Nats-TTL": ttl} if ttl else {}
    return await _put(requester, subject, value, headers | _in_place_of(revision), timeout_s)


async def delete(requester: Requester, subject: str, revision: int) -> int | None:
    """Delete a key in place of the given revision, 0 for none, and return the deletion's own; otherwise as `put`."""
    return await _put(requester, subject, b"", _DELETED | _in_place_of(revision), DEFAULT_TIMEOUT_S)


def _in_place_of(revision: int) -> dict[str, str]:
    return {"Nats-Expected-Last-Subject-Sequence": str(revision)}


async def _put(
    requester: Requester, subject: str, value: bytes, headers: dict[str, str], timeout_s: float
) -> int | None:
    try:
        return (await publish(requester, subject, value, headers=headers, timeout_s=timeout_s)).seq
    except JetStreamError as error:
        if error.err_code in _WRONG_SEQUENCE:
            return None
        raise


async def last_in(requester: Requester, bucket: str, key: str) -> StoredMessage | None:
    """Return what stands under a key, its `sequence` being the revision: without data it is deleted; None: nothing is known of it.

    Raises:
        JetStreamError, RequestTimeout, NoResponders, Disconnected: it could not be read; without the bucket nobody answers.
    """
    return await last_of(requester, stream_of(bucket), subject_of(bucket, key))


async def changes(requester: Requester, bucket: str, *, after: int = 0) -> AsyncIterator[StoredMessage]:
    """Yield what stands under each key that was written after the revision `after`, oldest first; without data it is deleted.

    Nothing where there is no bucket yet. Raises as `last_in`.
    """
    # All that the stream holds: with the keys' own wildcard the server would look through all of them for each.
    found = stream_entries(requester, stream_of(bucket), ">", start=after + 1)
    try:
        async for message in found:
            yield message
    except NoResponders:
        return
