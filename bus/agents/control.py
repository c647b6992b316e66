"""What a runtime answers to the others, on its worker subject."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

import msgspec
from autogen_core import AgentId, TopicId
from nats.aio.msg import Msg

from bus.agents import wire
from bus.agents.claims import Claims
from bus.agents.durable.dispatching import Dispatching
from bus.agents.hosting import Hosting
from bus.agents.incoming import Incoming
from bus.agents.members import Members
from bus.agents.outgoing import Outgoing
from bus.agents.session import Listening, Session
from bus.errors import SanctuaryError

_log = logging.getLogger(__name__)

_START_WAIT_S = 2.0
_SYNC_WAIT_S = 1.0


class Control:
    """Answers orders."""

    def __init__(
        self,
        *,
        session: Session,
        members: Members,
        claims: Claims,
        incoming: Incoming,
        outgoing: Outgoing,
        hosting: Hosting,
        started: asyncio.Event,
        dispatching: Dispatching,
    ) -> None:
        self._session = session
        self._members = members
        self._claims = claims
        self._incoming = incoming
        self._outgoing = outgoing
        self._hosting = hosting
        self._started = started
        self._dispatching = dispatching
        self._listening: Listening | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen."""
        self._listening = await self._session.listen(self._session.names.worker(self._session.worker), self._on_message)

    async def close(self) -> None:
        """Answer no more: to the others this runtime is gone."""
        if self._listening is not None:
            await self._listening.end()
            self._listening = None
        for task in self._tasks:
            task.cancel()

    def _on_message(self, message: Msg) -> None:
        try:
            order = wire.decode_order(message.data)
        except msgspec.DecodeError as error:
            _log.warning("an order to this runtime cannot be read: %s", error)
            return
        match order:
            case wire.Announce():
                self._members.learn(order.member)
                self._answer(message, self._members.own)
            case wire.Leave():
                self._members.forget(order.worker)
            case wire.Holds():
                self._answer(message, AgentId(order.agent_type, order.key) in self._claims)
            case wire.Dispatches():
                self._answer(message, self._dispatching.does(order.agent_type))
            case wire.Watch():
                self._answer(message, self._incoming.unknown(order.inbox, order.numbers))
            case wire.Resolve():
                agents = self._members.resolve(TopicId(order.topic_type, order.source))
                self._answer(message, [(agent.type, agent.key) for agent in agents])
            case wire.Place():
                self._run(self._place(message, AgentId(order.agent_type, order.key)))
            case wire.Sync():
                self._run(self._sync(message))

    def _answer(self, message: Msg, answer: object) -> None:
        if message.reply:
            self._session.client.post(message.reply, wire.encode(answer))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _place(self, message: Msg, agent: AgentId) -> None:
        owner, problem = "", ""
        if agent.type not in self._hosting.types:
            problem = f"runtime {self._session.worker} does not take agents of type {agent.type!r}"
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_START_WAIT_S):
                    await self._started.wait()
            if not self._started.is_set():
                problem = f"the runtime that takes agents of type {agent.type!r} is not started"
            else:
                try:
                    owner = await self._claims.acquire(agent)
                except SanctuaryError as error:
                    problem = error.message
                except Exception as error:  # noqa: BLE001  whoever asked is told, whatever it is
                    problem = str(error)
        with contextlib.suppress(SanctuaryError):
            self._answer(message, wire.Placed(owner, problem))

    async def _sync(self, message: Msg) -> None:
        placing = self._outgoing.unplaced
        if placing:
            await asyncio.wait(placing, timeout=_SYNC_WAIT_S)
        with contextlib.suppress(SanctuaryError):
            self._answer(message, True)
