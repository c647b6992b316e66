"""The newest message of a subject, read for many subjects at a time."""

import asyncio
import itertools
from typing import TypeAlias

from bus.jetstream import StoredMessage, last_of_each
from bus.requests import Requester

READS_AT_ONCE = 4
"""Requests that read; what is asked for meanwhile goes together as the next one."""
READ_TIMEOUT_S = 2.0
BATCH = 1000
"""Subjects in one read; the server takes 1024."""

Reader: TypeAlias = asyncio.Future[StoredMessage | None]


class Latest:
    """Reads the newest messages of one stream.

    Reads that are asked for while some are under way go out together as the next one: each worker reads before each task,
    and in a crowd that costs one request for many.
    """

    def __init__(self, requester: Requester, stream: str) -> None:
        self._requester = requester
        self._stream = stream
        self._wanted: dict[str, list[Reader]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    def read(self, subject: str) -> Reader:
        """Ask for the newest message of an exact subject; the future's result is None where there is none.

        It raises, where nothing could be read: RequestTimeout, NoResponders, Disconnected, JetStreamError.
        """
        reader: Reader = asyncio.get_running_loop().create_future()
        self._wanted.setdefault(subject, []).append(reader)
        if len(self._reading) < READS_AT_ONCE:
            self._reading.add(asyncio.create_task(self._read_wanted()))
        return reader

    async def _read_wanted(self) -> None:
        batch: dict[str, list[Reader]] = {}
        try:
            while self._wanted:
                batch = dict(itertools.islice(self._wanted.items(), BATCH))
                for subject in batch:
                    del self._wanted[subject]
                try:
                    found = await last_of_each(self._requester, self._stream, batch, timeout_s=READ_TIMEOUT_S)
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


def _fail(reader: Reader, error: Exception) -> None:
    if not reader.done():
        reader.set_exception(error)
        reader.exception()  # marked as seen: its caller may be gone
