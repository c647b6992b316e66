"""Delivering what is stored to the agents of one type: by one runtime at a time, in order for each agent."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass

import msgspec
from autogen_core import AgentId

from bus.agents import wire
from bus.agents.durable.books import Books
from bus.agents.durable.office import Office, Ousted
from bus.agents.durable.progress import Lanes, Progress
from bus.agents.durable.records import decode_event
from bus.agents.durable.topics import Topics
from bus.agents.errors import CannotTravel, StateLost, WorkerLost
from bus.agents.members import Members
from bus.agents.outgoing import Outgoing
from bus.agents.session import Session
from bus.errors import SanctuaryError
from bus.jetstream import StoredMessage

_log = logging.getLogger(__name__)

_MOST_OPEN = 1024
"""Messages of one agent type that are read and not handled; no more are read until some are."""
_MOST_OPEN_BYTES = 16_000_000
_PAGE = 128
_POLL_S = 1.0
"""A word that something was stored can be lost with a connection."""
_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 2.0
_STAND_AGAIN_S = 1.0
_BETWEEN_WRITES_S = 0.02
_BETWEEN_PURGES_S = 0.1
_STOP_WAIT_S = 1.0
_MOST_LOST = 5
"""As often as workers may be lost with an event; perhaps it is what its handler does that ends them."""
_ALONE_S = 10.0
"""So long others of that kind wait for one, which shows which of them it is."""

_AT_ONCE = contextlib.nullcontext()


@dataclass(frozen=True, slots=True)
class _Entry:
    progress: Progress
    sequence: int
    data: bytes
    """The delivery."""
    was_in_hand: bool
    """Whether whoever held the office before was lost while it may have been handled."""


class Dispatcher:
    """Stands for election as long as it runs, and dispatches while it holds the office."""

    def __init__(
        self, agent_type: str, *, session: Session, members: Members, outgoing: Outgoing, topics: Topics, books: Books
    ) -> None:
        self._agent_type = agent_type
        self._members = members
        self._outgoing = outgoing
        self._topics = topics
        self._books = books
        self.office = Office(agent_type, session, books)
        self._lanes: Lanes[AgentId, _Entry] = Lanes()
        self._serving: set[asyncio.Task[None]] = set()
        self._group = asyncio.TaskGroup()
        self._one_by_one = asyncio.Lock()
        """For events with which workers were lost more than once."""
        self._readable = asyncio.Event()
        self._open_bytes = 0
        self._purged: dict[str, int] = {}
        self._running = asyncio.create_task(self._run(), name=f"dispatch {agent_type}")

    def look(self) -> None:
        """Something may be there to be read, or a topic more."""
        self._readable.set()

    async def stop(self) -> None:
        """Send nothing more; what is sent is given a second to be handled. Then others may take over."""
        self.office.resign()
        if self._serving:
            await asyncio.wait(self._serving, timeout=_STOP_WAIT_S)
        if await self.office.release():
            with contextlib.suppress(SanctuaryError):
                await self._purge()
        self._running.cancel()
        await asyncio.wait({self._running})

    def is_behind(self, goal: dict[str, int]) -> bool:
        """Tell whether something of topics up to these sequences is not handled yet, and it is for us to see to it."""
        if not self.office.is_held:
            return not self.office.is_known
        for topic_type, sequence in goal.items():
            progress = self.office.progress.get(topic_type)
            if progress is None and self._agent_type in self._members.subscribed(topic_type):
                return True
            if progress is not None and progress.floor < sequence:
                return True
        return False

    async def _run(self) -> None:
        while True:
            try:
                await self.office.take()
                async with asyncio.TaskGroup() as self._group:
                    self._group.create_task(self._read())
                    self._group.create_task(self._keep())
                    self._group.create_task(self._clear())
            except* Ousted:
                _log.warning("another runtime delivers the durable topics of %s now", self._agent_type)
            except* SanctuaryError as errors:
                _log.info("the durable topics of %s: %s; trying again", self._agent_type, errors.exceptions[0])
            except* Exception:  # noqa: BLE001  whatever it is, events have to be delivered
                _log.exception("the durable topics of %s; trying again", self._agent_type)
            self.office.lose()
            self._lanes, self._open_bytes, self._purged = Lanes(), 0, {}
            await asyncio.sleep(_STAND_AGAIN_S)

    async def _read(self) -> None:
        for topic_type, progress in tuple(self.office.progress.items()):
            for sequence in progress.open:
                await self._read_again(topic_type, progress, sequence)
        while True:
            self._readable.clear()
            for topic_type in self._members.durable:
                if self._agent_type in self._members.subscribed(topic_type):
                    self.office.add(topic_type)
            try:
                if await self._read_page():
                    continue
            except SanctuaryError as error:
                _log.debug("the durable topics of %s cannot be read yet: %s", self._agent_type, error)
            # Not `wait_for`: until Python 3.12 it may lose a cancellation that comes together with what it waits for.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await self._readable.wait()

    async def _read_again(self, topic_type: str, progress: Progress, sequence: int) -> None:
        """Take up what was open when whoever held the office before ended."""
        while True:
            try:
                message = await self._topics.at(sequence)
            except SanctuaryError:
                await asyncio.sleep(_PAUSE_S)
                continue
            if message is None or message.subject != self._topics.subject(topic_type):
                self._handled(progress, sequence)
            else:
                self._take(progress, message, was_in_hand=self.office.is_inherited)
            return

    async def _read_page(self) -> bool:
        """Read on in each topic; tell whether there may be more."""
        progress = self.office.progress
        room = min(_PAGE, (_MOST_OPEN - sum(one.behind for one in progress.values())) // max(len(progress), 1))
        if room <= 0 or self._open_bytes > _MOST_OPEN_BYTES:
            return False
        names = tuple(progress)
        pages = await asyncio.gather(*(self._topics.after(name, progress[name].cursor, room) for name in names))
        found = [(message, name) for name, (page, _) in zip(names, pages, strict=True) for message in page]
        found = sorted((one for one in found if one[1] in progress), key=lambda one: one[0].sequence)
        for message, name in found:
            progress[name].read(message.sequence)
        if found:
            # Before it goes out: whoever comes after us has to know what we may have had in hand.
            await self.office.write()
        for message, name in found:
            if name in progress:
                self._take(progress[name], message, was_in_hand=False)
        return any(more for _, more in pages)

    def _take(self, progress: Progress, message: StoredMessage, *, was_in_hand: bool) -> None:
        try:
            event = decode_event(message.data)
        except msgspec.DecodeError as error:
            _log.error("message %d on %s is no event and is passed over: %s", message.sequence, message.subject, error)
            self._handled(progress, message.sequence)
            return
        agent = AgentId(self._agent_type, event.topic[1])
        key = (agent.type, agent.key)
        if event.sender == key:
            self._handled(progress, message.sequence)
            return
        delivery = wire.Delivery(
            event.version, "publish", key, event.body, event.sender, event.topic, event.message_id, False, event.trace
        )
        entry = _Entry(progress, message.sequence, wire.encode(delivery), was_in_hand)
        self._open_bytes += len(entry.data)
        if self._lanes.add(agent, entry):
            task = self._group.create_task(self._serve(agent))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    def _handled(self, progress: Progress, sequence: int) -> None:
        progress.handled(sequence)
        self.office.changed.set()

    async def _serve(self, agent: AgentId) -> None:
        """Deliver what is for one agent, one after the other."""
        while (entry := self._lanes.first(agent)) is not None and await self._see_to(agent, entry):
            self._handled(entry.progress, entry.sequence)
            self._open_bytes -= len(entry.data)
            self._readable.set()
            self._lanes.advance(agent)

    async def _see_to(self, agent: AgentId, entry: _Entry) -> bool:
        """Deliver an event until it is handled or has to be given up; False where others have to do it."""
        pause_s, lost = _PAUSE_S, entry.was_in_hand
        while True:
            is_suspect = lost and entry.progress.was_lost(entry.sequence)
            async with self._one_by_one if is_suspect else _AT_ONCE:
                if lost:
                    if entry.progress.lost(entry.sequence) >= _MOST_LOST:
                        await self._give_up(agent, entry)
                        return True
                    # Before it goes out again, as it may be this process that it ends.
                    await self.office.write()
                await self.office.sure()
                if self.office.is_resigned:
                    return False
                delivering = self._group.create_task(self._deliver(agent, entry.data))
                await asyncio.wait({delivering}, timeout=_ALONE_S if is_suspect else None)
            error, was_sent = await delivering
            if error is None:
                return True
            if isinstance(error, CannotTravel):
                _log.error("an event for %s cannot be delivered and is passed over: %s", agent, error)
                return True
            _log.info("an event for %s goes out again: %s", agent, error)
            lost = was_sent and isinstance(error, WorkerLost) and not isinstance(error, StateLost)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _give_up(self, agent: AgentId, entry: _Entry) -> None:
        while True:
            try:
                message = await self._topics.at(entry.sequence)
                key = "" if message is None else await self._books.put_aside(self._agent_type, message)
            except SanctuaryError as error:
                _log.info("an event for %s cannot be put aside yet: %s", agent, error)
                await asyncio.sleep(_PAUSE_S)
                continue
            _log.error(
                "an event for %s is given up: %d times its worker was lost with it; it is kept in the bucket as %s",
                agent,
                _MOST_LOST,
                key,
            )
            return

    async def _deliver(self, agent: AgentId, data: bytes) -> tuple[BaseException | None, bool]:
        """Return once a delivery has settled: what was in the way, if anything, and whether it was sent to a worker."""
        ended: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()

        def end(error: BaseException | None) -> None:
            if not ended.done():
                ended.set_result(error)

        def may_go() -> bool:
            # It may be placed, or come back from where its agent was, when it is sent again in a later term of office.
            return self.office.is_sure and not ended.done()

        item = self._outgoing.send(agent, data, None, on_lost=end, guard=may_go)
        item.on_settled = lambda _: end(None)
        return await ended, bool(item.worker)

    async def _keep(self) -> None:
        """Write down what is handled."""
        while True:
            await self.office.changed.wait()
            await self.office.write()
            await asyncio.sleep(_BETWEEN_WRITES_S)

    async def _clear(self) -> None:
        """Drop what all have handled."""
        while True:
            with contextlib.suppress(SanctuaryError):
                await self._purge()
            await asyncio.sleep(_BETWEEN_PURGES_S)

    async def _purge(self) -> None:
        """See whether something can be dropped, where we have come further since we last saw."""
        for topic_type, floor in tuple(self.office.written.items()):
            if floor > self._purged.get(topic_type, 0):
                await self._books.purge(topic_type)
                self._purged[topic_type] = floor
