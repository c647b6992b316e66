"""Seeing to it that nothing waits on a worker that is gone: each half second the workers that are slow to answer are asked.

Nobody there (the process died, or its connection did) is known at the next look; no answer (a frozen process, or a handler
that blocks its event loop) after 3 s; a message or an answer that was lost on the way, as soon as its worker says that it
knows nothing of it. Where the agent has moved meanwhile, the message went to its new worker, which is asked next.
"""

import asyncio
import functools
from collections.abc import Collection

from autogen_core import AgentId

from bus.agents import wire
from bus.agents.members import Members
from bus.agents.outgoing import Item, Outgoing
from bus.agents.placing import Placing
from bus.agents.session import Session
from bus.errors import Disconnected, NoResponders, RequestTimeout

TICK_S = 0.5
_PATIENCE_S = 3.0
_MOST_AT_ONCE = 5000
_WITHOUT_CONNECTION_S = 4.0


class Watching:
    """Watches what one runtime has sent."""

    def __init__(self, session: Session, members: Members, outgoing: Outgoing, placing: Placing) -> None:
        self._session = session
        self._members = members
        self._outgoing = outgoing
        self._placing = placing
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._gone_since: float | None = None

    def tick(self) -> None:
        """Look at what is under way."""
        now = asyncio.get_running_loop().time()
        if not self._session.client.is_connected:
            self._gone_since = self._gone_since or now
            if now - self._gone_since > _WITHOUT_CONNECTION_S:
                for worker in {item.worker for item in self._outgoing.items.values() if item.worker}:
                    self._outgoing.lost(worker, None, "there is no connection to the NATS server")
            return
        self._gone_since = None
        overdue: dict[str, list[int]] = {}
        for item in self._outgoing.items.values():
            if item.worker and now - item.posted_at > TICK_S:
                overdue.setdefault(item.worker, []).append(item.number)
        for worker, numbers in overdue.items():
            if worker not in self._asking:
                asking = asyncio.create_task(self._ask(worker, numbers[:_MOST_AT_ONCE]))
                self._asking[worker] = asking
                asking.add_done_callback(functools.partial(self._asked, worker))

    def _asked(self, worker: str, _: object) -> None:
        self._asking.pop(worker, None)

    def stop(self) -> None:
        """Ask no more."""
        for asking in self._asking.values():
            asking.cancel()

    async def _ask(self, worker: str, numbers: list[int]) -> None:
        breaks = self._session.breaks
        try:
            answer = await self._session.order(worker, wire.Watch(self._outgoing.inbox, numbers), timeout_s=_PATIENCE_S)
        except NoResponders:
            if not self._session.recently_back:
                await self._follow(worker)
                self._outgoing.lost(worker, None, "the worker that had the message is gone")
                await self._members.bury(worker)
        except RequestTimeout:
            if self._session.breaks == breaks and self._session.client.is_connected:
                self._outgoing.lost(
                    worker, None, f"the worker that has the message has not answered for {_PATIENCE_S:g} s"
                )
        except Disconnected:
            return
        else:
            unknown = wire.decode_numbers(answer.data)
            # Their answers would have come before the one to this question.
            missing = {item.number: item.posted_at for item in self._sent_to(worker, unknown)}
            if missing:
                await self._follow(worker, unknown)
                # But for those that were sent once more meanwhile.
                lost = [
                    one.number for one in self._sent_to(worker, unknown) if one.posted_at == missing.get(one.number)
                ]
                self._outgoing.lost(worker, lost, "the message, or the answer to it, was lost with a connection")

    def _sent_to(self, worker: str, numbers: Collection[int] | None = None) -> list[Item]:
        """Return what is under way to a worker, of these or of all."""
        items = self._outgoing.items
        found = [items[number] for number in (items if numbers is None else numbers) if number in items]
        return [item for item in found if item.worker == worker]

    async def _follow(self, worker: str, numbers: Collection[int] | None = None) -> None:
        """Take what was sent for agents that have moved from a worker as sent to where they are now."""
        looked: set[AgentId] = set()
        while more := {item.lane.recipient for item in self._sent_to(worker, numbers)} - looked:
            looked |= more
            await asyncio.gather(*(self._follow_one(agent, worker) for agent in more))

    async def _follow_one(self, agent: AgentId, worker: str) -> None:
        try:
            holder = await self._placing.holder(agent)
        except (NoResponders, RequestTimeout, Disconnected):
            return
        if holder != worker:
            self._outgoing.moved(agent, worker, holder)
