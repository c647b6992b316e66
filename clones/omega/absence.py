"""Whether anybody is there who answers for a clone, or for one instance of it."""

from bus.errors import NoResponders, SanctuaryError
from bus.network import Network
from schemas import is_task_id, is_token

ASK_S = 1.0


async def is_absent(network: Network, clone: str, instance: str | None = None) -> bool:
    """Tell whether nobody listens where the status is asked for; one that is silent may be busy, or stopped, and is there."""
    if not is_token(clone) or not (instance is None or is_task_id(instance)):
        return True
    try:
        await network.requester.request(network.subjects.status(clone, instance), timeout_s=ASK_S)
    except NoResponders:
        return True
    except SanctuaryError:
        return False
    return False
