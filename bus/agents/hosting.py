"""The agents of one runtime: what makes them, and those that are made."""

import asyncio
import inspect
import logging
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from autogen_core import Agent, AgentId, AgentInstantiationContext, AgentRuntime
from autogen_core.logging import AgentConstructionExceptionEvent

from bus.agents.errors import RecipientNotFound
from bus.agents.keeping import Keeping

_log = logging.getLogger("autogen_core")
_events = logging.getLogger("autogen_core.events")

Factory = Callable[..., Any]


class _Making:
    __slots__ = ("lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


class Hosting:
    """Has agents made, and given the state that is kept of them, if it is."""

    def __init__(self, runtime: AgentRuntime, keeping: Keeping | None) -> None:
        self._runtime = runtime
        self._keeping = keeping
        self._unread: set[AgentId] = set()
        """Those that are held here since a moment ago: what is kept of them has to be got first."""
        self._factories: dict[str, Factory | None] = {}
        """None stands for a type of which only instances are registered."""
        self._expected: dict[str, type[Agent] | None] = {}
        self._agents: dict[AgentId, Agent] = {}
        self._making: dict[AgentId, _Making] = {}

    @property
    def types(self) -> tuple[str, ...]:
        """The types that agents can be made of, or were registered."""
        return tuple(self._factories)

    @property
    def agents(self) -> Mapping[AgentId, Agent]:
        """The agents that are made."""
        return self._agents

    def add_factory(self, agent_type: str, factory: Factory, expected: type[Agent] | None) -> None:
        """Take a factory; ValueError where the type has one, or instances, already."""
        if agent_type in self._factories:
            raise ValueError(f"Agent with type {agent_type} already exists.")
        self._factories[agent_type] = factory
        self._expected[agent_type] = expected

    async def add_instance(self, agent: Agent, agent_id: AgentId) -> None:
        """Take an agent that is made already; ValueError where the id, or a factory of its type, is there."""
        if agent_id in self._agents:
            raise ValueError(f"Agent with id {agent_id} already exists.")
        if self._factories.get(agent_id.type) is not None:
            raise ValueError("Agent factories and agent instances cannot be registered to the same type.")
        if agent_id.type in self._factories and self._expected[agent_id.type] is not type(agent):
            raise ValueError("Agent instances must be the same object type.")
        await agent.bind_id_and_runtime(id=agent_id, runtime=self._runtime)
        self._factories[agent_id.type], self._expected[agent_id.type] = None, type(agent)
        self._agents[agent_id] = agent

    def held(self, agent_id: AgentId) -> None:
        """Note that an agent has come to this worker."""
        if self._keeping is not None:
            self._unread.add(agent_id)

    def forget(self, agent_id: AgentId) -> None:
        """Drop an agent; a registered instance, too."""
        self._agents.pop(agent_id, None)
        self._unread.discard(agent_id)
        if self._keeping is not None:
            self._keeping.forget(agent_id)

    def drop(self, agent_id: AgentId) -> None:
        """Drop an agent that can be made anew."""
        if self._factories.get(agent_id.type) is not None:
            self._agents.pop(agent_id, None)

    async def get(self, agent_id: AgentId) -> Agent:
        """Return an agent, made now where it is not; once, however many ask at the same time.

        Raises:
            LookupError: nothing is registered for its type.
            StateNotKept: what is kept of it could not be got.
            Exception: what the factory, or `load_state`, raised; the next to ask has it tried again.
        """
        making = self._making.get(agent_id)
        if making is None:
            agent = self._agents.get(agent_id)
            if agent is not None and agent_id not in self._unread:
                return agent
            making = self._making[agent_id] = _Making()
        # First come, first served: a message that comes when the agent is just made overtakes none that waited for it.
        making.users += 1
        try:
            async with making.lock:
                agent = self._agents.get(agent_id) or await self._make(agent_id)
                if self._keeping is not None and agent_id in self._unread:
                    agent = await self._resume(self._keeping, agent_id, agent)
                return agent
        finally:
            making.users -= 1
            if not making.users:
                del self._making[agent_id]

    async def _resume(self, keeping: Keeping, agent_id: AgentId, agent: Agent) -> Agent:
        try:
            if not await keeping.resume(agent_id, agent):
                self.drop(agent_id)
                agent = self._agents.get(agent_id) or await self._make(agent_id)
                await keeping.resume(agent_id, agent)
        except BaseException:
            self.drop(agent_id)
            raise
        self._unread.discard(agent_id)
        return agent

    async def _make(self, agent_id: AgentId) -> Agent:
        if agent_id.type not in self._factories:
            raise RecipientNotFound(f"Agent with name {agent_id.type} not found.")
        try:
            with AgentInstantiationContext.populate_context((self._runtime, agent_id)):
                agent = await self._call_factory(agent_id)
        except BaseException as error:
            _events.info(AgentConstructionExceptionEvent(agent_id=agent_id, exception=error))
            _log.exception("Error constructing agent %s", agent_id)
            raise
        self._agents[agent_id] = agent
        return agent

    async def _call_factory(self, agent_id: AgentId) -> Agent:
        factory, expected = self._factories[agent_id.type], self._expected[agent_id.type]
        if factory is None:
            raise RuntimeError(
                f"No agent instance {agent_id} was registered, and its type has no factory. A subscription probably maps a "
                "topic to it: if this is the default topic, turn `skip_class_subscriptions` on when registering instances."
            )
        parameters = len(inspect.signature(factory).parameters)
        if parameters == 2:
            warnings.warn(
                "Agent factories that take two arguments are deprecated. Use AgentInstantiationContext instead.",
                stacklevel=2,
            )
            made = factory(self._runtime, agent_id)
        elif parameters == 0:
            made = factory()
        else:
            raise ValueError("Agent factory must take 0 or 2 arguments.")
        agent = cast(Agent, await cast(Awaitable[Agent], made) if inspect.isawaitable(made) else made)
        if expected is not None and not isinstance(agent, expected):
            raise ValueError(
                f"Factory registered using the wrong type: expected {expected.__name__}, got {type(agent).__name__}"
            )
        return agent
