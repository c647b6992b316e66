"""Agents whose state is kept in the network: got before the first message, saved after each, in one line of history.

Whoever makes an agent takes its state over, and from then on what any earlier object of that agent would save is refused. An
object whose state was refused, or could not be saved, is dropped, and those whose messages it had handled since get WorkerLost:
what no answer told of never was, unless it was saved.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from hashlib import blake2b
from types import TracebackType

import msgspec
from autogen_core import Agent, AgentId, BaseAgent

from bus.agents import wire
from bus.agents.codec import Codec
from bus.agents.errors import StateNotKept
from bus.agents.session import Session
from bus.agents.states import Overtaken, States, Stored

_TRIES = 5

_decode_body = msgspec.msgpack.Decoder(wire.Body).decode

OnLost = Callable[[AgentId], Awaitable[None]]


class Keeping:
    """The states of the agents of one runtime."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._lines: dict[AgentId, _Line] = {}
        self._states: States | None = None
        self._on_lost: OnLost = _nothing

    async def open(self, session: Session, on_lost: OnLost) -> None:
        """Make the bucket where there is none; `on_lost` is awaited when an agent has to be let go. Raises RuntimeFailed."""
        self._states, self._on_lost = States(session), on_lost
        await self._states.open()

    async def resume(self, agent_id: AgentId, agent: Agent) -> bool:
        """Give an agent that this worker holds what is kept of it.

        False where it went on from here and elsewhere meanwhile: then it must be made anew, or is good for another call.

        Raises:
            StateNotKept: the state could not be got.
            Exception: as of the agent's `load_state`.
        """
        if not _has_state(agent):
            return True
        states = self.states
        for _ in range(_TRIES):
            stored = await states.read(agent_id)
            line = self._lines.get(agent_id)
            if line is not None and line.agent is agent:
                if line.go_on(stored):
                    return True
                line.lose()
                del self._lines[agent_id]
                return False
            try:
                stored = await states.take(agent_id, stored, secrets.token_hex(8))
            except Overtaken:
                continue
            state = await states.load(agent_id, stored.head)
            if state:
                await agent.load_state(self._codec.decode(_decode_body(state)))
            self._lines[agent_id] = _Line(self, agent_id, agent, stored, state)
            return True
        raise StateNotKept(f"several workers took {agent_id} at once")

    def handling(self, agent_id: AgentId, agent: Agent) -> AbstractAsyncContextManager[object]:
        """Return what a message is handled in: when it is left, the agent's state has been saved.

        Raises:
            StateNotKept: the agent went elsewhere; nothing has been handled.
        """
        if not _has_state(agent):
            return _STATELESS
        line = self._lines.get(agent_id)
        if line is None or line.agent is not agent:
            raise StateNotKept(f"{agent_id} is not here any more")
        return line

    def forget(self, agent_id: AgentId) -> None:
        """Drop an agent."""
        self._lines.pop(agent_id, None)

    async def lost(self, agent_id: AgentId, line: "_Line") -> None:
        """Let go of an agent whose state is not kept, unless it was made anew already."""
        if self._lines.get(agent_id) is line:
            del self._lines[agent_id]
            await self._on_lost(agent_id)

    def encode(self, state: dict[str, object]) -> bytes:
        """Return a state as it is kept; raises CannotTravel."""
        return wire.encode(self._codec.encode(state))

    @property
    def states(self) -> States:
        """The bucket."""
        if self._states is None:
            raise StateNotKept("the runtime has not joined its namespace")
        return self._states


class _Line:
    """What one object of an agent adds to its history; entered by each message."""

    def __init__(self, keeping: Keeping, agent_id: AgentId, agent: Agent, stored: Stored, state: bytes) -> None:
        self.agent = agent
        self._keeping = keeping
        self._agent_id = agent_id
        self._stored = stored.bare()
        self._digest = _digest(state)
        self._lost = False
        self._asked = 0
        self._saved = 0
        """How many of those that asked are served by what has been saved."""
        self._lock = asyncio.Lock()

    def go_on(self, stored: Stored | None) -> bool:
        """Tell whether this object is still the last one; it is also where the server has lost what it saved."""
        if stored is None:
            self._digest = b""
        return not self._lost and (stored is None or stored.head.writer == self._stored.head.writer)

    def lose(self) -> None:
        """Save no more."""
        self._lost = True

    async def __aenter__(self) -> None:
        """Begin to handle a message."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Save what a message has changed, also where its handler failed.

        Raises:
            StateNotKept: it could not be saved.
            Exception: as of the agent's `save_state`.
        """
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # Cancelling a message's token never does that: the event loop ends, and nothing would answer any more.
            return
        self._asked += 1
        turn = self._asked
        async with self._lock:
            # What was saved since this handler ended holds what it did.
            if self._saved >= turn:
                return
            if self._lost:
                raise StateNotKept(f"{self._agent_id} is not here any more")
            asked = self._asked
            try:
                await self._save()
            except Exception:
                self._lost = True
                await self._keeping.lost(self._agent_id, self)
                raise
            self._saved = asked

    async def _save(self) -> None:
        state = self._keeping.encode(dict(await self.agent.save_state()))
        digest = _digest(state)
        if digest == self._digest:
            return
        try:
            self._stored = await self._keeping.states.save(self._agent_id, state, self._stored)
        except Overtaken as error:
            raise StateNotKept(error.message) from None
        self._digest = digest


def _has_state(agent: Agent) -> bool:
    """Tell whether an agent says what its state is: those that leave it to BaseAgent have none."""
    return getattr(type(agent), "save_state", None) is not BaseAgent.save_state


def _digest(state: bytes) -> bytes:
    return blake2b(state, digest_size=16).digest()


async def _nothing(_: AgentId) -> None: ...


_STATELESS = contextlib.nullcontext()
