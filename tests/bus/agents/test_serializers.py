"""What travels, and what is said of what does not."""

import datetime as dt
import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import pytest
from autogen_agentchat.base import Response, TaskResult
from autogen_agentchat.messages import (
    HandoffMessage,
    StructuredMessage,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from autogen_agentchat.teams._group_chat._events import (
    GroupChatAgentResponse,
    GroupChatMessage,
    GroupChatStart,
    GroupChatTeamResponse,
)
from autogen_core import AgentId, FunctionCall, MessageContext, RoutedAgent, rpc
from autogen_core._base_agent import handles
from autogen_core.models import FunctionExecutionResult, UserMessage
from google.protobuf.wrappers_pb2 import StringValue
from pydantic import BaseModel, SerializeAsAny

from bus.agent_runtime import StructSerializer
from bus.agents.class_refs import class_ref, find_class
from bus.agents.codec import Codec
from bus.agents.errors import CannotRead, CannotTravel
from bus.agents.wire import Body
from tests.bus.agents.cast import Anything
from tests.bus.agents.conftest import Grounds

pytestmark = pytest.mark.usefixtures("unhurried")


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Flat:
    text: str
    number: int = None  # type: ignore[assignment]  # as people write it
    many: list[str] = field(default_factory=list)


@dataclass
class Inner:
    number: int


@dataclass
class Rich:
    inner: Inner
    raw: bytes
    at: dt.datetime
    pair: tuple[int, str]
    colour: Colour
    either: int | str
    message: UserMessage


class Animal(BaseModel):
    name: str


class Dog(Animal):
    barks: bool = True


class Puppy(Dog):
    weeks: int


class Zoo(BaseModel):
    first: Animal
    animals: list[Animal]
    named: dict[str, list[Animal]]
    anything: Any = None


class Struct(msgspec.Struct, frozen=True):
    number: int
    text: str


def _through(codec: Codec, message: Any, reader: Codec | None = None) -> Any:
    return (reader or Codec()).decode(codec.encode(message))


_AT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
_TEXT = TextMessage(content="a text", source="user", metadata={"k": "v"})
_CALL = FunctionCall(id="1", name="f", arguments="{}")
_RESULT = FunctionExecutionResult(call_id="1", name="f", content="done", is_error=False)


class Shape(BaseModel):
    sides: int


_MESSAGES: list[Any] = [
    None,
    "text",
    5,
    2.0,
    True,
    b"\x00\xff",
    [1, "a", None, {"k": [1.5]}],
    (1, 2),
    {"a": 1},
    Flat("a"),
    Flat("a", 1, ["b"]),
    Rich(Inner(1), b"\xf0\x9f\x98\x80", _AT, (1, "a"), Colour.RED, "1", UserMessage(content="hi", source="me")),
    Zoo(
        first=Puppy(name="p", weeks=3),
        animals=[Animal(name="a"), Dog(name="d"), Puppy(name="p", weeks=1)],
        named={"x": [Puppy(name="q", weeks=2)]},
        anything=[Dog(name="e")],
    ),
    Struct(1, "a"),
    StringValue(value="proto"),
    GroupChatStart(messages=[_TEXT, HandoffMessage(content="over", source="a", target="b", context=[])]),
    GroupChatMessage(message=ToolCallRequestEvent(content=[_CALL], source="a")),
    GroupChatMessage(message=StructuredMessage[Shape](content=Shape(sides=3), source="a")),
    GroupChatAgentResponse(
        response=Response(
            chat_message=_TEXT,
            inner_messages=[
                ThoughtEvent(content="hm", source="a"),
                ToolCallExecutionEvent(content=[_RESULT], source="a"),
            ],
        ),
        name="a",
    ),
    GroupChatTeamResponse(result=TaskResult(messages=[_TEXT, ThoughtEvent(content="x", source="y")]), name="a"),
]


@pytest.mark.parametrize("message", _MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_as_it_was(message: Any) -> None:
    arrived = _through(Codec(), message)
    assert type(arrived) is type(message)
    assert arrived == message


def test_models_inside_keep_their_classes() -> None:
    zoo = _through(Codec(), _MESSAGES[12])
    assert [type(animal) for animal in zoo.animals] == [Animal, Dog, Puppy]
    assert type(zoo.first) is type(zoo.named["x"][0]) is Puppy
    assert type(zoo.anything[0]) is Dog


def test_classes_made_in_functions_travel() -> None:
    @dataclass
    class Local:
        number: int

    class LocalDog(Animal):
        age: int

    arrived = _through(Codec(), Zoo(first=LocalDog(name="l", age=2), animals=[], named={}))
    assert type(arrived.first) is LocalDog
    assert type(_through(Codec(), Local(1))) is Local


def test_of_two_classes_of_one_name_the_right_one_comes() -> None:
    other = type("Flat", (), {"__module__": "elsewhere", "__annotations__": {"x": int}})
    codec, reader = Codec(), Codec()
    reader.learn(dataclass(other))
    reader.learn(Flat)
    assert _through(codec, Flat("a"), reader) == Flat("a")


def test_a_class_of_the_same_name_from_elsewhere_will_do() -> None:
    reader = Codec()
    reader.learn(Flat)
    body = Codec().encode(Flat("a"))
    moved = Body(body.type_name, body.content_type, "__main__:Flat", body.payload)
    assert reader.decode(moved) == Flat("a")


def test_ones_own_serializer_comes_first() -> None:
    class Shouting:
        type_name = "Flat"
        data_content_type = "text/shout"

        def serialize(self, message: Flat) -> bytes:
            return message.text.upper().encode()

        def deserialize(self, payload: bytes) -> Flat:
            return Flat(payload.decode())

    codec = Codec()
    codec.add(Shouting())
    assert codec.encode(Flat("a")).payload == b"A"
    assert codec.decode(codec.encode(Flat("a"))) == Flat("A")
    with pytest.raises(CannotRead, match=r"Flat .*text/shout.* cannot be read here: add_message_serializer"):
        Codec().decode(Body("Flat", "text/shout", "nowhere:Flat", b"A"))


@dataclass
class Prefixing:
    """A serializer for `Flat` that marks what it wrote."""

    data_content_type: str
    prefix: str
    type_name: str = "Flat"

    def serialize(self, message: Flat) -> bytes:
        return (self.prefix + message.text).encode()

    def deserialize(self, payload: bytes) -> Flat:
        return Flat(payload.decode().removeprefix(self.prefix))


def test_a_serializer_counts_for_its_type_name_and_content_type() -> None:
    codec = Codec()
    codec.add([Prefixing("text/shout", "!"), Prefixing("text/shy", "?"), Prefixing("text/else", "-", "Other")])
    for content_type, prefix in (("text/shout", "!"), ("text/shy", "?")):
        assert codec.decode(Body("Flat", content_type, "nowhere:Flat", f"{prefix}a".encode())) == Flat("a")
    with pytest.raises(CannotRead, match=r"Flat .*text/else"):
        codec.decode(Body("Flat", "text/else", "nowhere:Flat", b"-a"))
    codec.add(Prefixing("text/shy", "..."))
    assert codec.decode(Body("Flat", "text/shy", "nowhere:Flat", b"...a")) == Flat("a")
    assert codec.decode(Body("Flat", "text/shout", "nowhere:Flat", b"!a")) == Flat("a")


def test_what_cannot_travel_is_named() -> None:
    with pytest.raises(CannotTravel, match=r"test_serializers:Codecless cannot be sent: .*add_message_serializer"):
        Codec().encode(Codecless())
    with pytest.raises(CannotTravel, match="a Codecless within a plain list"):
        Codec().encode([Codecless()])


class Codecless: ...


def test_unknown_and_unfitting_types_are_named() -> None:
    with pytest.raises(CannotRead, match=r"type Unheard \(some.module:Unheard, application/json\)"):
        Codec().decode(Body("Unheard", "application/json", "some.module:Unheard", b"{}"))
    body = Codec().encode(Flat("a"))
    with pytest.raises(CannotRead, match=r"Flat .*does not fit Flat as it is known here: .*colour"):
        Codec().decode(Body(body.type_name, body.content_type, body.ref, b'{"text":"a","colour":1}'))
    with pytest.raises(CannotRead, match="Puppy"):
        Codec().decode(Body("Puppy", "application/json", class_ref(Puppy), b'{"name":"p"}'))
    marked = Body("Zoo", "application/json", class_ref(Zoo), b'{"first":{}}', ((("first",), "gone:Cat"),))
    with pytest.raises(CannotRead, match=r"Zoo.first is a gone:Cat"):
        Codec().decode(marked)


def test_only_loaded_classes_of_the_kind_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "not_loaded_by_names.py").write_text("class Mine:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_class("not_loaded_by_names:Mine", object) is None
    assert find_class("builtins:str", BaseModel) is None
    assert find_class(class_ref(StructuredMessage[Shape]), BaseModel) is StructuredMessage[Shape]
    assert find_class("no.module:X[a:B]", BaseModel) is None


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    held: SerializeAsAny[T]


@handles(Struct, serializer=StructSerializer(Struct))
class TakesStructs(Anything): ...


class Returns(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("returns what nobody sends")

    @rpc
    async def on_flat(self, message: Flat, ctx: MessageContext) -> Rich | Struct:
        return Struct(5, message.text)


async def test_agents_exchange_them(grounds: Grounds) -> None:
    worker, caller = await grounds.started(), await grounds.started()
    await TakesStructs.register(worker, "anything", TakesStructs)
    await Returns.register(worker, "returns", Returns)
    for message in _MESSAGES:
        assert await caller.send_message(message, AgentId("anything", "k")) == message
    assert await caller.send_message(Flat("a"), AgentId("returns", "k")) == Struct(5, "a")
    with pytest.raises(CannotTravel, match="Codecless"):
        await caller.send_message(Codecless(), AgentId("anything", "k"))


async def test_a_message_too_large_for_the_server_is_refused_on_both_ways(grounds: Grounds) -> None:
    worker, caller = await grounds.started(), await grounds.started()

    class Grows(Anything):
        async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
            return message * 3

    await Grows.register(worker, "grows", Grows)
    half = "x" * (4 * 1024 * 1024)
    with pytest.raises(CannotTravel, match="bytes"):
        await caller.send_message(half * 3, AgentId("grows", "k"))
    with pytest.raises(CannotTravel, match="answer is larger"):
        await caller.send_message(half, AgentId("grows", "k"))
    assert await caller.send_message("a", AgentId("grows", "k")) == "aaa"


@dataclass
class Bare:
    text: str
    number: int
    share: float


@pytest.mark.parametrize(
    "message",
    [
        Bare("é\u2028", 2**80, 0.5),
        Bare("half of a pair: \ud83d", -1, 1.0),
        Bare("", True, float("inf")),
        Bare(None, "7", 3),  # type: ignore[arg-type]  # as lenient as it is in one process
    ],
    ids=["wide", "surrogate", "infinite", "of other types"],
)
def test_what_is_flat_comes_back_as_it_was(message: Bare) -> None:
    codec = Codec()
    found = codec.decode(codec.encode(message))
    assert found == message
    assert [type(value) for value in vars(found).values()] == [type(value) for value in vars(message).values()]


def test_no_number_stays_none() -> None:
    codec = Codec()
    found = codec.decode(codec.encode(Bare("", 0, float("nan"))))
    assert found.share != found.share


def test_what_json_does_not_know_is_refused_not_turned_into_text() -> None:
    with pytest.raises(CannotTravel, match="not JSON serializable"):
        Codec().encode(Bare(dt.datetime.now(tz=dt.UTC), 0, 0.0))  # type: ignore[arg-type]
