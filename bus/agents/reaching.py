"""Agents by their ids: the objects themselves where they are here, orders to them wherever they are."""

from collections.abc import Mapping
from typing import Any, TypeVar

from autogen_core import Agent, AgentId
from autogen_core.exceptions import NotAccessibleError

from bus.agents import wire
from bus.agents.codec import Codec
from bus.agents.errors import RecipientNotFound
from bus.agents.handling import Handling
from bus.agents.hosting import Hosting
from bus.agents.node import Node
from bus.agents.running import Running
from bus.agents.sending import Sending

AgentT = TypeVar("AgentT", bound=Agent)


class Reaching:
    """Reaches agents for one runtime."""

    def __init__(
        self, *, node: Node, hosting: Hosting, handling: Handling, sending: Sending, codec: Codec, running: Running
    ) -> None:
        self._node = node
        self._hosting = hosting
        self._handling = handling
        self._sending = sending
        self._codec = codec
        self._running = running

    async def instance(self, agent_id: AgentId, kind: type[AgentT]) -> AgentT:
        """Return an agent that is here, or could be.

        Raises:
            LookupError: no runtime takes agents of this type.
            NotAccessibleError: another one has it.
            TypeError: it is of another class.
        """
        if agent_id.type not in self._hosting.types:
            await self._node.join()
            if not self._node.members.takers(agent_id.type):
                raise RecipientNotFound(f"Agent with name {agent_id.type} not found.")
            raise NotAccessibleError(f"{agent_id} is not in this process")
        if self._running.is_on:
            await self._running.ready()
            if not await self._node.hold(agent_id):
                raise NotAccessibleError(f"{agent_id} is not in this process")
        agent = await self._hosting.get(agent_id)
        if not isinstance(agent, kind):
            raise TypeError(
                f"Agent with name {agent_id.type} is not of type {kind.__name__}. It is of type {agent.__class__.__name__}"
            )
        return agent

    async def order(self, agent_id: AgentId, operation: wire.Operation, message: Any = None) -> Any:
        """Have an agent do something that is not its handlers' affair; return what came of it, or raise it."""
        delivery = wire.Delivery(wire.VERSION, operation, (agent_id.type, agent_id.key), self._codec.encode(message))
        if not self._running.is_on and agent_id.type in self._hosting.types:
            return await self._handling.order(agent_id, delivery)
        with self._sending.under_way() as parent:
            await self._node.join()
            value = await self._sending.order(agent_id, delivery, None, parent)
        return self._codec.decode(value.body)

    async def save(self) -> Mapping[str, Any]:
        """Return the state of all agents that are made here, by id."""
        # Agents are made and let go meanwhile.
        return {
            str(agent_id): dict(await agent.save_state()) for agent_id, agent in tuple(self._hosting.agents.items())
        }

    async def load(self, state: Mapping[str, Any]) -> None:
        """Give agents of the types that are taken here their state back."""
        for name, of_agent in state.items():
            agent_id = AgentId.from_str(name)
            if agent_id.type in self._hosting.types:
                await self.order(agent_id, "load", dict(of_agent))
