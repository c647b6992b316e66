"""The buckets of one namespace."""

from bus.agents.errors import RuntimeFailed
from bus.agents.session import Session
from bus.errors import JetStreamError, NoResponders, RequestTimeout
from bus.jetstream import api, publish
from bus.requests import DEFAULT_TIMEOUT_S

_WRONG_SEQUENCE = (10071, 10164)
"""Wrong last sequence (of the subject)."""
_IN_USE = 10058
"""A stream of this name exists with another configuration."""


async def ensure_bucket(session: Session, stream: str, keys: str) -> None:
    """Make the bucket that is stored in `stream` where there is none; `keys` is what its subjects begin with.

    Raises:
        RuntimeFailed: the server has no JetStream, or does not let us.
    """
    config = {
        "name": stream,
        "subjects": [f"{keys}>"],
        "max_msgs_per_subject": 1,
        "discard": "new",
        "allow_direct": True,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
        "allow_msg_ttl": True,
    }
    bucket = stream.removeprefix("KV_")
    try:
        await api(session.requester, f"STREAM.CREATE.{stream}", config)
    except JetStreamError as error:
        if error.err_code != _IN_USE:
            raise RuntimeFailed(f"the bucket {bucket} cannot be made: {error.message}") from None
    except RequestTimeout:
        raise RuntimeFailed(
            f"the server did not answer when the bucket {bucket} was to be made: see its log, or try again"
        ) from None
    except NoResponders:
        raise RuntimeFailed(
            f"the server does not answer for JetStream, where the agents of {session.names.namespace} are entered: "
            "start it with -js, or use an account that has it"
        ) from None


async def put(
    session: Session, key: str, value: bytes, revision: int, *, ttl: str = "", timeout_s: float = DEFAULT_TIMEOUT_S
) -> int | None:
    """Write a key in place of the given revision, 0 for none, and return the new one; None where another stands there now.

    `key` is the subject, `ttl` how long the value lasts as the server reads it, such as "2s"; empty: for ever.

    Raises:
        JetStreamError, RequestTimeout, NoResponders, Disconnected: as `bus.jetstream.publish`.
    """
    headers = {"Nats-Expected-Last-Subject-Sequence": str(revision)}
    if ttl:
        headers["Nats-TTL"] = ttl
    try:
        return (await publish(session.requester, key, value, headers=headers, timeout_s=timeout_s)).seq
    except JetStreamError as error:
        if error.err_code in _WRONG_SEQUENCE:
            return None
        raise
