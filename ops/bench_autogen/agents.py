"""The agent that both runtimes are measured with."""

from dataclasses import dataclass

from autogen_core import AgentRuntime, MessageContext, RoutedAgent, TypeSubscription, event, rpc
from autogen_core import try_get_known_serializers_for_type as serializers

TOPIC = "notes"
AGENT = "echo"


@dataclass
class Ping:
    """Answered with itself."""

    number: int


@dataclass
class Note:
    """Counted."""

    number: int


@dataclass
class Count:
    """Answered with how many notes were counted, as a Ping."""


class Echo(RoutedAgent):
    """Does as little as an agent can."""

    def __init__(self) -> None:
        super().__init__("echo")
        self._notes = 0

    @rpc
    async def on_ping(self, message: Ping, ctx: MessageContext) -> Ping:
        """Answer."""
        return message

    @event
    async def on_note(self, message: Note, ctx: MessageContext) -> None:
        """Count."""
        self._notes += 1

    @rpc
    async def on_count(self, message: Count, ctx: MessageContext) -> Ping:
        """Tell the count."""
        return Ping(self._notes)


def know_messages(runtime: AgentRuntime) -> None:
    """Register what travels; the runtime on gRPC cannot do without."""
    for message in (Ping, Note, Count):
        runtime.add_message_serializer(serializers(message))


async def serve(runtime: AgentRuntime) -> None:
    """Take the agent."""
    know_messages(runtime)
    await Echo.register(runtime, AGENT, Echo)
    await runtime.add_subscription(TypeSubscription(TOPIC, AGENT))
