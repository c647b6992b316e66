"""The office of the one runtime that delivers what is stored to the agents of a type: taken, kept, lost, and let go.

It is a record written by compare-and-set. Its holder is probed by those who stand for it: nobody there, and it is taken at
once; no answer, and it is taken after 5 s, when a holder that was frozen does not act any more before it has looked.
"""

import asyncio
import logging

import msgspec

from bus.agents import wire
from bus.agents.durable.books import Books
from bus.agents.durable.progress import Progress
from bus.agents.durable.records import Reached, Record
from bus.agents.freshness import FRESH_S, Freshness
from bus.agents.session import Session
from bus.errors import NoResponders, RequestTimeout, SanctuaryError

_log = logging.getLogger(__name__)

_PROBE_EVERY_S = 1.0
_MARGIN_S = 0.5
_PAUSE_S = 0.2
_RELEASE_WAIT_S = 2.5


class Ousted(Exception):
    """Another runtime holds the office."""


class Office:
    """One runtime's hold of it, and what is written there."""

    def __init__(self, agent_type: str, session: Session, books: Books) -> None:
        self._agent_type = agent_type
        self._session = session
        self._books = books
        self._fresh = Freshness(session)
        self._writing, self._checking = asyncio.Lock(), asyncio.Lock()
        self._revision = 0
        self.written: dict[str, int] = {}
        """The floors that stand in the record, by topic type."""
        self._silent: tuple[str, float] = ("", 0.0)
        """Who holds it and has not answered, since when."""
        self.progress: dict[str, Progress] = {}
        """By topic type; only while it is held."""
        self.changed = asyncio.Event()
        """There is something to write."""
        self._stays = True
        """Whether what is written keeps the office."""
        self.is_inherited = False
        """Whether it was taken from one that is lost, with what that had in hand."""
        self.is_held = False
        self.is_resigned = False
        self.is_known = False
        """Whether it is held, or another was found who holds it."""

    async def take(self) -> None:
        """Return once the office is ours; raises as `Books.read`."""
        while True:
            record, revision = await self._books.read(self._agent_type)
            if record.worker in ("", self._session.worker) or await self._is_gone(record.worker):
                moment = self._fresh.now()
                ours = msgspec.structs.replace(record, worker=self._session.worker)
                taken = None if self.is_resigned else await self._books.write(ours, revision)
                if taken is not None:
                    self.is_inherited = record.worker not in ("", self._session.worker)
                    self._hold(ours, taken)
                    self._fresh.verified(moment)
                    return
            else:
                self.is_known = True
                await asyncio.sleep(_PROBE_EVERY_S)

    def _hold(self, record: Record, revision: int) -> None:
        self.progress = {name: Progress(reached) for name, reached in record.topics.items()}
        self._revision, self.written = revision, _floors(record.topics)
        self.is_held = self.is_known = True

    async def _is_gone(self, holder: str) -> bool:
        since = asyncio.get_running_loop().time()
        if self._silent[0] == holder:
            since = self._silent[1]
        try:
            answer = await self._session.order(holder, wire.Dispatches(self._agent_type))
        except NoResponders:
            # After a break it may be alive and not be back yet.
            return not self._session.recently_back
        except RequestTimeout:
            self._silent = (holder, since)
            return asyncio.get_running_loop().time() - since > FRESH_S + _MARGIN_S
        self._silent = ("", 0.0)
        return not wire.decode_flag(answer.data)

    def refresh(self) -> None:
        """Say that the process runs."""
        self._fresh.refresh()

    def add(self, topic_type: str) -> None:
        """Take up a topic that agents of the type are subscribed to."""
        if topic_type not in self.progress:
            self.progress[topic_type] = Progress(Reached())
            self.changed.set()

    @property
    def is_sure(self) -> bool:
        """Tell whether something may be sent now: the office is ours beyond doubt."""
        return self.is_held and not self.is_resigned and bool(self._fresh)

    async def sure(self) -> None:
        """Return when it is certain that the office is ours; Ousted where it is not."""
        while not self._fresh:
            async with self._checking:
                if not self._fresh:
                    await self.write()

    async def write(self) -> None:
        """Write what has been reached; waits for the server as long as it takes.

        Raises:
            Ousted: another runtime holds the office.
        """
        async with self._writing:
            while True:
                self.changed.clear()
                try:
                    if await self._try():
                        return
                except SanctuaryError as error:
                    _log.info("how far %s has come was not written yet: %s", self._agent_type, error)
                    await asyncio.sleep(_PAUSE_S)

    async def _try(self) -> bool:
        moment = self._fresh.now()
        topics = {name: progress.reached() for name, progress in self.progress.items()}
        worker = self._session.worker if self._stays else ""
        revision = await self._books.write(Record(self._agent_type, worker, topics), self._revision)
        if revision is not None:
            self._revision, self.written = revision, _floors(topics)
            self._fresh.verified(moment)
            return True
        # Somebody entered or dropped a topic, or what we wrote and heard nothing of was written after all, or it is lost.
        stored, at = await self._books.read(self._agent_type)
        if stored.worker != self._session.worker:
            raise Ousted
        self._revision = at
        for name in self.written.keys() - stored.topics.keys():
            self.progress.pop(name, None)
        for name, reached in stored.topics.items():
            if name not in self.progress:
                self.progress[name] = Progress(reached)
        self.written = _floors(stored.topics)
        return False

    def resign(self) -> None:
        """Send nothing more from now on. The office stays ours until `release`, so that nobody repeats what is in hand."""
        self.is_resigned = True

    async def release(self) -> bool:
        """Let it go, having resigned, so that another can take it at once; tell whether it was ours to let go."""
        if not self.is_held:
            return False
        self._stays = False
        try:
            async with asyncio.timeout(_RELEASE_WAIT_S):
                await self.write()
        except (Ousted, TimeoutError):
            _log.info("the durable topics of %s were not let go", self._agent_type)
            return False
        return True

    def lose(self) -> None:
        """Forget what was held."""
        self.is_held = self.is_known = False
        self.progress = {}


def _floors(topics: dict[str, Reached]) -> dict[str, int]:
    return {name: reached.floor for name, reached in topics.items()}
