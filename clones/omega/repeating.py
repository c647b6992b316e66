"""Work that a daemon does again and again, whatever becomes of one time: what it looks after has nobody else."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from nats.errors import Error as NatsError

from bus.errors import SanctuaryError

log = logging.getLogger(__name__)


async def attempt(step: Callable[[], Awaitable[None]], what: str) -> bool:
    """Do `step` once and tell whether it succeeded; `what` it is for, in words, such as "look for strays".

    A network that does not answer is in the log; what else is raised goes to the loop's exception handler, and so is escalated.
    """
    try:
        await step()
    except (SanctuaryError, NatsError, TimeoutError) as error:
        log.warning("could not %s: %s", what, error)
    except Exception as error:  # noqa: BLE001  a defect met once must not end this for good
        asyncio.get_running_loop().call_exception_handler({"message": f"could not {what}", "exception": error})
    else:
        return True
    return False


async def insist(step: Callable[[], Awaitable[None]], pause_s: float, what: str) -> None:
    """Do `step` as `attempt` does until it succeeds, with `pause_s` seconds in between."""
    while True:
        if await attempt(step, what):
            return
        await asyncio.sleep(pause_s)


async def repeat(step: Callable[[], Awaitable[None]], every_s: float, what: str) -> None:
    """Do `step` as `attempt` does, until cancelled, with `every_s` seconds in between."""
    while True:
        await attempt(step, what)
        await asyncio.sleep(every_s)
