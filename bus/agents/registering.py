"""What one runtime takes: types of agents, agents, subscriptions; the others know it when each of these returns."""

from collections.abc import Awaitable, Callable

from autogen_core import Agent, AgentId, Subscription

from bus.agents.codec import Codec
from bus.agents.errors import NoSuchSubscription
from bus.agents.hosting import Hosting
from bus.agents.node import Node
from bus.agents.produced import types_of


class Registering:
    """The registrations of one runtime."""

    def __init__(self, node: Node, hosting: Hosting, codec: Codec) -> None:
        self._node = node
        self._hosting = hosting
        self._codec = codec
        self._subscriptions: list[Subscription] = []

    async def factory(
        self, agent_type: str, factory: Callable[[], Agent | Awaitable[Agent]], expected: type[Agent] | None
    ) -> None:
        """Take agents of a type; ValueError where that is done already."""
        self._hosting.add_factory(agent_type, factory, expected)
        if expected is not None:
            self._learn(expected)
        await self.tell()

    async def instance(self, agent: Agent, agent_id: AgentId) -> None:
        """Take an agent; ValueError where its id is taken, here or elsewhere, or does not go with what is registered here."""
        await self._hosting.add_instance(agent, agent_id)
        self._learn(type(agent))
        await self.tell()
        if self._node.started.is_set() and not await self._node.hold(agent_id):
            self._hosting.forget(agent_id)
            raise ValueError(f"Agent with id {agent_id} already exists, at another worker.")

    async def subscribe(self, subscription: Subscription) -> None:
        """Take a subscription; ValueError where there is an equal one."""
        if any(known == subscription for known in self._subscriptions):
            raise ValueError("Subscription already exists")
        self._subscriptions.append(subscription)
        await self.tell()

    async def unsubscribe(self, subscription_id: str) -> None:
        """Drop a subscription; NoSuchSubscription where there is none of this id."""
        if not any(known.id == subscription_id for known in self._subscriptions):
            raise NoSuchSubscription("Subscription does not exist")
        self._subscriptions = [known for known in self._subscriptions if known.id != subscription_id]
        await self.tell()

    async def tell(self) -> None:
        """Tell the others what this runtime takes, joining them first where that has not happened."""
        await self._node.join()
        await self._node.tell(self._subscriptions)

    def _learn(self, cls: type) -> None:
        for known in types_of(cls):
            self._codec.learn(known)
