"""Agents' states in the bucket `<namespace>_agent_states`: read, written and taken over by compare-and-set.

An agent's head names its writer and holds the state, or says which parts do where the state is larger than one message should
be. Parts are written before the head that names them, under names of their own, so that a head's state is always whole; those
that no head names any more are erased after the next large state is written.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec
from autogen_core import AgentId

from bus.agents import wire
from bus.agents.buckets import ensure_bucket
from bus.agents.errors import StateNotKept
from bus.agents.session import Session
from bus.buckets import put
from bus.errors import Disconnected, NoResponders, RequestTimeout, SanctuaryError
from bus.jetstream import PubAck, last_of, publish
from bus.ledger import stream_entries

VERSION = 1
"""Of heads."""
_PART_BYTES = 256 * 1024
"""Of a state in one message; larger ones go in parts. The server's own limit, where smaller, is the limit."""
_OVERHEAD_BYTES = 4096
"""What a head has beside the state, and the server counts beside a message's bytes."""
_PARTS_AT_ONCE = 4
_WITHIN_S = 5.0
"""So long is tried again what the server does not answer, or cannot be asked for want of a connection."""
_TRY_S = 2.0
_PAUSE_S = 0.05

T = TypeVar("T")


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of an agent."""

    version: int
    writer: str
    """Who may write next, and nobody else: one object of an agent, in one process."""
    state: bytes
    """Empty where there is none yet, or parts hold it."""
    parts: str = ""
    """The name of the parts, if any."""
    count: int = 0
    """How many there are."""
    first: int = 0
    """The sequence of that written first: parts of this agent below it are of no use any more."""
    digest: bytes = b""
    """Of the whole state, where parts hold it."""


_NOTHING = Head(VERSION, "", b"")
_decode_head = msgspec.msgpack.Decoder(Head).decode


class Stored(msgspec.Struct, frozen=True):
    """A head as the bucket holds it."""

    head: Head
    sequence: int

    def bare(self) -> "Stored":
        """Return this without the state."""
        return Stored(msgspec.structs.replace(self.head, state=b""), self.sequence)


class Overtaken(SanctuaryError):
    """Another wrote since: nothing was written."""


class States:
    """The bucket. All raise StateNotKept where the server refuses, or cannot be reached for 5 s."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def open(self) -> None:
        """Make the bucket where there is none; raises RuntimeFailed."""
        await ensure_bucket(self._session, self._session.names.states_bucket)

    async def read(self, agent: AgentId) -> Stored | None:
        """Return the head of an agent; None where nothing was ever kept of it."""
        names = self._session.names

        async def read() -> Stored | None:
            found = await last_of(
                self._session.requester, names.states_stream, names.state_head(agent), timeout_s=_TRY_S
            )
            if found is None:
                return None
            # The nats CLI deletes a key by an empty value: the agent begins anew.
            return Stored(_decode_head(found.data) if found.data else _NOTHING, found.sequence)

        stored = await self._insist(agent, read)
        if stored is not None and stored.head.version > VERSION:
            raise StateNotKept(
                f"the state of {agent} was kept in version {stored.head.version} of the format; this runtime reads {VERSION}"
            )
        return stored

    async def take(self, agent: AgentId, stored: Stored | None, writer: str) -> Stored:
        """Become the one who may write, and return what is kept.

        Raises:
            Overtaken: another has written since `stored` was read.
        """
        head = Head(VERSION, writer, b"") if stored is None else msgspec.structs.replace(stored.head, writer=writer)
        return Stored(head, await self._put_head(agent, head, 0 if stored is None else stored.sequence))

    async def load(self, agent: AgentId, head: Head) -> bytes:
        """Return the state that a head has or names; whoever asks has taken it, or parts may vanish meanwhile."""
        if not head.parts:
            return head.state
        names = self._session.names

        async def read() -> dict[str, bytes]:
            subjects = f"{names.state_parts(agent)}.{head.parts}.*"
            found = stream_entries(self._session.requester, names.states_stream, subjects, start=head.first)
            return {part.subject: part.data async for part in found}

        parts = await self._insist(agent, read)
        subjects = [f"{names.state_parts(agent)}.{head.parts}.{number}" for number in range(head.count)]
        state = b"".join(parts.get(subject, b"") for subject in subjects)
        if _digest(state) != head.digest:
            raise StateNotKept(
                f"the state of {agent} in the bucket {names.states_stream} is damaged: parts are missing"
            )
        return state

    async def save(self, agent: AgentId, state: bytes, before: Stored) -> Stored:
        """Write a state in place of the one that `before` is the head of.

        Raises:
            Overtaken: another has written since.
        """
        writer = before.head.writer
        head = Head(VERSION, writer, state) if self._fits(state) else await self._put_parts(agent, writer, state)
        try:
            stored = Stored(head, await self._put_head(agent, head, before.sequence))
        except Overtaken:
            # Where it is merely unknown what became of the head, it may come to stand, and needs them.
            if head.parts:
                self._erase(agent, f".{head.parts}.*")
            raise
        if head.parts or before.head.parts:
            self._erase(agent, ".>", below=head.first or stored.sequence)
        return stored.bare()

    @property
    def _part_bytes(self) -> int:
        return min(_PART_BYTES, self._session.client.max_payload - _OVERHEAD_BYTES)

    def _fits(self, state: bytes) -> bool:
        return len(state) <= self._part_bytes

    async def _put_parts(self, agent: AgentId, writer: str, state: bytes) -> Head:
        name, size = secrets.token_hex(8), self._part_bytes
        prefix = f"{self._session.names.state_parts(agent)}.{name}"
        parts = [state[begin : begin + size] for begin in range(0, len(state), size)]
        first = 0
        for begin in range(0, len(parts), _PARTS_AT_ONCE):
            some = enumerate(parts[begin : begin + _PARTS_AT_ONCE], begin)
            acks = await asyncio.gather(*(self._put_part(agent, f"{prefix}.{number}", part) for number, part in some))
            first = first or min(ack.seq for ack in acks)
        return Head(VERSION, writer, b"", parts=name, count=len(parts), first=first, digest=_digest(state))

    async def _put_part(self, agent: AgentId, subject: str, part: bytes) -> PubAck:
        # Written twice where the first answer was lost, which does no harm: a subject holds one message.
        return await self._insist(agent, lambda: publish(self._session.requester, subject, part, timeout_s=_TRY_S))

    async def _put_head(self, agent: AgentId, head: Head, expected: int) -> int:
        subject, data = self._session.names.state_head(agent), wire.encode(head)

        async def put_once() -> int | None:
            return await put(self._session.requester, subject, data, expected, timeout_s=_TRY_S)

        while True:
            sequence = await self._insist(agent, put_once)
            if sequence is not None:
                return sequence
            stored = await self.read(agent)
            if stored is None:
                # The server forgot what it had, and whoever writes first goes on.
                expected = 0
            elif stored.head == head:
                # A try whose answer was lost had come to pass.
                return stored.sequence
            else:
                by = "another worker has gone on with" if stored.head.writer else "somebody has deleted the state of"
                raise Overtaken(f"{by} {agent}")

    def _erase(self, agent: AgentId, which: str, *, below: int = 0) -> None:
        """Erase parts, without waiting for it: what stays is erased with the next ones."""
        names = self._session.names
        body: dict[str, Any] = {"filter": f"{names.state_parts(agent)}{which}"}
        if below:
            body["seq"] = below
        try:
            erasing = self._session.requester.send(
                f"$JS.API.STREAM.PURGE.{names.states_stream}", msgspec.json.encode(body)
            )
        except Disconnected:
            return
        erasing.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _insist(self, agent: AgentId, ask: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _WITHIN_S
        while True:
            try:
                return await ask()
            except (Disconnected, NoResponders, RequestTimeout) as error:
                if loop.time() > deadline or not self._session.is_open:
                    raise StateNotKept(f"the state of {agent} is out of reach: {error.message}") from None
                if isinstance(error, NoResponders):
                    # Somebody may have removed the bucket; those who have agents still know their state.
                    with contextlib.suppress(SanctuaryError):
                        await self.open()
            except SanctuaryError as error:
                raise StateNotKept(f"the state of {agent} was refused: {error.message}") from None
            except asyncio.CancelledError:
                # The requester cancels what waits when the runtime is closed.
                if self._session.is_open:
                    raise
                raise StateNotKept(f"the runtime that had {agent} was closed") from None
            await asyncio.sleep(_PAUSE_S)


def _digest(state: bytes) -> bytes:
    return blake2b(state, digest_size=16).digest()
