"""Which worker holds an agent: the one whose claim stands in the bucket. The server lets one of several claims through."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

import msgspec
from autogen_core import AgentId

from bus.agents import wire
from bus.agents.errors import NotPlaced
from bus.agents.session import Session
from bus.buckets import put
from bus.errors import Disconnected, JetStreamError, NoResponders, RequestTimeout
from bus.jetstream import last_of, last_of_each

_log = logging.getLogger(__name__)

_GRACE_S = 3.0
"""After a break of our own connection others may be alive and not back yet: their agents are not taken for so long."""
_RELEASED_TTL = "2s"
_MOST_AT_ONCE = 1000


class _Claim(msgspec.Struct, frozen=True):
    worker: str
    """Empty where it was let go."""


_decode = msgspec.json.Decoder(_Claim).decode


def _holder(data: bytes) -> str:
    # The nats CLI deletes a key by an empty value.
    return _decode(data).worker if data else ""


class Claims:
    """The claims of one worker."""

    def __init__(self, session: Session, on_held: Callable[[AgentId], Awaitable[None]]) -> None:
        """Take what makes an agent reachable; it is awaited before the agent counts as held."""
        self._session = session
        self._on_held = on_held
        self._held: dict[AgentId, int] = {}
        self._claiming: dict[AgentId, asyncio.Task[str]] = {}

    def __contains__(self, agent: AgentId) -> bool:
        # Whoever asks has read our claim, perhaps before we heard that it was stored.
        return agent in self._held or agent in self._claiming

    async def acquire(self, agent: AgentId) -> str:
        """Claim an agent unless a living worker holds it, and return the name of who does then.

        Raises:
            NotPlaced: the claim could not be settled.
            RequestTimeout, NoResponders, Disconnected, JetStreamError: as of the bucket.
        """
        if agent in self._held:
            return self._session.worker
        claiming = self._claiming.get(agent)
        if claiming is None:
            claiming = self._claiming[agent] = asyncio.create_task(self._acquire(agent))
            claiming.add_done_callback(lambda _: self._claiming.pop(agent, None))
        return await asyncio.shield(claiming)

    async def _acquire(self, agent: AgentId) -> str:
        revision = 0
        for _ in range(20):
            claimed = await self._write(agent, self._session.worker, revision)
            if claimed is not None:
                self._held[agent] = claimed
                await self._on_held(agent)
                return self._session.worker
            stored = await last_of(
                self._session.requester, self._session.names.stream, self._session.names.claim(agent)
            )
            if stored is None:
                revision = 0
                continue
            owner = _holder(stored.data)
            if owner and owner != self._session.worker and await self._holds(owner, agent):
                return owner
            revision = stored.sequence
        raise NotPlaced(f"the claim on {agent} could not be settled")

    async def _write(self, agent: AgentId, worker: str, revision: int, *, ttl: str = "") -> int | None:
        key, claim = self._session.names.claim(agent), msgspec.json.encode(_Claim(worker))
        return await put(self._session.requester, key, claim, revision, ttl=ttl)

    async def _holds(self, owner: str, agent: AgentId) -> bool:
        deadline = asyncio.get_running_loop().time() + _GRACE_S
        while True:
            try:
                answer = await self._session.order(owner, wire.Holds(agent.type, agent.key))
                return wire.decode_flag(answer.data)
            except RequestTimeout:
                # Frozen, perhaps; it cannot be shown to be dead, and would go on with its agent when it wakes.
                return True
            except NoResponders:
                if not self._session.recently_back or asyncio.get_running_loop().time() > deadline:
                    return False
            await asyncio.sleep(0.1)

    async def release(self, *, except_for: Collection[AgentId] = ()) -> None:
        """Let all go, or all but some."""
        await asyncio.gather(*(self.let_go(agent) for agent in tuple(self._held) if agent not in except_for))

    async def let_go(self, agent: AgentId) -> None:
        """Let one go."""
        revision = self._held.pop(agent, None)
        if revision is not None:
            await self._release(agent, revision)

    async def _release(self, agent: AgentId, revision: int) -> None:
        try:
            await self._write(agent, "", revision, ttl=_RELEASED_TTL)
        except (JetStreamError, RequestTimeout, NoResponders, Disconnected) as error:
            _log.debug("the claim on %s was not let go: %s", agent, error)

    async def check(self) -> list[AgentId]:
        """After a break: return the agents that others hold now, and hold them no longer."""
        lost: list[AgentId] = []
        agents = list(self._held)
        for begin in range(0, len(agents), _MOST_AT_ONCE):
            some = agents[begin : begin + _MOST_AT_ONCE]
            subjects = {self._session.names.claim(agent): agent for agent in some}
            stored = await last_of_each(self._session.requester, self._session.names.stream, list(subjects))
            for subject, agent in subjects.items():
                message = stored.get(subject)
                holder = "" if message is None else _holder(message.data)
                if not holder:
                    # The server forgot, or somebody deleted it; whoever is first has it.
                    self._held.pop(agent, None)
                    if await self.acquire(agent) == self._session.worker:
                        continue
                elif holder == self._session.worker:
                    continue
                self._held.pop(agent, None)
                lost.append(agent)
        return lost
