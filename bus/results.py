"""Results: stored once, by whoever comes first; read directly."""

import asyncio
import logging
from collections.abc import Mapping

import msgspec

from bus.errors import JetStreamError, NotStored, SanctuaryError, SlotTaken
from bus.groups import Groups
from bus.jetstream import publish
from bus.latest import Latest
from bus.requests import Requester
from bus.signing import ResultSigner
from bus.subjects import Subjects
from schemas import TaskResult, decode, encode

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
SETTLE_TIMEOUT_S = 2.0
AT_ONCE = 32
"""Results on their way to the stream at the same time. A server that calls fsync for each answers nothing on a stream, reads
included, before it has stored all that waits there: with more, those stored first and those who read would wait for the rest."""
log = logging.getLogger(__name__)


class Settlement(msgspec.Struct, frozen=True):
    """The result that stands, and whether it is the one that was offered."""

    result: TaskResult
    won: bool


def announced(subject: str, headers: Mapping[str, str], subjects: Subjects) -> bool:
    """Tell whether a message that was heard on a result's subject is the server's own word that this very result is stored.

    All who may publish to results' streams in this account may store what they like, so this only tells announcements from
    what came there by mistake: the answer to somebody's request that named the subject to be answered at.
    """
    return headers.get("Nats-Stream") == subjects.results and headers.get("Nats-Subject") == subject


class Results:
    """The results stream of one realm."""

    def __init__(self, requester: Requester, subjects: Subjects, signer: ResultSigner | None = None) -> None:
        """Take what signs the results that are stored here; None: they are not signed."""
        self._signer = signer
        self._requester = requester
        self._subjects = subjects
        self._latest = Latest(requester, subjects.results)
        self._turns = Groups(AT_ONCE)

    async def read(self, task_type: str, task_id: str) -> TaskResult | None:
        """Return the task's stored result, or None while there is none; raises as `bus.latest.Latest.read`."""
        message = await self._latest.read(self._subjects.result(task_type, task_id))
        if message is None:
            return None
        result: TaskResult = decode(TaskResult, message.data)
        return result

    async def settle(self, result: TaskResult) -> Settlement:
        """Store `result` unless the task has one already, and return the one that stands.

        Tries for as long as it takes: a worker whose lease is lost cancels this. There is no `Nats-Msg-Id`: one that was
        used on another subject would be answered as a duplicate, with nothing stored.
        """
        subject = self._subjects.settle(result.task_type, result.task_id)
        payload = encode(result)
        sign = None
        if self._signer is not None:
            sign = self._signer.add(self._subjects.result(result.task_type, result.task_id), payload)
            # What else is settled in this turn of the event loop is signed together with it.
            await asyncio.sleep(0)
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with self._turns:
                    headers = sign() if sign is not None else None
                    await publish(self._requester, subject, payload, headers=headers, timeout_s=SETTLE_TIMEOUT_S)
            except SlotTaken:
                pass
            except (SanctuaryError, JetStreamError, NotStored) as error:
                # Stored or not is unknown: the slot says so, by the writer in it.
                log.warning("the result of %s %s is not confirmed yet: %s", result.task_type, result.task_id, error)
                await asyncio.sleep(pause_s)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
            else:
                return Settlement(result, won=True)
            try:
                standing = await self.read(result.task_type, result.task_id)
            except SanctuaryError as error:
                log.debug("the result slot of %s cannot be read yet: %s", result.task_id, error)
                continue
            if standing is not None:
                return Settlement(standing, won=standing.writer == result.writer)
