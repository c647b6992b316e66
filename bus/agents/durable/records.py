"""What durable topics are made of in the network: the stored events, and how far each agent type has come with them."""

import msgspec

from bus.agents.wire import Body, Trace


class Event(msgspec.Struct, frozen=True, array_like=True):
    """A published message as the topics' stream holds it, in MessagePack."""

    version: int
    """Of `bus.agents.wire`."""
    topic: tuple[str, str]
    """Type and source."""
    body: Body
    sender: tuple[str, str] | None = None
    message_id: str = ""
    trace: Trace | None = None


class Reached(msgspec.Struct, frozen=True):
    """How far one agent type has come with one topic."""

    cursor: int = 0
    """The last sequence that was read."""
    open: tuple[int, ...] = ()
    """What was read and is not handled yet, ascending."""
    lost: dict[int, int] = {}
    """How often the workers of these of them were lost while they may have had them."""

    @property
    def floor(self) -> int:
        """All of the topic up to this sequence is handled."""
        return self.open[0] - 1 if self.open else self.cursor


class Record(msgspec.Struct, frozen=True):
    """The key `dispatch.<agent type>` of the bucket, in JSON: who delivers to the agents of a type, and how far they have come.

    Both stand in one value, which is written by compare-and-set: whoever is not the dispatcher any more cannot move it.
    """

    agent_type: str
    worker: str = ""
    """Empty where nobody does."""
    topics: dict[str, Reached] = {}
    """By topic type: all that the agent type is subscribed to."""


class Named(msgspec.Struct, frozen=True):
    """The key `topic.<topic type>` of the bucket, in JSON: this topic type is durable."""

    topic_type: str


encode_event = msgspec.msgpack.Encoder().encode
decode_event = msgspec.msgpack.Decoder(Event).decode
decode_record = msgspec.json.Decoder(Record).decode
decode_named = msgspec.json.Decoder(Named).decode
