"""The buckets of one namespace."""

from bus import buckets
from bus.agents.errors import RuntimeFailed
from bus.agents.session import Session
from bus.errors import JetStreamError, NoResponders, RequestTimeout


async def ensure_bucket(session: Session, bucket: str) -> None:
    """Make the bucket where there is none.

    Raises:
        RuntimeFailed: the server has no JetStream, or does not let us.
    """
    try:
        await buckets.ensure_bucket(session.requester, bucket)
    except JetStreamError as error:
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
