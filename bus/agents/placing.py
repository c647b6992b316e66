"""Finding the worker that holds an agent, or one that takes it."""

import asyncio
from hashlib import blake2b

from autogen_core import AgentId

from bus.agents import wire
from bus.agents.errors import NotPlaced, RecipientNotFound, WorkerLost
from bus.agents.members import Members
from bus.agents.session import ORDER_TIMEOUT_S, Session
from bus.errors import Disconnected, NoResponders, RequestTimeout

_WITHIN_S = 4.5
"""No caller waits longer for an agent to be placed."""
_PAUSE_S = 0.02
_LEAST_S = 0.1
"""What the last runtime that is asked has to answer, where those before it took all the time."""


class Placing:
    """Asks the network."""

    def __init__(self, session: Session, members: Members, started: asyncio.Event) -> None:
        self._session = session
        self._members = members
        self._started = started

    async def find(self, agent: AgentId) -> str:
        """Return the name of the worker that holds `agent`; one takes it where none does.

        An agent of this runtime alone waits for it to be started, however long that takes, as in one process.

        Raises:
            RecipientNotFound: no runtime takes agents of this type.
            WorkerLost: the worker that holds it does not answer.
            NotPlaced: nobody took it within 4.5 s.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _WITHIN_S
        refused: dict[str, str] = {}
        while True:
            try:
                return await self.holder(agent)
            except RequestTimeout:
                raise WorkerLost(f"{agent}: the worker that holds it does not answer") from None
            except Disconnected:
                problem = "there is no connection to the NATS server"
            except NoResponders:
                try:
                    problem = await self._place(
                        agent, refused, min(ORDER_TIMEOUT_S, max(deadline - loop.time(), _LEAST_S))
                    )
                except (Disconnected, RequestTimeout) as error:
                    problem = error.message
                if not self._started.is_set() and self._is_ours_alone(agent):
                    await self._started.wait()
                    deadline = loop.time() + _WITHIN_S
                    continue
            if loop.time() > deadline:
                raise NotPlaced(f"{agent} was not placed in time: {problem}")
            if problem:
                await asyncio.sleep(_PAUSE_S)

    async def holder(self, agent: AgentId) -> str:
        """Return the name of the worker that holds `agent`; raises NoResponders where none does, and as `Requester.request`."""
        answer = await self._session.requester.request(
            self._session.names.agent(agent), _HELLO, timeout_s=ORDER_TIMEOUT_S
        )
        return wire.decode_placed(answer.data).worker

    async def _place(self, agent: AgentId, refused: dict[str, str], within_s: float) -> str:
        """Ask the runtime that comes first for this agent to take it; return what was in the way, if anything."""
        takers = self._members.takers(agent.type)
        if not takers:
            await self._members.refresh()
            takers = self._members.takers(agent.type)
        if not takers:
            raise RecipientNotFound(
                f"Recipient not found: no runtime of {self._session.names.namespace} takes agents of type {agent.type!r}"
            )
        if not self._started.is_set() and self._is_ours_alone(agent):
            return "this runtime is not started"
        # The same for all who ask, spread evenly over the workers of a type, as long as these stay the same.
        taker = min(takers, key=lambda one: (one.worker in refused, not one.started, _rank(one.worker, agent)))
        try:
            answer = await self._session.order(taker.worker, wire.Place(agent.type, agent.key), timeout_s=within_s)
        except NoResponders:
            await self._members.bury(taker.worker)
            refused[taker.worker] = f"runtime {taker.worker} is gone, or not back yet"
            return refused[taker.worker]
        except RequestTimeout:
            refused[taker.worker] = f"runtime {taker.worker} does not answer"
            return refused[taker.worker]
        problem = wire.decode_placed(answer.data).problem
        if problem:
            refused[taker.worker] = problem
        return problem

    def _is_ours_alone(self, agent: AgentId) -> bool:
        takers = self._members.takers(agent.type)
        return [one.worker for one in takers] == [self._session.worker]


_HELLO = wire.encode(wire.Hello())


def _rank(worker: str, agent: AgentId) -> bytes:
    return blake2b(f"{worker}/{agent}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
