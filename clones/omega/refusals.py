"""Ending what is no task where no worker does: a body that cannot be read as one waits for nothing that a clone could do.

Its failure is stored under the id that a worker would store it under, once by construction: any number of Omegas, and a
worker at the same moment, end it once.
"""

import asyncio
import logging
from collections.abc import Sequence

import msgspec
from nats.errors import Error as NatsError

from bus.delivery import from_ledger
from bus.errors import SanctuaryError
from bus.identity import Identity
from bus.intake import Refusal, read
from bus.journal import Journal
from bus.ledger import entry
from bus.network import Network
from bus.outcomes import failure
from bus.replies import reply
from clones.omega.agenda import Due
from clones.omega.overdue import AGAIN_S, AT_ONCE, SETTLE_WITHIN_S
from schemas import ErrorCode, SchemaError, sequence_id

log = logging.getLogger(__name__)


class Refusals:
    """Looks at bodies that are no tasks, and ends those that nobody has ended."""

    def __init__(self, network: Network, identity: Identity) -> None:
        self._network = network
        self._identity = identity
        self._journal = Journal(network.requester, network.subjects)

    async def look(self, dues: Sequence[Due], now: float) -> list[Due]:
        """End `dues`, and return what is to be looked at later; raises nothing that one of them brings about."""
        later: list[Due | None] = []
        for first in range(0, len(dues), AT_ONCE):
            later += await asyncio.gather(*(self._look_at(due, now) for due in dues[first : first + AT_ONCE]))
        return [due for due in later if due is not None]

    async def _look_at(self, due: Due, now: float) -> Due | None:
        what = f"{due.source.subject} #{due.sequence}, which is no task,"
        try:
            async with asyncio.timeout(SETTLE_WITHIN_S):
                await self._settle(due)
        except (SanctuaryError, NatsError, TimeoutError) as error:
            log.warning("%s could not be ended yet: %s", what, error)
            return due._replace(at=now + AGAIN_S)
        except SchemaError as error:
            # What stands cannot be replaced.
            log.error("%s has a result that cannot be read: %s", what, error)
        except Exception as error:  # noqa: BLE001  one that is like no other must not keep the rest waiting for ever
            told = {"message": f"{what} could not be ended", "exception": error}
            asyncio.get_running_loop().call_exception_handler(told)
        return None

    async def _settle(self, due: Due) -> None:
        message = await entry(self._network, due.sequence)
        if message is None or message.subject != due.source.subject:
            return
        delivery = from_ledger(message)
        refusal = read(self._network.subjects, due.source.task_type, delivery)
        if not isinstance(refusal, Refusal):
            return
        if await self._journal.is_known(refusal.task_type, refusal.id):
            # As a worker has it: what is no task must not end the task whose id it names.
            refusal = msgspec.structs.replace(refusal, id=sequence_id(due.sequence))
        if await self._network.results.read(refusal.task_type, refusal.id) is not None:
            return
        result = failure(self._identity, refusal, ErrorCode.INVALID_ASSIGNMENT, refusal.message)
        settlement = await self._network.results.settle(result)
        if settlement.won:
            log.info("%s %s was ended: %s", refusal.task_type, refusal.id, refusal.message)
            reply(self._network.client, refusal.reply_to, result, delivery.content_type)
