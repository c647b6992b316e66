"""What a runtime sends to agents: in order for each, to where the agent is, until it has settled."""

import asyncio
import bisect
import itertools
import logging
from collections.abc import Callable

import msgspec
from autogen_core import AgentId
from nats.aio.msg import Msg
from nats.errors import MaxPayloadError

from bus.agents import wire
from bus.agents.errors import CannotTravel, NotPlaced, StateLost, WorkerLost
from bus.agents.idle import Idle, Work
from bus.agents.placing import Placing
from bus.agents.session import Listening, Session
from bus.agents.window import Windows
from bus.errors import Disconnected

_log = logging.getLogger(__name__)

_MOST_TRIES = 5
_BREATH = 32
_MOST_LANES = 10_000


class Item:
    """A message that is under way."""

    __slots__ = ("data", "guard", "lane", "number", "on_lost", "on_settled", "parent", "posted_at", "tries", "worker")

    def __init__(self, number: int, lane: "Lane", data: bytes, parent: Work | None) -> None:
        self.number = number
        self.lane = lane
        self.data = data
        self.parent = parent
        self.on_settled: Callable[[wire.Fault | None], None] | None = None
        self.on_lost: Callable[[BaseException], None] | None = None
        self.guard: Callable[[], bool] | None = None
        self.worker = ""
        self.posted_at = 0.0
        self.tries = 0


class Call(Item):
    """A message that is answered."""

    __slots__ = ("answer",)

    def __init__(self, number: int, lane: "Lane", data: bytes, parent: Work | None) -> None:
        super().__init__(number, lane, data, parent)
        self.answer: asyncio.Future[wire.Answer] = asyncio.get_running_loop().create_future()


class Lane:
    """The way to one agent."""

    __slots__ = ("placing", "queue", "recipient", "subject", "worker")

    def __init__(self, recipient: AgentId, subject: str) -> None:
        self.recipient = recipient
        self.subject = subject
        self.worker = ""
        """Who holds the agent, as far as is known."""
        self.queue: list[Item] = []
        """What waits for that to be known, by number."""
        self.placing: asyncio.Task[None] | None = None


class Outgoing:
    """Sends for one runtime. Everything that is sent ends: answered, settled, or failed."""

    def __init__(self, session: Session, placing: Placing, idle: Idle) -> None:
        self._session = session
        self._placing = placing
        self._idle = idle
        self._numbers = itertools.count(1)
        self._lanes: dict[AgentId, Lane] = {}
        self._listening: Listening | None = None
        self.inbox = ""
        self.items: dict[int, Item] = {}
        self.windows = Windows()

    async def open(self) -> None:
        """Listen for answers."""
        self.inbox = self._session.new_inbox()
        self._listening = await self._session.listen(f"{self.inbox}.*", self._on_message)

    async def close(self) -> None:
        """Fail what is under way."""
        for item in tuple(self.items.values()):
            self._fail(item, NotPlaced("the runtime was closed"))
        for lane in self._lanes.values():
            if lane.placing is not None:
                lane.placing.cancel()
        if self._listening is not None:
            await self._listening.end()
            self._listening = None

    def call(self, recipient: AgentId, data: bytes, parent: Work | None) -> "Call":
        """Send a delivery that is answered."""
        lane = self._lane(recipient)
        item = Call(next(self._numbers), lane, data, parent)
        self._send(item)
        return item

    def send(
        self,
        recipient: AgentId,
        data: bytes,
        parent: Work | None,
        *,
        on_lost: Callable[[BaseException], None] | None = None,
        guard: Callable[[], bool] | None = None,
    ) -> Item:
        """Send a delivery that is not.

        Without an `on_lost`, that it was lost is only logged. With a `guard`, it is lost where that does not hold at the
        moment when it would go out, which may be long after this, when its agent was placed.
        """
        item = Item(next(self._numbers), self._lane(recipient), data, parent)
        item.on_lost, item.guard = on_lost, guard
        self._send(item)
        return item

    def _lane(self, recipient: AgentId) -> Lane:
        lane = self._lanes.get(recipient)
        if lane is None:
            lane = self._new_lane(recipient)
        return lane

    def _send(self, item: Item) -> None:
        lane = item.lane
        self.items[item.number] = item
        self._idle.begin()
        if item.parent is not None:
            item.parent.begin()
        if lane.worker and not lane.queue:
            self._post(item)
        else:
            lane.queue.append(item)
            self._place(lane)

    def cancel(self, item: Item) -> None:
        """Have the recipient's token cancelled; what has not been sent never is."""
        if item.number not in self.items:
            return
        if item in item.lane.queue:
            item.lane.queue.remove(item)
            self._settle(item, None)
            return
        try:
            self._session.client.post(item.lane.subject, wire.encode(wire.Cancel(f"{self.inbox}.{item.number}")))
        except Disconnected:
            _log.debug("a cancellation was not sent: there is no connection")

    async def room(self, item: Item) -> None:
        """Return when the recipient's worker has taken enough of what was sent for more to be sent."""
        if item.worker and self.windows.is_full(item.worker):
            await self.windows.room(item.worker)
        elif item.number % _BREATH == 0:
            # Whoever publishes in a loop would leave the socket no chance, and the worker idle.
            await asyncio.sleep(0)

    @property
    def unplaced(self) -> list["asyncio.Task[None]"]:
        """Return what looks for the recipients of messages that wait to be sent."""
        return [lane.placing for lane in self._lanes.values() if lane.placing is not None]

    def moved(self, recipient: AgentId, before: str, now: str) -> None:
        """Note that another worker has an agent, and so what was sent to it there."""
        for item in self.items.values():
            if item.lane.recipient == recipient and item.worker == before:
                self.windows.returned(before)
                self.windows.sent(now)
                item.worker = now
        lane = self._lanes.get(recipient)
        if lane is not None and lane.worker == before:
            lane.worker = now

    def lost(self, worker: str, numbers: list[int] | None, error: str) -> None:
        """Give up what a worker was sent: these, or all, and the way to it too."""
        for item in tuple(self.items.values()) if numbers is None else [self.items.get(number) for number in numbers]:
            if item is not None and item.worker == worker:
                self._fail(item, WorkerLost(f"{item.lane.recipient}: {error}"))
        if numbers is None:
            self.windows.forget(worker)
            for lane in self._lanes.values():
                if lane.worker == worker:
                    lane.worker = ""

    def _new_lane(self, recipient: AgentId) -> Lane:
        if len(self._lanes) >= _MOST_LANES:
            busy = {item.lane.recipient for item in self.items.values()}
            self._lanes = {agent: lane for agent, lane in self._lanes.items() if agent in busy}
        lane = self._lanes[recipient] = Lane(recipient, self._session.names.agent(recipient))
        return lane

    def _post(self, item: Item) -> None:
        lane = item.lane
        if item.guard is not None and not item.guard():
            self._fail(item, NotPlaced(f"{lane.recipient} was placed too late"))
            return
        try:
            self._session.client.post(lane.subject, item.data, reply=f"{self.inbox}.{item.number}")
        except Disconnected:
            self._bounced(item)
        except MaxPayloadError:
            limit = self._session.client.max_payload
            self._fail(
                item, CannotTravel(f"a message of {len(item.data)} bytes; the NATS server takes {limit} at most")
            )
        else:
            item.worker = lane.worker
            item.posted_at = asyncio.get_running_loop().time()
            self.windows.sent(lane.worker)

    def _bounced(self, item: Item) -> None:
        """Send again what surely was not handled, in its old place."""
        if item.worker:
            self.windows.returned(item.worker)
        item.worker, item.posted_at = "", 0.0
        item.tries += 1
        item.lane.worker = ""
        if item.tries > _MOST_TRIES:
            self._fail(item, NotPlaced(f"{item.lane.recipient} moved too often to be reached"))
            return
        bisect.insort(item.lane.queue, item, key=lambda queued: queued.number)
        self._place(item.lane)

    def _place(self, lane: Lane) -> None:
        if lane.placing is None:
            lane.placing = asyncio.create_task(self._find(lane), name=f"place {lane.recipient}")

    async def _find(self, lane: Lane) -> None:
        try:
            worker = await self._placing.find(lane.recipient)
        except Exception as error:  # noqa: BLE001  callers wait for whatever becomes of it
            lane.placing = None
            queue, lane.queue = lane.queue, []
            for item in queue:
                self._fail(item, error)
        else:
            lane.placing = None
            lane.worker = worker
            queue, lane.queue = lane.queue, []
            for item in queue:
                if lane.worker:
                    self._post(item)
                else:
                    bisect.insort(lane.queue, item, key=lambda queued: queued.number)

    def _on_message(self, message: Msg) -> None:
        number = message.subject.rpartition(".")[2]
        if number == "done":
            self._on_done(wire.decode_done(message.data))
            return
        item = self.items.get(int(number))
        if item is None:
            return
        if not message.data:
            self._bounced(item)
            return
        try:
            answer = wire.decode_answer(message.data)
        except msgspec.DecodeError as error:
            self._fail(item, NotPlaced(f"{item.lane.recipient} gave an answer that cannot be read: {error}"))
            return
        if isinstance(answer, wire.Moved):
            self._bounced(item)
            return
        if isinstance(answer, wire.Lost):
            self._fail(item, StateLost(f"{item.lane.recipient}: {answer.problem}"))
            return
        if isinstance(item, Call) and not item.answer.done():
            item.answer.set_result(answer)
        if answer.settled:
            fault = answer.fault if isinstance(answer, wire.Failed) and not isinstance(item, Call) else None
            self._settle(item, fault)

    def _on_done(self, done: wire.Done) -> None:
        for number in done.numbers:
            item = self.items.get(number)
            if item is not None:
                self._settle(item, done.faults.get(number))
        if done.received:
            self.windows.received(done.worker, done.received)

    def _fail(self, item: Item, error: BaseException) -> None:
        if item.on_lost is not None:
            item.on_lost(error)
        elif not isinstance(item, Call):
            _log.warning("an event for %s was lost: %s", item.lane.recipient, error)
        elif not item.answer.done():
            item.answer.set_exception(error)
        if item.worker:
            self.windows.returned(item.worker)
        self._settle(item, None)

    def _settle(self, item: Item, fault: wire.Fault | None) -> None:
        if self.items.pop(item.number, None) is None:
            return
        if item.on_settled is not None:
            item.on_settled(fault)
        if item.parent is not None:
            item.parent.end(fault)
        self._idle.end()
