"""AutoGen's agent runtime on NATS: `runtime = NatsAgentRuntime("nats://127.0.0.1:4222")` in place of the one for one process.

Reference: `autogen_core.AgentRuntime` 0.7.5. Behaviour follows SingleThreadedAgentRuntime where that can be said of agents
that live in other processes. Every message goes over the wire, also to agents of the same runtime.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from autogen_core import (
    Agent,
    AgentId,
    AgentMetadata,
    AgentRuntime,
    AgentType,
    CancellationToken,
    InterventionHandler,
    MessageSerializer,
    Subscription,
    TopicId,
)
from autogen_core.exceptions import NotAccessibleError
from opentelemetry.trace import TracerProvider

from bus.agents import wire
from bus.agents.codec import Codec
from bus.agents.errors import NoSuchSubscription, RecipientNotFound
from bus.agents.faults import from_fault
from bus.agents.handling import Handling
from bus.agents.hosting import Hosting
from bus.agents.interventions import Interventions
from bus.agents.kinds import StructSerializer
from bus.agents.node import Node
from bus.agents.produced import types_of
from bus.agents.sending import Outbound, Sending
from bus.agents.tracing import Tracing
from bus.connection import Connection
from bus.errors import SanctuaryError
from bus.settings import ConnectionSettings

__all__ = ["NatsAgentRuntime", "StructSerializer"]

AgentT = TypeVar("AgentT", bound=Agent)


class NatsAgentRuntime(AgentRuntime):
    """Agents of one process, and the way to those of all others in the namespace.

    `connection` is an open connection, or where to connect, which then happens with the first thing that needs it and ends
    with `close`. `namespace` is the first token of all subjects; runtimes of different namespaces know nothing of each other.
    The server needs JetStream: who holds which agent is entered in the bucket `<namespace>_agents`.
    """

    def __init__(
        self,
        connection: Connection | ConnectionSettings | str,
        *,
        namespace: str = "sanctuary",
        intervention_handlers: Sequence[InterventionHandler] | None = None,
        tracer_provider: TracerProvider | None = None,
        ignore_unhandled_exceptions: bool = True,
    ) -> None:
        """Make a runtime; nothing is connected yet.

        Intervention handlers see what this runtime sends and the responses that it gets. Without
        `ignore_unhandled_exceptions`, an error in a handler of an event ends `stop_when_idle` and `stop` of the runtime where
        the agent is, and of those that published what led to it, if they want to know too.

        Raises:
            ValueError: `namespace` is no subject token.
        """
        self._tracing = tracing = Tracing(tracer_provider)
        self._codec = Codec()
        self._hosting = Hosting(self)
        self._handling = Handling(self._codec, self._hosting, tracing, self._note)
        self._node = Node(self, connection, namespace, self._hosting, self._handling)
        self._sending = Sending(
            runtime=self,
            codec=self._codec,
            members=self._node.members,
            outgoing=self._node.outgoing,
            interventions=Interventions(intervention_handlers, tracing) if intervention_handlers else None,
            tracing=tracing,
            idle=self._node.idle,
            on_fault=self._on_fault,
        )
        self._report = not ignore_unhandled_exceptions
        self._subscriptions: list[Subscription] = []
        self._failure: BaseException | None = None
        self._starting: asyncio.Task[None] | None = None

    # Sending

    async def send_message(
        self,
        message: Any,
        recipient: AgentId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> Any:
        """Return what the recipient's handler returns; raise what it raises.

        An agent of a type that only this runtime takes gets the message when it is started.

        Raises:
            RecipientNotFound: no runtime of the namespace takes agents of this type.
            WorkerLost: the worker that has the message is gone or does not answer, known within 5 s.
            NotPlaced: no worker took the agent within 5 s.
            CannotTravel, CannotRead: no serializer for the message or the answer; says which.
            RemoteError: the handler raised an exception of a class that is not loaded here.
            MessageDroppedException: an intervention handler dropped the message or the response.
        """
        with self._sending.under_way() as parent:
            if not self._node.joined:
                await self._node.join()
            out = Outbound(message, sender, cancellation_token, message_id, parent)
            return await self._sending.call(out, recipient)

    async def publish_message(
        self,
        message: Any,
        topic_id: TopicId,
        *,
        sender: AgentId | None = None,
        cancellation_token: CancellationToken | None = None,
        message_id: str | None = None,
    ) -> None:
        """Send an event on its way, once for each subscription that matches, never to the sender.

        Returns when it is sent, not when it is handled; waits while a worker is far behind.

        Raises:
            CannotTravel: no serializer for the message.
        """
        with self._sending.under_way() as parent:
            if not self._node.joined:
                await self._node.join()
            report = self._report or (parent is not None and parent.report)
            out = Outbound(message, sender, cancellation_token, message_id, parent)
            await self._sending.publish(out, topic_id, report=report)

    # Registering

    async def register_factory(
        self,
        type: str | AgentType,  # noqa: A002  the protocol's name
        agent_factory: Callable[[], AgentT | Awaitable[AgentT]],
        *,
        expected_class: type[AgentT] | None = None,
    ) -> AgentType:
        """Take agents of a type. Other workers may take them too: each agent is with one of them at a time.

        Raises:
            ValueError: this runtime takes the type already.
        """
        agent_type = AgentType(type) if isinstance(type, str) else type
        self._hosting.add_factory(agent_type.type, agent_factory, expected_class)
        if expected_class is not None:
            self._learn(expected_class)
        await self._tell()
        return agent_type

    async def register_agent_instance(self, agent_instance: Agent, agent_id: AgentId) -> AgentId:
        """Take one agent that is made already.

        Raises:
            ValueError: the id is taken, here or by another worker, or a factory of its type or an instance of another class
                is registered here.
        """
        await self._hosting.add_instance(agent_instance, agent_id)
        self._learn(type(agent_instance))
        await self._tell()
        if self._node.started.is_set() and not await self._node.hold(agent_id):
            self._hosting.forget(agent_id)
            raise ValueError(f"Agent with id {agent_id} already exists, at another worker.")
        return agent_id

    async def add_subscription(self, subscription: Subscription) -> None:
        """Subscribe; whatever is published once this has returned is delivered.

        Raises:
            ValueError: this runtime has an equal one.
        """
        if any(known == subscription for known in self._subscriptions):
            raise ValueError("Subscription already exists")
        self._subscriptions.append(subscription)
        await self._tell()

    async def remove_subscription(self, id: str) -> None:  # noqa: A002  the protocol's name
        """Unsubscribe; NoSuchSubscription (a ValueError and a LookupError) where this runtime has no such."""
        if not any(known.id == id for known in self._subscriptions):
            raise NoSuchSubscription("Subscription does not exist")
        self._subscriptions = [known for known in self._subscriptions if known.id != id]
        await self._tell()

    def add_message_serializer(self, serializer: MessageSerializer[Any] | Sequence[MessageSerializer[Any]]) -> None:
        """Take serializers; the last one of a type name and content type counts."""
        self._codec.add(serializer)

    # Running

    def start(self) -> Awaitable[None]:
        """Begin to handle messages. Awaiting what this returns waits until that has come about, which nobody has to.

        Raises:
            RuntimeError: it is started.
        """
        if self._starting is not None:
            raise RuntimeError("Runtime is already started")
        self._failure = None
        self._tracing.look()
        self._node.incoming.start()
        self._starting = asyncio.create_task(self._start(), name="start agents")
        # Whatever comes next on this runtime raises it again.
        self._starting.add_done_callback(lambda starting: starting.cancelled() or starting.exception())
        return asyncio.shield(self._starting)

    async def _start(self) -> None:
        await self._node.start()
        await self._tell()

    async def stop(self) -> None:
        """Handle no more messages; handlers that run go on. Agents stay as they are, for the next start.

        Raises:
            RuntimeError: it is not started.
            Exception: the first error of a handler of an event, without `ignore_unhandled_exceptions`.
        """
        await self._stop(when_idle=False)

    async def stop_when_idle(self) -> None:
        """Stop when nothing is under way any more: of what was sent from here, to wherever it led, and of what is handled here.

        Raises:
            RuntimeError: it is not started.
            Exception: as of `stop`, as soon as it is known.
        """
        await self._stop(when_idle=True)

    async def _stop(self, *, when_idle: bool) -> None:
        if self._starting is None:
            raise RuntimeError("Runtime is not started")
        try:
            if when_idle:
                await self._quiet()
            await self._starting
        finally:
            self._starting = None
            await self._node.stop()
            # Without a connection the others have it from the server that we are gone, and from us when we are back.
            with contextlib.suppress(SanctuaryError):
                await self._tell()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    async def _quiet(self) -> None:
        idle = self._node.idle
        if self._starting is not None:
            await self._starting
        while self._failure is None:
            if idle.count:
                await idle.wait()
                continue
            changes = idle.changes
            await self._node.sync()
            if not idle.count and idle.changes == changes:
                return

    async def close(self) -> None:
        """Stop where it is started, close the agents, and leave the namespace: callers elsewhere get an error at once."""
        try:
            if self._starting is not None:
                await self.stop()
            for agent in tuple(self._hosting.agents.values()):
                await agent.close()
        finally:
            await self._node.leave()

    @property
    def unprocessed_messages_count(self) -> int:
        """How many messages and handlers are under way, as far as this runtime knows."""
        return self._node.idle.count

    # Agents

    async def try_get_underlying_agent_instance(
        self,
        id: AgentId,  # noqa: A002  the protocol's name
        type: type[AgentT] = Agent,  # type: ignore[assignment]  # noqa: A002
    ) -> AgentT:
        """Return an agent of this runtime.

        Raises:
            LookupError: no runtime takes agents of this type.
            NotAccessibleError: another one has it.
            TypeError: it is of another class.
        """
        if id.type not in self._hosting.types:
            await self._node.join()
            if not self._node.members.takers(id.type):
                raise RecipientNotFound(f"Agent with name {id.type} not found.")
            raise NotAccessibleError(f"{id} is not in this process")
        if self._starting is not None:
            await self._starting
            if not await self._node.hold(id):
                raise NotAccessibleError(f"{id} is not in this process")
        agent = await self._hosting.get(id)
        if not isinstance(agent, type):
            raise TypeError(
                f"Agent with name {id.type} is not of type {type.__name__}. It is of type {agent.__class__.__name__}"
            )
        return agent

    async def get(
        self, id_or_type: AgentId | AgentType | str, /, key: str = "default", *, lazy: bool = True
    ) -> AgentId:
        """Return the id; unless `lazy`, the agent is made, wherever it belongs."""
        if not isinstance(id_or_type, AgentId):
            id_or_type = AgentId(id_or_type, key)
        if not lazy:
            await self.agent_metadata(id_or_type)
        return id_or_type

    async def save_state(self) -> Mapping[str, Any]:
        """Return the state of all agents that are made here, by id."""
        return {str(agent_id): dict(await agent.save_state()) for agent_id, agent in self._hosting.agents.items()}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Give agents of the types that are taken here their state back."""
        for name, of_agent in state.items():
            agent_id = AgentId.from_str(name)
            if agent_id.type in self._hosting.types:
                await self.agent_load_state(agent_id, of_agent)

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """Return what an agent says of itself, wherever it is."""
        metadata: AgentMetadata = await self._order(agent, "metadata", None)
        return metadata

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """Return the state of an agent, wherever it is."""
        state: Mapping[str, Any] = await self._order(agent, "save", None)
        return state

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Give an agent its state back, wherever it is."""
        await self._order(agent, "load", dict(state))

    async def _order(self, agent: AgentId, operation: wire.Operation, message: Any) -> Any:
        body = self._codec.encode(message)
        delivery = wire.Delivery(wire.VERSION, operation, (agent.type, agent.key), body)
        if self._starting is None and agent.type in self._hosting.types:
            return await self._handling.order(agent, delivery)
        with self._sending.under_way() as parent:
            await self._node.join()
            value = await self._sending.order(agent, delivery, None, parent)
        return self._codec.decode(value.body)

    def _learn(self, cls: type) -> None:
        for known in types_of(cls):
            self._codec.learn(known)

    async def _tell(self) -> None:
        await self._node.join()
        await self._node.tell(self._subscriptions)

    def _note(self, error: BaseException) -> None:
        if self._report and self._failure is None:
            self._failure = error
            self._node.idle.wake()

    def _on_fault(self, fault: wire.Fault | None) -> None:
        if fault is not None:
            self._note(from_fault(fault))
