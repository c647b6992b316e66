"""Results: stored once, by whoever comes first; read directly."""

import asyncio
import itertools
import logging
from typing import TypeAlias

import msgspec

from bus.errors import JetStreamError, NotStored, SanctuaryError, SlotTaken
from bus.groups import Groups
from bus.jetstream import StoredMessage, last_of_each, publish
from bus.requests import Requester
from bus.subjects import Subjects
from schemas import TaskResult, decode, encode

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0
SETTLE_TIMEOUT_S = 2.0
AT_ONCE = 32
"""Results on their way to the stream at the same time. A server that calls fsync for each answers nothing on a stream, reads
included, before it has stored all that waits there: with more, those stored first and those who read would wait for the rest."""
READS_AT_ONCE = 4
"""Requests that read; what is asked for meanwhile goes together as the next one."""
READ_TIMEOUT_S = 2.0
BATCH = 1000
"""Subjects in one read; the server takes 1024."""

log = logging.getLogger(__name__)

_Reader: TypeAlias = "asyncio.Future[StoredMessage | None]"


class Settlement(msgspec.Struct, frozen=True):
    """The result that stands, and whether it is the one that was offered."""

    result: TaskResult
    won: bool


class Results:
    """The results stream of one realm."""

    def __init__(self, requester: Requester, subjects: Subjects) -> None:
        self._requester = requester
        self._subjects = subjects
        self._wanted: dict[str, list[_Reader]] = {}
        self._reading: set[asyncio.Task[None]] = set()
        self._turns = Groups(AT_ONCE)

    async def read(self, task_type: str, task_id: str) -> TaskResult | None:
        """Return the task's stored result, or None while there is none.

        Reads that are asked for while some are under way go out together as the next one: each worker reads before each
        task, and in a crowd that costs one request for many.

        Raises:
            RequestTimeout, NoResponders, Disconnected, JetStreamError: nothing could be read.
        """
        reader: _Reader = asyncio.get_running_loop().create_future()
        self._wanted.setdefault(self._subjects.result(task_type, task_id), []).append(reader)
        if len(self._reading) < READS_AT_ONCE:
            self._reading.add(asyncio.create_task(self._read_wanted()))
        message = await reader
        if message is None:
            return None
        result: TaskResult = decode(TaskResult, message.data)
        return result

    async def _read_wanted(self) -> None:
        batch: dict[str, list[_Reader]] = {}
        try:
            while self._wanted:
                batch = dict(itertools.islice(self._wanted.items(), BATCH))
                for subject in batch:
                    del self._wanted[subject]
                try:
                    found = await last_of_each(self._requester, self._subjects.results, batch, timeout_s=READ_TIMEOUT_S)
                except Exception as error:  # noqa: BLE001  whatever it is, whoever waits must hear of it
                    for reader in itertools.chain(*batch.values()):
                        _fail(reader, error)
                else:
                    for subject, readers in batch.items():
                        for reader in readers:
                            if not reader.done():
                                reader.set_result(found.get(subject))
        except asyncio.CancelledError:
            # The connection is being closed.
            for reader in itertools.chain(*batch.values(), *self._wanted.values()):
                reader.cancel()
            self._wanted.clear()
            raise
        finally:
            # At once: whoever wants to read from now on must not take this for a reader.
            self._reading -= {asyncio.current_task()}

    async def settle(self, result: TaskResult) -> Settlement:
        """Store `result` unless the task has one already, and return the one that stands.

        Tries for as long as it takes: a worker whose lease is lost cancels this. There is no `Nats-Msg-Id`: one that was
        used on another subject would be answered as a duplicate, with nothing stored.
        """
        subject = self._subjects.settle(result.task_type, result.task_id)
        payload = encode(result)
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                async with self._turns:
                    await publish(self._requester, subject, payload, timeout_s=SETTLE_TIMEOUT_S)
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


def _fail(reader: _Reader, error: Exception) -> None:
    if not reader.done():
        reader.set_exception(error)
        reader.exception()  # marked as seen: its caller may be gone
