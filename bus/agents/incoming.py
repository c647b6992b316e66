"""Deliveries to the agents that this worker holds: taken, handled each in a task of its own, answered."""

import asyncio
import contextvars
import functools
import logging
from collections.abc import Awaitable, Callable

import msgspec
from autogen_core import AgentId, CancellationToken
from nats.aio.msg import Msg
from nats.errors import MaxPayloadError

from bus.agents import wire
from bus.agents.errors import CannotRead, CannotTravel, StateNotKept
from bus.agents.faults import to_fault
from bus.agents.freshness import Freshness, Moment
from bus.agents.idle import CURRENT, Idle, Work, current_work
from bus.agents.notices import Notices
from bus.agents.session import Listening, Session
from bus.errors import Disconnected

_log = logging.getLogger(__name__)


class Delivered(Work):
    """A delivery in hand."""

    __slots__ = ("answered", "inbox", "number", "owner", "reply", "token")

    def __init__(self, runtime: object, owner: "Incoming", reply: str, *, report: bool) -> None:
        super().__init__(runtime, report=report)
        self.owner = owner
        self.reply = reply
        inbox, _, number = reply.rpartition(".")
        self.inbox = inbox
        self.number = int(number)
        self.token = CancellationToken()
        self.answered = False
        """The answer said that all has settled."""

    def settled(self) -> None:
        """Tell the sender, unless the answer did."""
        self.owner.settled(self)


Handle = Callable[[AgentId, wire.Delivery, Delivered], Awaitable[wire.Value]]


class Incoming:
    """Listens for the agents of one runtime."""

    def __init__(self, runtime: object, session: Session, idle: Idle, handle: Handle) -> None:
        self._runtime = runtime
        self._session = session
        self._idle = idle
        self._handle = handle
        self._notices = Notices(session)
        self._listening: dict[AgentId, Listening] = {}
        self._here: set[AgentId] = set()
        """The agents that are to be reached, from before the server knows: the first message may come with its word."""
        self._works: dict[str, Delivered] = {}
        self._held: list[tuple[AgentId, Msg]] = []
        """Messages that came while it was not certain that their agents are still here."""
        self._answers: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})
        """The last seconds' answers, which may have been lost with the connection: new ones, old ones."""
        self._tasks: dict[asyncio.Task[None], AgentId] = {}
        self._context = contextvars.copy_context()
        self.fresh = Freshness(session)
        """Whether the claims can be relied on; where not, they are looked at before anything is handled."""

    def start(self) -> None:
        """Handle what comes, in copies of the caller's context."""
        self._context = contextvars.copy_context()
        self._context.run(CURRENT.set, None)

    def verified(self, at: Moment) -> None:
        """Rely on the claims as they were at a moment, if that was not long ago, and take what came meanwhile."""
        self.fresh.verified(at)
        if not self.fresh:
            return
        held, self._held = self._held, []
        for agent, message in held:
            self._take(agent, message)

    async def listen(self, agent: AgentId) -> None:
        """Let an agent be reached."""
        subject = self._session.names.agent(agent)
        self._here.add(agent)
        if agent in self._listening:
            # Claimed anew, as somebody had deleted the claim. A second subscription would bring everything twice, and the first
            # would be left for the server to find ended with the connection: until then callers wait for its answer.
            return
        try:
            self._listening[agent] = await self._session.listen(subject, functools.partial(self._on_message, agent))
        except BaseException:
            self._here.discard(agent)
            raise

    async def end(self, agent: AgentId) -> None:
        """Let an agent be reached no more."""
        self._here.discard(agent)
        listening = self._listening.pop(agent, None)
        if listening is not None:
            await listening.end()

    async def stop(self) -> None:
        """Let no agent be reached; what is being handled goes on."""
        self._here.clear()
        listening, self._listening = self._listening, {}
        await asyncio.gather(*(one.end() for one in listening.values()))

    @property
    def busy(self) -> set[AgentId]:
        """Return the agents that handle something."""
        return set(self._tasks.values())

    async def finish(self, within_s: float) -> None:
        """Return when what is being handled has been, if it is in time; at once where a handler asks."""
        if self._tasks and current_work(self._runtime) is None:
            await asyncio.wait(self._tasks, timeout=within_s)

    def _on_message(self, agent: AgentId, message: Msg) -> None:
        if self._held or not self.fresh:
            self._held.append((agent, message))
        else:
            self._take(agent, message)

    def _take(self, agent: AgentId, message: Msg) -> None:
        try:
            delivery = wire.decode_delivery(message.data)
        except msgspec.DecodeError as error:
            if message.reply:
                self._fail(message.reply, CannotRead(f"this is no message to an agent: {error}"))
            return
        match delivery:
            case wire.Delivery():
                self._deliver(agent, message.reply, delivery)
            case wire.Cancel():
                work = self._works.get(delivery.reply)
                if work is not None:
                    work.token.cancel()
            case wire.Hello():
                self._session.client.post(message.reply, wire.encode(wire.Placed(self._session.worker)))

    def _deliver(self, agent: AgentId, reply: str, delivery: wire.Delivery) -> None:
        if delivery.version > wire.VERSION:
            self._fail(reply, CannotRead(f"a message of version {delivery.version}; this runtime reads {wire.VERSION}"))
            return
        if agent not in self._here or (agent.type, agent.key) != delivery.key:
            self._post(reply, wire.encode(wire.Moved()))
            return
        work = Delivered(self._runtime, self, reply, report=delivery.report)
        self._notices.received(work.inbox)
        self._works[reply] = work
        self._idle.begin()
        task = asyncio.get_running_loop().create_task(self._run(agent, delivery, work), context=self._context.copy())
        self._tasks[task] = agent
        task.add_done_callback(self._tasks.pop)

    async def _run(self, agent: AgentId, delivery: wire.Delivery, work: Delivered) -> None:
        CURRENT.set(work)
        is_call = delivery.operation != "publish"
        fault: wire.Fault | None = None
        try:
            value = await self._handle(agent, delivery, work)
        except StateNotKept as error:
            _log.warning("%s is let go: %s", agent, error)
            self._ran(work, None)
            work.answered = True
            self._post(work.reply, wire.encode(wire.Lost(error.message)))
        except asyncio.CancelledError as error:
            fault = to_fault(error) if work.report else None
            settled = self._ran(work, None)
            if is_call:
                self._answer(work, wire.Cancelled(settled))
        except BaseException as error:  # noqa: BLE001  whatever a handler raises is its caller's
            fault = to_fault(error) if is_call or work.report else None
            settled = self._ran(work, None if is_call else fault)
            if is_call and fault is not None:
                self._answer(work, wire.Failed(fault, settled))
        else:
            settled = self._ran(work, None)
            if is_call:
                self._answer(work, wire.Value(value.body, settled))
        if work.is_settled:
            work.settled()

    def _ran(self, work: Delivered, fault: wire.Fault | None) -> bool:
        work.running = False
        if fault is not None and work.error is None:
            work.error = fault
        return work.is_settled

    def _answer(self, work: Delivered, answer: wire.Answer) -> None:
        work.answered = work.is_settled and (work.error is None or not work.report)
        try:
            self._post(work.reply, wire.encode(answer))
        except MaxPayloadError:
            limit = self._session.client.max_payload
            error = CannotTravel(f"the answer is larger than the {limit} bytes that the NATS server takes")
            self._post(work.reply, wire.encode(wire.Failed(to_fault(error), work.is_settled)))

    def _fail(self, reply: str, error: Exception) -> None:
        _log.warning("a message to an agent was refused: %s", error)
        self._post(reply, wire.encode(wire.Failed(to_fault(error), settled=True)))

    def _post(self, reply: str, data: bytes) -> None:
        self._answers[0][reply] = data
        try:
            self._session.client.post(reply, data)
        except Disconnected:
            _log.debug("an answer waits for its caller to ask again: there is no connection")

    def settled(self, work: Delivered) -> None:
        """Note that a delivery is over; once."""
        if self._works.pop(work.reply, None) is None:
            return
        if not work.answered:
            self._notices.settled(work.inbox, work.number, work.error if work.report else None)
        self._idle.end()

    def tick(self) -> None:
        """Forget old answers, where the connection holds; called each second or so."""
        if self._session.client.is_connected and not self._session.recently_back:
            self._answers = ({}, self._answers[0])

    def unknown(self, inbox: str, numbers: list[int]) -> list[int]:
        """Return which deliveries were never here, or are over; answers that may have been lost go out again."""
        waiting = {message.reply for _, message in self._held}
        missing: list[int] = []
        for number in numbers:
            reply = f"{inbox}.{number}"
            if reply in self._works or reply in waiting:
                continue
            answer = self._answers[0].get(reply) or self._answers[1].get(reply)
            if answer is None:
                missing.append(number)
            else:
                self._session.client.post(reply, answer)
        return missing
