"""What any AutoGen runtime does, said once and shown of three: theirs, ours, and ours with the traffic from elsewhere."""

import asyncio
import logging
from typing import Any, cast

import pytest
from autogen_core import (
    AgentId,
    AgentInstantiationContext,
    AgentRuntime,
    AgentType,
    CancellationToken,
    DefaultInterventionHandler,
    DefaultTopicId,
    DropMessage,
    MessageContext,
    TopicId,
    TypePrefixSubscription,
    TypeSubscription,
)
from autogen_core.exceptions import MessageDroppedException

from tests.bus.agents.cast import (
    Ask,
    Cascading,
    Fail,
    Failing,
    Note,
    Nothing,
    OwnError,
    Relay,
    Reply,
    Round,
    Wait,
    Worker,
    take_worker,
)
from tests.bus.agents.conftest import Make
from tests.bus.eventually import eventually

pytestmark = pytest.mark.usefixtures("unhurried")
ONE = AgentId("worker", "one")
MANY = 50


async def test_a_call_returns_what_the_handler_returns(make: Make) -> None:
    runtime = make()
    await take_worker(runtime)
    runtime.start()
    answer = await runtime.send_message(Ask(5), ONE)
    assert isinstance(answer, Reply)
    assert answer.number == 5
    assert await runtime.send_message(Nothing(), ONE) is None
    agent = await runtime.try_get_underlying_agent_instance(ONE, Worker)
    assert agent.count == 2
    await runtime.stop_when_idle()


async def test_a_call_raises_what_the_handler_raises(make: Make) -> None:
    runtime = make()
    await take_worker(runtime)
    runtime.start()
    with pytest.raises(OwnError, match=r"broken \(7\)") as caught:
        await runtime.send_message(Fail("broken"), ONE)
    assert caught.value.code == 7
    await runtime.stop()


async def test_an_unknown_recipient_is_told_at_once(make: Make) -> None:
    runtime = make()
    await take_worker(runtime)
    runtime.start()
    # What merely nobody took in time is another error.
    with pytest.raises(Exception, match="Recipient not found"):
        await runtime.send_message(Ask(1), AgentId("nobody", "one"))
    await runtime.stop()


async def test_messages_sent_before_the_start_are_handled_after_it(make: Make) -> None:
    runtime = make()
    await take_worker(runtime, "worker", "notes")
    asked = asyncio.create_task(runtime.send_message(Ask(1), ONE))
    await runtime.publish_message(Note(2), TopicId("notes", "one"))
    runtime.start()
    assert (await asked).number == 1
    await runtime.stop_when_idle()
    assert (await runtime.try_get_underlying_agent_instance(ONE, Worker)).seen == [2]


async def test_the_same_agents_go_on_after_another_start(make: Make) -> None:
    runtime = make()
    await take_worker(runtime)
    for number in (1, 2, 3):
        runtime.start()
        with pytest.raises(RuntimeError, match="already started"):
            runtime.start()
        assert (await runtime.send_message(Ask(number), ONE)).number == number
        await runtime.stop_when_idle()
    with pytest.raises(RuntimeError, match="not started"):
        await runtime.stop()
    assert (await runtime.try_get_underlying_agent_instance(ONE, Worker)).count == 3


async def test_a_topic_reaches_each_subscription_once_and_in_order(make: Make) -> None:
    runtime = make()
    for agent_type in ("a", "b"):
        await take_worker(runtime, agent_type, "notes")
    await runtime.add_subscription(TypePrefixSubscription("no", "b"))
    runtime.start()
    for number in range(100):
        await runtime.publish_message(Note(number), TopicId("notes", "one"))
    await runtime.stop_when_idle()
    a = await runtime.try_get_underlying_agent_instance(AgentId("a", "one"), Worker)
    b = await runtime.try_get_underlying_agent_instance(AgentId("b", "one"), Worker)
    other = await runtime.try_get_underlying_agent_instance(AgentId("a", "other"), Worker)
    assert a.seen == list(range(100))
    assert b.seen == [number for number in range(100) for _ in range(2)]
    assert other.seen == []


async def test_a_publisher_does_not_hear_itself(make: Make) -> None:
    runtime = make()
    await take_worker(runtime, "a", "notes", "more")
    await take_worker(runtime, "b", "more")
    runtime.start()
    await runtime.publish_message(Note(1, to="more"), TopicId("notes", "one"))
    await runtime.stop_when_idle()
    assert (await runtime.try_get_underlying_agent_instance(AgentId("a", "one"), Worker)).seen == [1]
    assert (await runtime.try_get_underlying_agent_instance(AgentId("b", "one"), Worker)).seen == [1]


async def test_idle_is_when_a_cascade_has_ended(make: Make) -> None:
    runtime = make()
    for number in range(4):
        await Cascading.register(runtime, f"cascading{number}", lambda: Cascading(5))
    runtime.start()
    await runtime.publish_message(Round(1), DefaultTopicId())
    await runtime.stop_when_idle()
    for number in range(4):
        agent = await runtime.try_get_underlying_agent_instance(AgentId(f"cascading{number}", "default"), Cascading)
        assert agent.count == sum(3**level for level in range(5))


async def test_cancellation_reaches_the_handler_through_another(make: Make) -> None:
    runtime = make()
    await take_worker(runtime)
    await take_worker(runtime, "inner")
    runtime.start()
    token = CancellationToken()
    outer = asyncio.create_task(runtime.send_message(Relay("inner", "one"), ONE, cancellation_token=token))
    inner = await runtime.try_get_underlying_agent_instance(AgentId("inner", "one"), Worker)
    await eventually(lambda: inner.waiting == 1)
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
    await eventually(lambda: inner.cancelled == 1)
    await runtime.stop_when_idle()


async def test_an_error_in_an_events_handler_is_swallowed_or_raised_when_idle(make: Make) -> None:
    quiet = make()
    await Failing.register(quiet, "failing", Failing)
    quiet.start()
    await quiet.publish_message(Note(1), DefaultTopicId())
    await quiet.stop_when_idle()


async def test_an_error_in_an_events_handler_is_raised_when_idle(make: Make) -> None:
    loud = make(ignore_unhandled_exceptions=False)
    await Failing.register(loud, "failing", Failing)
    loud.start()
    for number in (1, 2, 3):
        await loud.publish_message(Note(number), DefaultTopicId())
    with pytest.raises(OwnError, match="an event failed"):
        await loud.stop_when_idle()
    await loud.close()


async def test_types_and_instances_are_unique(make: Make) -> None:
    runtime = make()
    await take_worker(runtime)
    with pytest.raises(ValueError, match="already exists"):
        await runtime.register_factory("worker", Worker)
    target: AgentRuntime = cast(AgentRuntime, getattr(runtime, "agents", runtime))
    with pytest.raises(ValueError, match="cannot be registered to the same type"):
        await Worker().register_instance(target, ONE)
    instance = Worker()
    await instance.register_instance(target, AgentId("single", "one"))
    with pytest.raises(ValueError, match="already exists"):
        await Worker().register_instance(target, AgentId("single", "one"))
    with pytest.raises(ValueError, match="same object type"):
        await Cascading(1).register_instance(target, AgentId("single", "two"))
    runtime.start()
    assert (await runtime.send_message(Ask(3), AgentId("single", "one"))).number == 3
    assert instance.count == 1
    await runtime.stop()


async def test_a_factory_knows_whom_it_makes_and_is_checked(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    runtime = make()
    made: list[AgentId] = []

    async def slowly() -> Worker:
        made.append(AgentInstantiationContext.current_agent_id())
        await asyncio.sleep(0.02)
        return Worker()

    async def broken() -> Worker:
        raise ValueError("no worker today")

    await runtime.register_factory(AgentType("slow"), slowly, expected_class=Worker)
    await runtime.register_factory("wrong", Worker, expected_class=Cascading)
    await runtime.register_factory("broken", broken)
    runtime.start()
    assert (await runtime.send_message(Ask(1), AgentId("slow", "k"))).number == 1
    assert made == [AgentId("slow", "k")]
    with pytest.raises(ValueError, match="wrong type: expected Cascading, got Worker"):
        await runtime.send_message(Ask(1), AgentId("wrong", "k"))
    with caplog.at_level(logging.ERROR), pytest.raises(ValueError, match="no worker today"):
        await runtime.send_message(Ask(1), AgentId("broken", "k"))
    assert any("Error constructing agent" in record.message for record in caplog.records)
    await runtime.stop()


async def test_subscriptions_are_unique_and_end(make: Make) -> None:
    runtime = make()
    await take_worker(runtime)
    subscription = TypeSubscription("notes", "worker")
    await runtime.add_subscription(subscription)
    with pytest.raises(ValueError, match="Subscription already exists"):
        await runtime.add_subscription(TypeSubscription("notes", "worker"))
    await runtime.remove_subscription(subscription.id)
    with pytest.raises(ValueError, match="Subscription does not exist"):
        await runtime.remove_subscription(subscription.id)
    runtime.start()
    await runtime.publish_message(Note(1), TopicId("notes", "one"))
    await runtime.stop_when_idle()
    assert (await runtime.try_get_underlying_agent_instance(ONE, Worker)).seen == []


async def test_state_goes_out_and_in(make: Make) -> None:
    runtime = make()
    await take_worker(runtime)
    runtime.start()
    await runtime.send_message(Ask(1), ONE)
    assert await runtime.agent_save_state(ONE) == {"count": 1}
    state = await runtime.save_state()
    assert state == {"worker/one": {"count": 1}}
    await runtime.agent_load_state(ONE, {"count": 10})
    assert await runtime.agent_save_state(ONE) == {"count": 10}
    await runtime.load_state(state)
    assert await runtime.agent_save_state(ONE) == {"count": 1}
    assert await runtime.agent_metadata(ONE) == {"type": "worker", "key": "one", "description": "answers"}
    assert await runtime.get("worker", "new", lazy=False) == AgentId("worker", "new")
    await runtime.stop()


async def test_underlying_agents(make: Make) -> None:
    runtime = make()
    await take_worker(runtime)
    assert isinstance(await runtime.try_get_underlying_agent_instance(ONE), Worker)
    with pytest.raises(TypeError, match="Worker"):
        await runtime.try_get_underlying_agent_instance(ONE, Cascading)
    with pytest.raises(LookupError, match="nobody"):
        await runtime.try_get_underlying_agent_instance(AgentId("nobody", "x"))


class _Meddler(DefaultInterventionHandler):
    def __init__(self) -> None:
        self.calls: list[str] = []

    async def on_send(self, message: Any, *, message_context: MessageContext, recipient: AgentId) -> Any:
        self.calls.append(f"send {recipient} {message_context.is_rpc}")
        if message.number == 0:
            return DropMessage
        if message.number < 0:
            raise OwnError("not that", code=1)
        return Ask(message.number * 10)

    async def on_publish(self, message: Any, *, message_context: MessageContext) -> Any:
        self.calls.append(f"publish {message_context.topic_id}")
        return DropMessage if message.number == 0 else message

    async def on_response(self, message: Any, *, sender: AgentId, recipient: AgentId | None) -> Any:
        self.calls.append(f"response {sender} {recipient}")
        return DropMessage if message.number == 990 else message


async def test_intervention_handlers_change_drop_and_refuse(make: Make) -> None:
    meddler = _Meddler()
    runtime = make(intervention_handlers=[meddler])
    await take_worker(runtime, "worker", "notes")
    runtime.start()
    assert (await runtime.send_message(Ask(1), ONE)).number == 10
    for number in (0, 99):
        with pytest.raises(MessageDroppedException):
            await runtime.send_message(Ask(number), ONE)
    with pytest.raises(OwnError, match="not that"):
        await runtime.send_message(Ask(-1), ONE)
    await runtime.publish_message(Note(0), TopicId("notes", "one"))
    await runtime.publish_message(Note(1), TopicId("notes", "one"))
    await eventually(lambda: len(meddler.calls) == 8)
    assert meddler.calls.count("response worker/one None") == 2
    assert meddler.calls.count("publish notes/one") == 2
    agent = await runtime.try_get_underlying_agent_instance(ONE, Worker)
    await eventually(lambda: agent.seen == [1])
    await runtime.stop()


async def test_calls_wait_side_by_side(make: Make) -> None:
    runtime = make()
    await take_worker(runtime)
    runtime.start()
    token = CancellationToken()
    calls = [asyncio.create_task(runtime.send_message(Wait(600), ONE, cancellation_token=token)) for _ in range(MANY)]
    agent = await runtime.try_get_underlying_agent_instance(ONE, Worker)
    await eventually(lambda: agent.waiting == MANY)
    token.cancel()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(one) for one in ended] == [asyncio.CancelledError] * MANY
    await eventually(lambda: agent.cancelled == MANY)
    await runtime.stop()
