"""The finer points of what any AutoGen runtime does, each shown as in test_protocol."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import pytest
from autogen_core import (
    AgentId,
    AgentInstantiationContext,
    AgentRuntime,
    AgentType,
    CancellationToken,
    DefaultInterventionHandler,
    DefaultSubscription,
    DefaultTopicId,
    DropMessage,
    MessageContext,
    MessageHandlerContext,
    MessageSerializer,
    RoutedAgent,
    TopicId,
    TypePrefixSubscription,
    TypeSubscription,
    event,
    message_handler,
    rpc,
)
from autogen_core.exceptions import MessageDroppedException

from bus.agent_runtime import StructSerializer
from tests.bus.agents.cast import Ask, Fail, Failing, Note, Nothing, OwnError, Reply, Worker, take_worker
from tests.bus.agents.conftest import Make
from tests.bus.eventually import eventually

pytestmark = pytest.mark.usefixtures("unhurried")
ONE = AgentId("worker", "one")


def _agents(runtime: Any) -> AgentRuntime:
    """The runtime that has the agents, where the traffic comes from another."""
    return cast(AgentRuntime, getattr(runtime, "agents", runtime))


async def _worker(runtime: Any, agent: AgentId = ONE) -> Worker:
    return cast(Worker, await runtime.try_get_underlying_agent_instance(agent, Worker))


@dataclass
class Where:
    publish_to: str


class Telling(RoutedAgent):
    """Notes in which context its handlers run, and publishes from within them."""

    def __init__(self) -> None:
        super().__init__("tells")
        self.contexts: list[tuple[AgentId, MessageContext]] = []

    @message_handler
    async def where(self, message: Where, ctx: MessageContext) -> None:
        self.contexts.append((MessageHandlerContext.agent_id(), ctx))
        await self.publish_message(Note(1), DefaultTopicId(message.publish_to))


class Passing(RoutedAgent):
    """Passes its calls on to an agent of the type that is its key, and gives back what comes of them."""

    def __init__(self) -> None:
        super().__init__("passes on")

    @rpc
    async def on(self, message: Fail | Nothing, ctx: MessageContext) -> Reply | None:
        return cast(Reply | None, await self.send_message(message, AgentId(self.id.key, "one")))


async def test_answers_and_errors_come_back_through_another_agent(make: Make) -> None:
    runtime = make()
    await Passing.register(_agents(runtime), "passing", Passing)
    await take_worker(runtime)
    runtime.start()
    assert await runtime.send_message(Nothing(), AgentId("passing", "worker")) is None
    with pytest.raises(OwnError, match=r"broken \(7\)") as caught:
        await runtime.send_message(Fail("broken"), AgentId("passing", "worker"))
    assert caught.value.code == 7
    with pytest.raises(Exception, match="Recipient not found"):
        await runtime.send_message(Nothing(), AgentId("passing", "nobody"))
    await runtime.stop()


class Unmoved(RoutedAgent):
    """Links nothing to the token of its call."""

    def __init__(self) -> None:
        super().__init__("does not look at tokens")
        self.tokens: list[CancellationToken] = []
        self.go_on = asyncio.Event()
        self.ended = False

    @rpc
    async def ask(self, message: Ask, ctx: MessageContext) -> Reply:
        self.tokens.append(ctx.cancellation_token)
        await self.go_on.wait()
        self.ended = True
        return Reply(message.number, 0)


async def test_cancelling_frees_the_caller_and_only_tells_the_handler(make: Make) -> None:
    runtime = make()
    await Unmoved.register(_agents(runtime), "unmoved", Unmoved)
    runtime.start()
    token = CancellationToken()
    call = asyncio.create_task(runtime.send_message(Ask(1), AgentId("unmoved", "one"), cancellation_token=token))
    agent = await runtime.try_get_underlying_agent_instance(AgentId("unmoved", "one"), Unmoved)
    await eventually(lambda: len(agent.tokens) == 1)
    assert not agent.tokens[0].is_cancelled()
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await eventually(agent.tokens[0].is_cancelled)
    assert not agent.ended
    agent.go_on.set()
    await eventually(lambda: agent.ended)
    await runtime.stop()


async def test_handlers_run_in_the_context_of_their_agent(make: Make) -> None:
    runtime = make()
    await Telling.register(_agents(runtime), "telling", Telling)
    await take_worker(runtime, "worker", "answers")
    await runtime.add_subscription(TypeSubscription("questions", "telling"))
    runtime.start()
    await runtime.publish_message(Where("answers"), TopicId("questions", "room"), message_id="the-event")
    await runtime.send_message(Where("answers"), AgentId("telling", "hall"), message_id="the-call", sender=ONE)
    await runtime.stop_when_idle()
    for key in ("room", "hall"):
        assert (await _worker(runtime, AgentId("worker", key))).seen == [1]
    assert (await _worker(runtime, AgentId("worker", "default"))).seen == []
    seen = {}
    for key in ("room", "hall"):
        agent = await runtime.try_get_underlying_agent_instance(AgentId("telling", key), Telling)
        [(own, ctx)] = agent.contexts
        assert own == AgentId("telling", key)
        seen[key] = (ctx.is_rpc, ctx.topic_id, ctx.sender, ctx.message_id)
    assert seen == {
        "room": (False, TopicId("questions", "room"), None, "the-event"),
        "hall": (True, None, ONE, "the-call"),
    }


async def test_an_event_s_error_keeps_nothing_from_the_others(make: Make) -> None:
    runtime = make()
    await Failing.register(_agents(runtime), "failing", Failing)
    await take_worker(runtime, "worker", "default")
    runtime.start()
    for number in (1, 2, 3):
        await runtime.publish_message(Note(number), TopicId("default", "one"))
    await runtime.stop_when_idle()
    assert (await _worker(runtime)).seen == [1, 2, 3]


async def test_a_call_s_error_is_its_caller_s_alone(make: Make) -> None:
    runtime = make(ignore_unhandled_exceptions=False)
    await take_worker(runtime)
    runtime.start()
    with pytest.raises(OwnError):
        await runtime.send_message(Fail("broken"), ONE)
    await runtime.stop_when_idle()


async def test_events_are_heard_after_another_start(make: Make) -> None:
    runtime = make()
    await take_worker(runtime, "worker", "notes")
    for number in (1, 2):
        runtime.start()
        await runtime.publish_message(Note(number), TopicId("notes", "one"))
        await runtime.stop_when_idle()
    assert (await _worker(runtime)).seen == [1, 2]


async def test_what_is_registered_after_the_start_works(make: Make) -> None:
    runtime = make()
    runtime.start()
    await take_worker(runtime, "worker", "notes")
    assert (await runtime.send_message(Ask(1), ONE)).number == 1
    await runtime.publish_message(Note(2), TopicId("notes", "one"))
    await runtime.stop_when_idle()
    assert (await _worker(runtime)).seen == [2]


async def test_a_factory_that_does_not_wait_knows_whom_it_makes_and_where(make: Make) -> None:
    runtime = make()
    made: list[tuple[AgentId, AgentRuntime]] = []

    def at_once() -> Worker:
        made.append((AgentInstantiationContext.current_agent_id(), AgentInstantiationContext.current_runtime()))
        return Worker()

    await runtime.register_factory("worker", at_once, expected_class=Worker)
    assert made == []
    runtime.start()
    for _ in range(2):
        await runtime.send_message(Ask(1), ONE)
    assert made == [(ONE, _agents(runtime))]
    await runtime.stop()


async def test_a_factory_that_fails_for_an_event_is_told_of(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    runtime = make(ignore_unhandled_exceptions=False)

    def broken() -> Worker:
        raise OwnError("no worker today", code=1)

    await runtime.register_factory("broken", broken)
    await runtime.add_subscription(TypeSubscription("notes", "broken"))
    runtime.start()
    await runtime.publish_message(Note(1), TopicId("notes", "one"))
    with pytest.raises(OwnError, match="no worker today"):
        await runtime.stop_when_idle()
    levels = {record.levelno for record in caplog.records if "Error constructing agent" in record.message}
    assert levels == {logging.ERROR}


async def test_no_factory_where_there_is_an_instance(make: Make) -> None:
    runtime = make()
    await Worker().register_instance(_agents(runtime), ONE)
    with pytest.raises(ValueError, match="already exists"):
        await runtime.register_factory("worker", Worker)


async def test_an_instance_gets_the_events_of_its_key_and_no_other_is_made(make: Make) -> None:
    runtime = make()
    instance = Worker()
    await instance.register_instance(_agents(runtime), ONE)
    await runtime.add_subscription(TypeSubscription("notes", "worker"))
    runtime.start()
    await runtime.publish_message(Note(1), TopicId("notes", "one"))
    await runtime.publish_message(Note(2), TopicId("notes", "two"))
    await runtime.stop_when_idle()
    assert instance.seen == [1]
    assert set(await runtime.save_state()) == {"worker/one"}


async def test_each_kind_of_subscription_is_unique_and_finds_the_agent_of_its_source(make: Make) -> None:
    runtime = make()
    for agent_type in ("by-prefix", "by-default"):
        await take_worker(runtime, agent_type)
    for subscription, equal in (
        (TypePrefixSubscription("news.", "by-prefix"), TypePrefixSubscription("news.", "by-prefix")),
        (DefaultSubscription(agent_type="by-default"), TypeSubscription("default", "by-default")),
        (TypeSubscription("x", "by-default", id="the id"), TypeSubscription("y", "by-default", id="the id")),
    ):
        await runtime.add_subscription(subscription)
        with pytest.raises(ValueError, match=r"^Subscription already exists$"):
            await runtime.add_subscription(equal)
    runtime.start()
    await runtime.publish_message(Note(1), TopicId("news.local", "here"))
    await runtime.publish_message(Note(2), TopicId("news", "here"))
    await runtime.publish_message(Note(3), DefaultTopicId())
    await runtime.publish_message(Note(4), DefaultTopicId(source="there"))
    await runtime.stop_when_idle()
    for agent, seen in {"by-prefix/here": [1], "by-default/default": [3], "by-default/there": [4]}.items():
        assert (await _worker(runtime, AgentId.from_str(agent))).seen == seen


async def test_a_state_makes_the_agents_that_it_is_of(make: Make) -> None:
    runtime = make()
    await take_worker(runtime)
    runtime.start()
    await runtime.load_state({"worker/one": {"count": 7}, "unheard-of/one": {"count": 8}})
    await runtime.send_message(Ask(1), ONE)
    assert await runtime.save_state() == {"worker/one": {"count": 8}}
    await runtime.stop()


async def test_get_makes_an_agent_only_when_it_is_to(make: Make) -> None:
    runtime = make()
    await take_worker(runtime)
    runtime.start()
    assert await runtime.get("worker") == AgentId("worker", "default")
    assert await runtime.get(AgentType("worker"), "two") == AgentId("worker", "two")
    assert await runtime.get(ONE) == ONE
    assert await runtime.save_state() == {}
    assert await runtime.get(ONE, lazy=False) == ONE
    assert await runtime.save_state() == {"worker/one": {"count": 0}}
    with pytest.raises(LookupError, match="nobody"):
        await runtime.get("nobody", lazy=False)
    await runtime.stop()


@pytest.mark.parametrize("what", ["agent_metadata", "agent_save_state"])
async def test_what_is_asked_of_nobody_is_a_lookup_error(make: Make, what: str) -> None:
    runtime = make()
    runtime.start()
    with pytest.raises(LookupError, match="nobody"):
        await getattr(runtime, what)(AgentId("nobody", "x"))
    await runtime.stop()


class _Refusing(DefaultInterventionHandler):
    """Changes, drops or refuses, as the number says."""

    def __init__(self) -> None:
        self.published: list[int] = []

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        return DropMessage() if message.number == 0 else message

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        self.published.append(message.number)
        if message.number < 0:
            raise OwnError("not that event", code=1)
        return DropMessage() if message.number == 0 else Note(message.number * 10)

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
        if message.number == 2:
            raise OwnError("not that answer", code=2)
        return DropMessage() if message.number == 3 else Reply(message.number * 10, 0)


async def test_intervention_handlers_change_and_refuse_answers(make: Make) -> None:
    runtime = make(intervention_handlers=[_Refusing()])
    await take_worker(runtime)
    runtime.start()
    assert await runtime.send_message(Ask(1), ONE) == Reply(10, 0)
    with pytest.raises(OwnError, match="not that answer"):
        await runtime.send_message(Ask(2), ONE)
    for number in (3, 0):
        with pytest.raises(MessageDroppedException):
            await runtime.send_message(Ask(number), ONE)
    assert (await _worker(runtime)).count == 3
    await runtime.stop()


async def test_intervention_handlers_change_and_refuse_events(make: Make) -> None:
    handler = _Refusing()
    runtime = make(intervention_handlers=[handler])
    await take_worker(runtime, "worker", "notes")
    runtime.start()
    for number in (0, -1, 1):
        # AutoGen's own runtime logs what a handler raises; ours tells the publisher.
        with contextlib.suppress(OwnError):
            await runtime.publish_message(Note(number), TopicId("notes", "one"))
    await eventually(lambda: handler.published == [0, -1, 1])
    agent = await _worker(runtime)
    await eventually(lambda: agent.seen == [10])
    await runtime.stop()


class Flat(msgspec.Struct, frozen=True):
    number: int


class _TakesFlat:
    """For a RoutedAgent: autogen-core knows no serializer for a msgspec struct."""

    @classmethod
    def _handles_types(cls) -> list[tuple[type[Any], list[MessageSerializer[Any]]]]:
        return [(Flat, [StructSerializer(Flat)])]


class TakesFlat(_TakesFlat, RoutedAgent):
    def __init__(self) -> None:
        super().__init__("takes structs")
        self.heard: list[Flat] = []

    @rpc
    async def call(self, message: Flat, ctx: MessageContext) -> Flat:
        return Flat(message.number + 1)

    @event
    async def hear(self, message: Flat, ctx: MessageContext) -> None:
        self.heard.append(message)


async def test_a_routed_agent_takes_structs_with_a_mixin(make: Make) -> None:
    runtime = make()
    await TakesFlat.register(_agents(runtime), "flat", TakesFlat)
    await runtime.add_subscription(TypeSubscription("flats", "flat"))
    runtime.start()
    assert await runtime.send_message(Flat(1), AgentId("flat", "one")) == Flat(2)
    await runtime.publish_message(Flat(5), TopicId("flats", "one"))
    await runtime.stop_when_idle()
    agent = await runtime.try_get_underlying_agent_instance(AgentId("flat", "one"), TakesFlat)
    assert agent.heard == [Flat(5)]
