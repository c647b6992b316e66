"""AutoGen's agent runtime on NATS: `runtime = NatsAgentRuntime("nats://127.0.0.1:4222")` in place of the one for one process.

Reference: `autogen_core.AgentRuntime` 0.7.5. Behaviour follows SingleThreadedAgentRuntime where that can be said of agents
that live in other processes. Every message goes over the wire, also to agents of the same runtime.
"""

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
from opentelemetry.trace import TracerProvider

from bus.agents.codec import Codec
from bus.agents.handling import Handling
from bus.agents.hosting import Hosting
from bus.agents.idle import Idle
from bus.agents.interventions import Interventions
from bus.agents.keeping import Keeping
from bus.agents.kinds import StructSerializer
from bus.agents.node import Node
from bus.agents.reaching import Reaching
from bus.agents.registering import Registering
from bus.agents.running import Running
from bus.agents.sending import Outbound, Sending
from bus.agents.tracing import Tracing
from bus.agents.unhandled import Unhandled
from bus.connection import Connection
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
        durable_topics: Sequence[str] = (),
        intervention_handlers: Sequence[InterventionHandler] | None = None,
        tracer_provider: TracerProvider | None = None,
        ignore_unhandled_exceptions: bool = True,
        keep_state: bool = False,
    ) -> None:
        """Make a runtime; nothing is connected yet.

        Intervention handlers see what this runtime sends and the responses that it gets. Without
        `ignore_unhandled_exceptions`, an error in a handler of an event ends `stop_when_idle` and `stop` of the runtime where
        the agent is, and of those that published what led to it, if they want to know too.

        With `keep_state`, agents that define `save_state` have their state kept in the bucket `<namespace>_agent_states`: it
        is saved after each message, before the answer goes out, and loaded when the agent is made, wherever that is. Where
        several messages are handled at once, it is saved as it stands when one of them ends. A message whose effect was not
        saved gives its sender WorkerLost, and the agent goes back to what is kept. All runtimes that take a type should agree
        on it. `stop` waits up to 10 s for handlers that run; what ends later is not kept once another has the agent.

        `durable_topics` are topic types whose events are stored before `publish_message` returns, for all runtimes of the
        namespace and from then on. They are delivered to each subscribed agent one after the other, in the order in which
        they were stored, until handled; also to agent types that subscribe later or are not running now, as long as not all
        subscribers have handled them. An event can come again where a process died, froze or stopped, or the server broke; one
        with which worker after worker is lost is given up, and kept in the bucket. An exception of a handler is logged, and
        counts as handled. Two subscriptions of one agent type count once, and those of kinds of one's own do not count.

        Raises:
            TypeError: `durable_topics` is a text in place of a sequence of them.
            ValueError: `namespace` is no subject token, or one of `durable_topics` no topic type.
        """
        if isinstance(durable_topics, str):
            # A text is a sequence too: each of its letters would be durable, for good.
            raise TypeError(f"durable_topics takes several topic types: write ({durable_topics!r},)")
        for topic_type in durable_topics:
            TopicId(topic_type, "default")
        idle, codec, tracing = Idle(), Codec(), Tracing(tracer_provider)
        keeping = Keeping(codec) if keep_state else None
        hosting = Hosting(self, keeping)
        self._codec, self._hosting, self._idle = codec, hosting, idle
        self._unhandled = unhandled = Unhandled(idle, report=not ignore_unhandled_exceptions)
        handling = Handling(codec, hosting, keeping, tracing, unhandled.note)
        self._node = node = Node(
            self,
            connection,
            namespace,
            hosting=hosting,
            handle=handling,
            idle=idle,
            keeping=keeping,
            durable_topics=durable_topics,
        )
        self._sending = Sending(
            runtime=self,
            codec=codec,
            members=node.members,
            topics=node.topics,
            outgoing=node.outgoing,
            interventions=Interventions(intervention_handlers, tracing) if intervention_handlers else None,
            tracing=tracing,
            idle=idle,
            on_fault=unhandled.note_fault,
        )
        self._registering = Registering(node, hosting, codec)
        self._running = Running(node, self._registering, tracing, idle, unhandled)
        self._reaching = Reaching(
            node=node,
            hosting=hosting,
            handling=handling,
            sending=self._sending,
            codec=codec,
            running=self._running,
        )

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

        An agent of a type that only this runtime takes gets the message when it is started. Only the token cancels the
        handler: whoever cancels this call just does not wait any more.

        Raises:
            ConnectionFailed: with the first call: no connection within 5 s; AuthorizationFailed: the credentials were refused.
            RuntimeFailed: with the first call: the server lets us not take part, or has no JetStream.
            ConfigurationError: with the first call: the URL, or a file that a setting names, cannot be used.
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

        Returns when it is sent, not when it is handled; waits while a worker is far behind. Where the topic is durable, it
        returns when the server has stored it, and waits while the topic is full.

        Raises:
            ConnectionFailed, RuntimeFailed, ConfigurationError: as of `send_message`.
            TopicFull: a durable topic had no room for 4.5 s.
            TopicUnreachable: the server did not say within 4.5 s that the event is stored; it may be.
            CannotTravel: no serializer for the message.
        """
        with self._sending.under_way() as parent:
            if not self._node.joined:
                await self._node.join()
            report = self._unhandled.report or (parent is not None and parent.report)
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
        await self._registering.factory(agent_type.type, agent_factory, expected_class)
        return agent_type

    async def register_agent_instance(self, agent_instance: Agent, agent_id: AgentId) -> AgentId:
        """Take one agent that is made already.

        Raises:
            ValueError: the id is taken, here or by another worker, or a factory of its type or an instance of another class
                is registered here.
        """
        await self._registering.instance(agent_instance, agent_id)
        return agent_id

    async def add_subscription(self, subscription: Subscription) -> None:
        """Subscribe; whatever is published once this has returned is delivered.

        Raises:
            ValueError: this runtime has an equal one.
        """
        await self._registering.subscribe(subscription)

    async def remove_subscription(self, id: str) -> None:  # noqa: A002  the protocol's name
        """Unsubscribe; NoSuchSubscription (a ValueError and a LookupError) where this runtime has no such."""
        await self._registering.unsubscribe(id)

    def add_message_serializer(self, serializer: MessageSerializer[Any] | Sequence[MessageSerializer[Any]]) -> None:
        """Take serializers; the last one of a type name and content type counts."""
        self._codec.add(serializer)

    # Running

    def start(self) -> Awaitable[None]:
        """Begin to handle messages. Awaiting what this returns waits until that has come about, which nobody has to.

        Raises:
            RuntimeError: it is started.
        """
        return self._running.start()

    async def stop(self) -> None:
        """Handle no more messages; handlers that run go on. Agents stay as they are, for the next start.

        Raises:
            RuntimeError: it is not started.
            Exception: the first error of a handler of an event, without `ignore_unhandled_exceptions`.
        """
        await self._running.stop(when_idle=False)

    async def stop_when_idle(self) -> None:
        """Stop when nothing is under way any more: of what was sent from here, to wherever it led, and of what is handled here.

        Raises:
            RuntimeError: it is not started.
            Exception: as of `stop`, as soon as it is known.
        """
        await self._running.stop(when_idle=True)

    async def close(self) -> None:
        """Stop where it is started, close the agents, and leave the namespace: callers elsewhere get an error at once."""
        try:
            await self._running.end()
            for agent in tuple(self._hosting.agents.values()):
                await agent.close()
        finally:
            await self._node.leave()

    @property
    def unprocessed_messages_count(self) -> int:
        """How many messages and handlers are under way, as far as this runtime knows."""
        return self._idle.count

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
        return await self._reaching.instance(id, type)

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
        return await self._reaching.save()

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Give agents of the types that are taken here their state back."""
        await self._reaching.load(state)

    async def agent_metadata(self, agent: AgentId) -> AgentMetadata:
        """Return what an agent says of itself, wherever it is."""
        metadata: AgentMetadata = await self._reaching.order(agent, "metadata")
        return metadata

    async def agent_save_state(self, agent: AgentId) -> Mapping[str, Any]:
        """Return the state of an agent, wherever it is."""
        state: Mapping[str, Any] = await self._reaching.order(agent, "save")
        return state

    async def agent_load_state(self, agent: AgentId, state: Mapping[str, Any]) -> None:
        """Give an agent its state back, wherever it is."""
        await self._reaching.order(agent, "load", dict(state))
