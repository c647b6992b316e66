"""What goes over the wire between runtimes: MessagePack arrays, tagged by their first element.

A message to an agent is a `Delivery` on the agent's subject, its reply subject `<inbox>.<number>`. A call is answered there
with one `Answer`. What an event led to, and what of a call goes on after its answer, is told by `Done`, many in one
message, on `<inbox>.done`. The server itself answers there that nobody listens (status 503).
"""

from typing import Any, Literal

import msgspec

VERSION = 1
"""Of this page. Fields may be added at the end of a struct without a new version; readers ignore what they do not know."""

Path = tuple[str | int, ...]


class Body(msgspec.Struct, frozen=True, array_like=True):
    """A message of an agent, as its serializer writes it."""

    type_name: str
    """Empty for None."""
    content_type: str
    ref: str
    """The class as its writer knows it, `module:qualified.name`."""
    payload: bytes
    marks: tuple[tuple[Path, str], ...] = ()
    """Where in a JSON payload models stand whose class the payload's own type does not tell, and which."""


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """An exception."""

    ref: str
    text: str
    args: tuple[Any, ...] = ()
    state: dict[str, Any] = {}
    traceback: str = ""


class Trace(msgspec.Struct, frozen=True, array_like=True):
    """W3C trace context of the span that created a message, and of the one under which it is delivered."""

    parent: str | None
    state: str | None
    delivering: str | None


Operation = Literal["send", "publish", "save", "load", "metadata"]


class Delivery(msgspec.Struct, frozen=True, array_like=True, tag="d"):
    """A message or an order for an agent."""

    version: int
    operation: Operation
    key: tuple[str, str]
    """Type and key of the agent."""
    body: Body
    sender: tuple[str, str] | None = None
    topic: tuple[str, str] | None = None
    message_id: str = ""
    report: bool = False
    """Whether whoever publishes wants to be told of errors, also of those that what is published in turn leads to."""
    trace: Trace | None = None


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """Cancel the token of a delivery."""

    reply: str


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="h"):
    """Answered with Placed by the worker that holds the agent."""


class Value(msgspec.Struct, frozen=True, array_like=True, tag="v"):
    """What the handler returned."""

    body: Body
    settled: bool
    """Nothing that the handler sent or published is under way any more."""


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="f"):
    """What the handler raised."""

    fault: Fault
    settled: bool


class Cancelled(msgspec.Struct, frozen=True, array_like=True, tag="x"):
    """The handler was cancelled."""

    settled: bool


class Moved(msgspec.Struct, frozen=True, array_like=True, tag="m"):
    """Not handled: the agent is not here any more."""


class Lost(msgspec.Struct, frozen=True, array_like=True, tag="l"):
    """What the agent did is not kept, or it was not handled; the agent is not here any more."""

    problem: str


class Done(msgspec.Struct, frozen=True, array_like=True):
    """Deliveries whose last consequence has ended, and the first error among those of each that had one."""

    numbers: list[int]
    faults: dict[int, Fault] = {}
    received: int = 0
    """How many deliveries of this inbox the writer has taken so far; 0 says nothing."""
    worker: str = ""


class Rule(msgspec.Struct, frozen=True, array_like=True):
    """A subscription that can be matched anywhere: of a topic type, or of all topic types that begin alike."""

    prefix: bool
    topic: str
    agent_type: str


class Member(msgspec.Struct, frozen=True, array_like=True):
    """What a runtime takes."""

    version: int
    worker: str
    revision: int
    started: bool
    types: tuple[str, ...]
    rules: tuple[Rule, ...]
    resolves: bool
    """It has subscriptions of other kinds, and must be asked which agents a topic is for."""
    durable: tuple[str, ...] = ()
    """Topic types that it makes durable."""


class Announce(msgspec.Struct, frozen=True, array_like=True, tag="announce"):
    """Take note of a runtime; answered with the record of the one that was told."""

    member: Member


class Leave(msgspec.Struct, frozen=True, array_like=True, tag="leave"):
    """A runtime is gone."""

    worker: str


class Place(msgspec.Struct, frozen=True, array_like=True, tag="place"):
    """Take an agent; answered with Placed."""

    agent_type: str
    key: str


class Holds(msgspec.Struct, frozen=True, array_like=True, tag="holds"):
    """Answered with whether the worker holds the agent."""

    agent_type: str
    key: str


class Watch(msgspec.Struct, frozen=True, array_like=True, tag="watch"):
    """Answered with those of the numbers that the worker knows nothing of."""

    inbox: str
    numbers: list[int]


class Sync(msgspec.Struct, frozen=True, array_like=True, tag="sync"):
    """Answered when all that was to be sent before is sent."""


class Resolve(msgspec.Struct, frozen=True, array_like=True, tag="resolve"):
    """Answered with the agents that subscriptions of kinds of one's own map a topic to."""

    topic_type: str
    source: str


class Dispatches(msgspec.Struct, frozen=True, array_like=True, tag="dispatches"):
    """Answered with whether the runtime delivers durable events to the agents of a type, where the bucket says that it does."""

    agent_type: str


class Placed(msgspec.Struct, frozen=True, array_like=True):
    """Which worker holds an agent; empty where `problem` says why none does."""

    worker: str
    problem: str = ""


Order = Announce | Leave | Place | Holds | Watch | Sync | Resolve | Dispatches
Answer = Value | Failed | Cancelled | Moved | Lost

encode = msgspec.msgpack.Encoder().encode
decode_delivery = msgspec.msgpack.Decoder(Delivery | Cancel | Hello).decode
decode_answer = msgspec.msgpack.Decoder(Value | Failed | Cancelled | Moved | Lost).decode
decode_done = msgspec.msgpack.Decoder(Done).decode
decode_order = msgspec.msgpack.Decoder(Announce | Leave | Place | Holds | Watch | Sync | Resolve | Dispatches).decode
decode_member = msgspec.msgpack.Decoder(Member).decode
decode_placed = msgspec.msgpack.Decoder(Placed).decode
decode_numbers = msgspec.msgpack.Decoder(list[int]).decode
decode_agents = msgspec.msgpack.Decoder(list[tuple[str, str]]).decode
decode_flag = msgspec.msgpack.Decoder(bool).decode
