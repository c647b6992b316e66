"""Durable topics: stored before publish returns, delivered in order to each agent, whoever dies."""

import asyncio
import signal
import time
from pathlib import Path

import pytest
from autogen_core import (
    AgentId,
    MessageContext,
    RoutedAgent,
    TopicId,
    TypePrefixSubscription,
    TypeSubscription,
    event,
)

import bus.agents.durable.office
import bus.agents.durable.topics
from bus.agent_runtime import NatsAgentRuntime
from bus.agents import wire
from bus.agents.durable.progress import Lanes, Progress
from bus.agents.durable.records import Reached, decode_record
from bus.agents.errors import CannotTravel, TopicFull, TopicUnreachable
from bus.jetstream import api, last_of, publish
from bus.server import EmbeddedServer, ServerOptions
from tests.bus.agents.cast import Note, OwnError, Seen, Text, Worker, take_worker
from tests.bus.agents.conftest import Grounds
from tests.bus.eventually import WITHIN_S, eventually

ONE = AgentId("worker", "one")
ORDERS = ("orders",)


def to(source: str = "one", topic: str = "orders") -> TopicId:
    return TopicId(topic, source)


async def seen(runtime: NatsAgentRuntime, agent: AgentId = ONE) -> list[int]:
    answer = await runtime.send_message(Seen(), agent)
    assert isinstance(answer, Seen)
    return answer.numbers


async def stored(runtime: NatsAgentRuntime) -> int:
    session = runtime._node.session
    info = await api(session.requester, f"STREAM.INFO.{session.names.topics}")
    return int(info["state"]["messages"])


async def holder(runtime: NatsAgentRuntime, agent_type: str = "worker") -> str:
    session = runtime._node.session
    found = await last_of(session.requester, session.names.stream, session.names.dispatch(agent_type))
    return "" if found is None else decode_record(found.data).worker


class Slow(RoutedAgent):
    """Handles one key's events only when it is let."""

    gate: asyncio.Event
    seen: list[tuple[str, int]]
    at_once: int
    most_at_once: int

    def __init__(self) -> None:
        super().__init__("waits")
        self.running = 0

    @event
    async def on_note(self, message: Note, ctx: MessageContext) -> None:
        self.running += 1
        assert self.running == 1, "two events at once at one agent"
        if self.id.key == "slow":
            await Slow.gate.wait()
        else:
            await asyncio.sleep(0)
        Slow.seen.append((self.id.key, message.number))
        self.running -= 1


@pytest.fixture(autouse=True)
def fresh_slow() -> None:
    Slow.gate, Slow.seen = asyncio.Event(), []


@pytest.mark.usefixtures("unhurried")
async def test_what_is_published_arrives_in_order_and_is_dropped_then(grounds: Grounds) -> None:
    runtime = await grounds.started(durable_topics=ORDERS)
    await take_worker(runtime, "worker", "orders")
    publisher = grounds.runtime()
    for number in range(50):
        await publisher.publish_message(Note(number), to())
        await publisher.publish_message(Note(number), to("two"))
    await runtime.stop_when_idle()
    agents = [await runtime.try_get_underlying_agent_instance(AgentId("worker", key), Worker) for key in ("one", "two")]
    assert [agent.seen for agent in agents] == [list(range(50))] * 2
    assert await stored(publisher) == 0


@pytest.mark.usefixtures("unhurried")
async def test_a_slow_agent_holds_up_nobody_else_and_keeps_its_order(grounds: Grounds) -> None:
    runtime = await grounds.started(durable_topics=ORDERS)
    await Slow.register(runtime, "slow", Slow)
    await runtime.add_subscription(TypeSubscription("orders", "slow"))
    publisher = await grounds.started()
    for number in range(20):
        for key in ("slow", "a", "b"):
            await publisher.publish_message(Note(number), to(key))
    await eventually(lambda: len(Slow.seen) == 40)
    assert all(key != "slow" for key, _ in Slow.seen)
    Slow.gate.set()
    await runtime.stop_when_idle()
    for key in ("slow", "a", "b"):
        assert [number for one, number in Slow.seen if one == key] == list(range(20))


@pytest.mark.usefixtures("unhurried")
async def test_events_wait_for_whoever_subscribes_later(grounds: Grounds) -> None:
    publisher = await grounds.started(durable_topics=ORDERS)
    for number in range(5):
        await publisher.publish_message(Note(number), to())
    assert await stored(publisher) == 5
    first = await grounds.started()
    await take_worker(first, "worker", "orders")
    await eventually(lambda: seen_is(publisher, ONE, range(5)))
    # Everybody known has handled all, and it is gone.
    await eventually(lambda: stored_is(publisher, 0))


async def seen_is(runtime: NatsAgentRuntime, agent: AgentId, numbers: range) -> bool:
    return await seen(runtime, agent) == list(numbers)


async def stored_is(runtime: NatsAgentRuntime, count: int) -> bool:
    return await stored(runtime) == count


async def test_what_is_published_while_all_workers_are_down_arrives(grounds: Grounds) -> None:
    publisher = await grounds.started(durable_topics=ORDERS)
    worker = await grounds.process("worker", "orders")
    other = await grounds.started()
    await take_worker(other, "other", "orders")
    await publisher.publish_message(Note(0), to())
    await eventually(lambda: seen_is(publisher, ONE, range(1)))
    worker.send_signal(signal.SIGKILL)
    await worker.wait()
    for number in range(1, 10):
        await publisher.publish_message(Note(number), to())
    # The type that lives has handled them; they are kept for the one that does not.
    await eventually(lambda: seen_is(publisher, AgentId("other", "one"), range(10)))
    assert await stored(publisher) >= 9
    await grounds.process("worker", "orders")
    await eventually(lambda: seen_tail_is(publisher, range(1, 10)))
    await eventually(lambda: stored_is(publisher, 0))


async def seen_tail_is(runtime: NatsAgentRuntime, numbers: range) -> bool:
    """Tell whether these came last, in order; events of before may have come again."""
    return (await seen(runtime))[-len(numbers) :] == list(numbers)


@pytest.mark.usefixtures("unhurried")
async def test_the_sender_does_not_get_its_own(grounds: Grounds) -> None:
    runtime = await grounds.started(durable_topics=ORDERS)
    await take_worker(runtime, "worker", "orders")
    await runtime.publish_message(Note(1), to(), sender=ONE)
    await runtime.publish_message(Note(2), to(), sender=AgentId("worker", "two"))
    await runtime.stop_when_idle()
    agent = await runtime.try_get_underlying_agent_instance(ONE, Worker)
    assert agent.seen == [2]


@pytest.mark.usefixtures("unhurried")
async def test_a_failing_handler_counts_and_is_told_where_that_is_wanted(grounds: Grounds) -> None:
    runtime = await grounds.started(durable_topics=ORDERS, ignore_unhandled_exceptions=False)
    await Fails.register(runtime, "fails", Fails)
    await runtime.add_subscription(TypeSubscription("orders", "fails"))
    await runtime.publish_message(Note(7), to())
    with pytest.raises(OwnError, match=r"\(7\)"):
        await runtime.stop_when_idle()
    await runtime.start()
    await runtime.stop_when_idle()
    assert await stored(runtime) == 0


class Fails(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("fails")

    @event
    async def on_note(self, message: Note, ctx: MessageContext) -> None:
        raise OwnError("an event failed", code=message.number)


@pytest.mark.usefixtures("unhurried")
async def test_stop_when_idle_waits_for_what_events_lead_to(grounds: Grounds) -> None:
    runtime = await grounds.started(durable_topics=("orders", "next"))
    await take_worker(runtime, "worker", "orders")
    await take_worker(runtime, "other", "next")
    for number in range(10):
        await runtime.publish_message(Note(number, to="next"), to())
    await runtime.stop_when_idle()
    agent = await runtime.try_get_underlying_agent_instance(AgentId("other", "one"), Worker)
    assert agent.seen == list(range(10))


@pytest.mark.usefixtures("unhurried")
async def test_two_name_a_topic_at_once_and_all_know(grounds: Grounds) -> None:
    before = await grounds.started()
    await take_worker(before, "worker", "orders")
    two = [grounds.runtime(durable_topics=ORDERS) for _ in range(2)]
    await asyncio.gather(*(runtime.start() for runtime in two))
    # It was told, and its subscription lasts from now on.
    await eventually(lambda: holder_is(before, before._node.session.worker))
    after = await grounds.started()
    for publisher in (before, *two, after):
        await publisher.publish_message(Note(1), to("all"))
    await eventually(lambda: seen_count_is(after, AgentId("worker", "all"), 4))


async def holder_is(runtime: NatsAgentRuntime, worker: str, agent_type: str = "worker") -> bool:
    return await holder(runtime, agent_type) == worker


async def seen_count_is(runtime: NatsAgentRuntime, agent: AgentId, count: int) -> bool:
    return len(await seen(runtime, agent)) == count


@pytest.mark.usefixtures("unhurried")
async def test_who_unsubscribes_holds_nothing_up(grounds: Grounds) -> None:
    publisher = await grounds.started(durable_topics=ORDERS)
    runtime = await grounds.started()
    await Worker.register(runtime, "worker", Worker)
    subscription = TypePrefixSubscription("ord", "worker")
    await runtime.add_subscription(subscription)
    await runtime.stop()
    await publisher.publish_message(Note(1), to())
    assert await stored(publisher) == 1
    await runtime.remove_subscription(subscription.id)
    other = await grounds.started()
    await take_worker(other, "other", "orders")
    await eventually(lambda: stored_is(publisher, 0))


async def test_a_full_topic_holds_its_publishers_back(grounds: Grounds, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher = await grounds.started()
    session = publisher._node.session
    await publisher._node.join()
    stream = {"name": session.names.topics, "subjects": [session.names.every_topic], "max_msgs_per_subject": 3}
    stream |= {"discard": "new", "discard_new_per_subject": True, "allow_direct": True}
    await api(session.requester, f"STREAM.CREATE.{session.names.topics}", stream)
    runtime = await grounds.started(durable_topics=ORDERS)
    for number in range(3):
        await publisher.publish_message(Note(number), to())
    began = time.monotonic()
    late = [asyncio.create_task(publisher.publish_message(Note(9), to())) for _ in range(3)]
    for one in late:
        with pytest.raises(TopicFull, match="orders"):
            await one
    assert 4 < time.monotonic() - began < WITHIN_S
    # Room is made, and those who wait for it get it, in the order in which they came.
    monkeypatch.setattr(bus.agents.durable.topics, "_WITHIN_S", WITHIN_S)
    late = [asyncio.create_task(publisher.publish_message(Note(number), to())) for number in range(3, 20)]
    await asyncio.sleep(0)
    assert not any(one.done() for one in late)
    await take_worker(runtime, "worker", "orders")
    await asyncio.gather(*late)
    await eventually(lambda: seen_is(publisher, ONE, range(20)))


@pytest.mark.usefixtures("unhurried")
async def test_too_large_an_event_is_refused(grounds: Grounds) -> None:
    publisher = await grounds.started(durable_topics=ORDERS)
    with pytest.raises(CannotTravel, match="bytes"):
        await publisher.publish_message(Text(text="x" * 9_000_000), to())


def test_a_durable_topic_has_a_name_that_topics_can_have(grounds: Grounds) -> None:
    with pytest.raises(ValueError, match="topic type"):
        grounds.runtime(durable_topics=("no topic",))


@pytest.mark.usefixtures("unhurried")
async def test_another_takes_over_where_one_stops(grounds: Grounds) -> None:
    publisher = await grounds.started(durable_topics=ORDERS)
    first, second = await grounds.started(), await grounds.started()
    await take_worker(first, "worker", "orders")
    await eventually(lambda: holder_is(publisher, first._node.session.worker))
    await take_worker(second, "worker", "orders")
    await publisher.publish_message(Note(1), to())
    await first.stop_when_idle()
    await eventually(lambda: holder_is(publisher, second._node.session.worker))
    await publisher.publish_message(Note(2), to("two"))
    await eventually(lambda: seen_count_is(publisher, AgentId("worker", "two"), 1))


@pytest.mark.usefixtures("unhurried")
async def test_who_stops_has_nothing_repeated_that_is_handled_soon(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus.agents.durable.office, "_PROBE_EVERY_S", 0.02)
    publisher = await grounds.started(durable_topics=ORDERS)
    host = await grounds.started()
    await Sleeper.register(host, "sleeper", Sleeper)
    first, second = await grounds.started(), await grounds.started()
    await first.add_subscription(TypeSubscription("orders", "sleeper"))
    await eventually(lambda: holder_is(publisher, first._node.session.worker, "sleeper"))
    await second.add_subscription(TypeSubscription("orders", "sleeper"))
    agents = [await host.try_get_underlying_agent_instance(AgentId("sleeper", key), Sleeper) for key in ("a", "b")]
    for agent, tenths in zip(agents, (2, 6), strict=True):
        await publisher.publish_message(Note(tenths), to(agent.id.key))
    await eventually(lambda: all(agent.began for agent in agents))
    await first.stop()
    await eventually(lambda: stored_is(publisher, 0))
    assert [agent.began for agent in agents] == [[2], [6]]
    await eventually(lambda: holder_is(publisher, second._node.session.worker, "sleeper"))


class Sleeper(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("sleeps as many tenths of a second as it is told")
        self.began: list[int] = []

    @event
    async def on_note(self, message: Note, ctx: MessageContext) -> None:
        self.began.append(message.number)
        await asyncio.sleep(message.number / 10)


@pytest.mark.usefixtures("unhurried")
async def test_large_events_are_read_a_few_at_a_time(grounds: Grounds) -> None:
    publisher = await grounds.started(durable_topics=ORDERS)
    for number in range(5):
        await publisher.publish_message(Text(text=f"{number}" + "x" * 5_000_000), to())
        await publisher.publish_message(Text(text=f"{number}"), to())
    runtime = await grounds.started()
    await Sizes.register(runtime, "sizes", Sizes)
    await runtime.add_subscription(TypeSubscription("orders", "sizes"))
    await runtime.stop_when_idle()
    agent = await runtime.try_get_underlying_agent_instance(AgentId("sizes", "one"), Sizes)
    assert agent.seen == [(str(number), size) for number in range(5) for size in (5_000_001, 1)]


class Sizes(RoutedAgent):
    def __init__(self) -> None:
        super().__init__("measures")
        self.seen: list[tuple[str, int]] = []

    @event
    async def on_text(self, message: Text, ctx: MessageContext) -> None:
        self.seen.append((message.text[0], len(message.text)))


@pytest.mark.usefixtures("unhurried")
async def test_what_is_no_event_is_passed_over(grounds: Grounds) -> None:
    runtime = await grounds.started(durable_topics=ORDERS)
    session = runtime._node.session
    for data in (b"", b"no event"):
        await publish(session.requester, session.names.topic("orders"), data)
    await take_worker(runtime, "worker", "orders")
    await runtime.publish_message(Note(1), to())
    await runtime.stop_when_idle()
    agent = await runtime.try_get_underlying_agent_instance(ONE, Worker)
    assert agent.seen == [1]
    assert await stored(runtime) == 0


def test_a_text_for_the_durable_topics_is_not_read_letter_by_letter(grounds: Grounds) -> None:
    with pytest.raises(TypeError, match=r"write \('orders',\)"):
        grounds.runtime(durable_topics="orders")


async def test_without_a_server_a_publisher_is_told_and_nobody_hangs(tmp_path: Path) -> None:
    async with EmbeddedServer(ServerOptions(store=tmp_path / "store", port=-1)) as server:
        grounds = Grounds(server)
        runtime = await grounds.started(durable_topics=ORDERS)
        await take_worker(runtime, "worker", "orders")
        await runtime.publish_message(Note(1), to())
        await eventually(lambda: seen_is(runtime, ONE, range(1, 2)))
        await server.kill()
        began = time.monotonic()
        with pytest.raises(TopicUnreachable, match="orders"):
            await runtime.publish_message(Note(2), to())
        assert time.monotonic() - began < WITHIN_S
        began = time.monotonic()
        await runtime.stop_when_idle()
        assert time.monotonic() - began < WITHIN_S
        await server.restart()
        await grounds.end()


def test_progress_keeps_what_is_open() -> None:
    progress = Progress(Reached(cursor=4, open=(2, 4)))
    for sequence in (7, 9):
        progress.read(sequence)
    assert (progress.floor, progress.open, progress.behind) == (1, (2, 4, 7, 9), 4)
    progress.handled(2)
    progress.handled(7)
    assert progress.reached() == Reached(cursor=9, open=(4, 9))
    assert [progress.lost(4), progress.lost(4), progress.lost(9)] == [1, 2, 1]
    assert Progress(progress.reached()).reached() == Reached(cursor=9, open=(4, 9), lost={4: 2, 9: 1})
    progress.handled(9)
    progress.handled(4)
    assert (progress.floor, progress.reached()) == (9, Reached(cursor=9))


def test_lanes_are_one_for_each_key_and_end() -> None:
    lanes: Lanes[str, int] = Lanes()
    assert [lanes.add("a", 1), lanes.add("a", 2), lanes.add("b", 3)] == [True, False, True]
    assert lanes.first("a") == 1
    lanes.advance("a")
    assert lanes.first("a") == 2
    lanes.advance("a")
    assert lanes.first("a") is None
    assert lanes.add("a", 4)


@pytest.mark.usefixtures("unhurried")
async def test_what_was_placed_too_late_does_not_go_out(grounds: Grounds) -> None:
    runtime = await grounds.started()
    await take_worker(runtime)
    body = runtime._codec.encode(Note(1))
    delivery = wire.encode(wire.Delivery(wire.VERSION, "publish", ("worker", "one"), body))
    lost: list[BaseException] = []
    may = True
    runtime._node.outgoing.send(ONE, delivery, None, on_lost=lost.append, guard=lambda: may)
    may = False
    await eventually(lambda: bool(lost))
    assert await seen(runtime) == []
    runtime._node.outgoing.send(ONE, delivery, None, on_lost=lost.append, guard=lambda: True)
    assert await seen(runtime) == [1]
    assert len(lost) == 1
