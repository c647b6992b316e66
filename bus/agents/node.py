"""One runtime on the network: joins, starts and stops taking agents, and keeps an eye on both ways."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from autogen_core import AgentId, Subscription

from bus.agents import wire
from bus.agents.claims import Claims
from bus.agents.control import Control
from bus.agents.durable.dispatching import Dispatching
from bus.agents.durable.topics import Topics
from bus.agents.hosting import Hosting
from bus.agents.idle import Idle
from bus.agents.incoming import Handle, Incoming
from bus.agents.keeping import Keeping
from bus.agents.members import Members
from bus.agents.outgoing import Outgoing
from bus.agents.placing import Placing
from bus.agents.session import Session, Where
from bus.agents.watching import TICK_S, Watching
from bus.errors import SanctuaryError

_log = logging.getLogger(__name__)

_SYNC_TIMEOUT_S = 2.0
_JOIN_WAIT_S = 2.5
"""How long leaving waits for a join that is under way; without a connection that would be for ever."""
_FINISH_S = 10.0
"""So long agents whose state is kept are held for what they still handle; what comes later is not kept."""


class Node:
    """Puts the parts together."""

    def __init__(
        self,
        runtime: object,
        where: Where,
        namespace: str,
        *,
        hosting: Hosting,
        handle: Handle,
        idle: Idle,
        durable_topics: Sequence[str],
        keeping: Keeping | None,
    ) -> None:
        self._hosting = hosting
        self._keeping = keeping
        self._joining: asyncio.Task[None] | None = None
        self._checking: asyncio.Task[None] | None = None
        self._pulse: asyncio.TimerHandle | None = None
        self._beats = 0
        self.joined = False
        self.started = asyncio.Event()
        self.session = Session(where, namespace)
        self.topics = Topics(self.session)
        self.members = Members(self.session, durable_topics, self.topics.name)
        self.incoming = Incoming(runtime, self.session, idle, handle)
        self.claims = Claims(self.session, self._held)
        placing = Placing(self.session, self.members, self.started)
        self.outgoing = Outgoing(self.session, placing, idle)
        self.dispatching = Dispatching(self.session, self.members, self.outgoing, self.topics, self.started)
        self._control = Control(
            session=self.session,
            members=self.members,
            claims=self.claims,
            incoming=self.incoming,
            outgoing=self.outgoing,
            hosting=hosting,
            started=self.started,
            dispatching=self.dispatching,
        )
        self._watching = Watching(self.session, self.members, self.outgoing, placing)

    async def join(self) -> None:
        """Enter the namespace, once; raises as `Session.open` and `Members.join`, and the next call tries again."""
        if self.joined:
            return
        if self._joining is None or (self._joining.done() and self._joining.exception() is not None):
            self._joining = asyncio.create_task(self._join(), name=f"join {self.session.worker}")
        await asyncio.shield(self._joining)

    async def _join(self) -> None:
        await self.session.open()
        try:
            await self.session.unless_refused(self._come_in())
        except BaseException:
            await self._control.close()
            await self.outgoing.close()
            raise
        self.joined = True
        self._beat_later()

    async def _come_in(self) -> None:
        await self._control.open()
        await self.outgoing.open()
        self.incoming.verified(self.incoming.fresh.now())
        await self._enter()

    async def _enter(self) -> None:
        if self._keeping is not None:
            await self._keeping.open(self.session, self._give_up)
        await self.members.join()

    async def leave(self) -> None:
        """Leave for good, as far as the others are concerned."""
        if self._joining is None:
            return
        await asyncio.wait((self._joining,), timeout=_JOIN_WAIT_S)
        for task in (self._joining, self._checking):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait((task,))
        if self._pulse is not None:
            self._pulse.cancel()
        self._watching.stop()
        if self.joined:
            with contextlib.suppress(SanctuaryError):
                await self.members.leave()
            await self._control.close()
            await self.outgoing.close()
        await self.session.close()
        self._joining, self.joined = None, False

    async def start(self) -> None:
        """Take agents."""
        await self.join()
        for agent in tuple(self._hosting.agents):
            if not await self.hold(agent):
                _log.warning("%s is held by another runtime now; this one's is dropped", agent)
                self._hosting.forget(agent)
        self.started.set()

    async def hold(self, agent: AgentId) -> bool:
        """Claim an agent; tell whether it is ours."""
        return await self.claims.acquire(agent) == self.session.worker

    async def _held(self, agent: AgentId) -> None:
        self._hosting.held(agent)
        await self.incoming.listen(agent)

    async def _give_up(self, agent: AgentId) -> None:
        """Let one agent go: its state is not kept."""
        self._hosting.drop(agent)
        await self.incoming.end(agent)
        await self.claims.let_go(agent)

    async def stop(self) -> None:
        """Take agents no more: others may have those that were here, with what they have been told so far."""
        self.started.clear()
        if self.joined:
            await self.dispatching.stop()
            await self.incoming.stop()
            try:
                if self._keeping is not None:
                    await self.claims.release(except_for=self.incoming.busy)
                    await self.incoming.finish(_FINISH_S)
            finally:
                await self.claims.release()

    async def tell(self, subscriptions: Sequence[Subscription]) -> None:
        """Tell the others what this runtime takes; they know it when this returns."""
        self.members.update(started=self.started.is_set(), types=self._hosting.types, subscriptions=subscriptions)
        if self.joined:
            await self.members.say()
            await self.dispatching.update()

    async def sync(self) -> None:
        """Return when all that others had sent here before has arrived; whoever does not answer is not waited for."""
        await asyncio.gather(*(self._sync(worker) for worker in self.members.others))

    async def _sync(self, worker: str) -> None:
        with contextlib.suppress(SanctuaryError):
            await self.session.order(worker, wire.Sync(), timeout_s=_SYNC_TIMEOUT_S)

    def _beat_later(self) -> None:
        self._pulse = asyncio.get_running_loop().call_later(TICK_S, self._beat)

    def _beat(self) -> None:
        if self.session.client.is_closed:
            self._watching.tick()
            return
        self._beats += 1
        self.incoming.fresh.refresh()
        self.dispatching.beat()
        if not self.incoming.fresh and self.session.client.is_connected and self._checking is None:
            self._checking = asyncio.create_task(self._check(), name=f"check {self.session.worker}")
        if self._beats % 4 == 0:
            self.incoming.tick()
        self._watching.tick()
        self._beat_later()

    async def _check(self) -> None:
        """After a break of the connection, or of our running: be entered again, and let go of what others hold now."""
        try:
            await self._enter()
            moment = self.incoming.fresh.now()
            for agent in await self.claims.check():
                _log.warning("%s went to another worker while this one was away", agent)
                await self.incoming.end(agent)
                self._hosting.forget(agent)
            self.incoming.verified(moment)
        except SanctuaryError as error:
            _log.debug("the claims could not be looked at yet: %s", error)
        finally:
            self._checking = None
