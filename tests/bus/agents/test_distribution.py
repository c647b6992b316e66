"""Agents in other processes: placed once, kept, moved when their worker dies; and no caller who waits for ever."""

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Sequence

import pytest
from autogen_core import AgentId, CancellationToken, TopicId
from autogen_core.exceptions import NotAccessibleError

from bus.agent_runtime import NatsAgentRuntime
from bus.agents.errors import NotPlaced, RecipientNotFound, WorkerLost
from bus.jetstream import publish
from tests.bus.agents.cast import (
    Ask,
    Fail,
    Note,
    Nothing,
    OwnError,
    Relay,
    Reply,
    Seen,
    Wait,
    Worker,
    take_worker,
)
from tests.bus.agents.conftest import Grounds
from tests.bus.eventually import WITHIN_S, eventually

ONE = AgentId("worker", "one")


async def _seen(runtime: NatsAgentRuntime, agent: AgentId) -> list[int]:
    answer = await runtime.send_message(Seen(), agent)
    assert isinstance(answer, Seen)
    return answer.numbers


async def _pid(runtime: NatsAgentRuntime, agent: AgentId) -> int:
    answer = await runtime.send_message(Ask(0), agent)
    assert isinstance(answer, Reply)
    return answer.pid


@pytest.mark.usefixtures("unhurried")
async def test_everything_arrives_from_another_process(grounds: Grounds) -> None:
    await grounds.process()
    runtime = await grounds.started()
    answer = await runtime.send_message(Ask(5), ONE)
    assert answer.number == 5
    assert answer.pid != os.getpid()
    assert await runtime.send_message(Nothing(), ONE) is None
    with pytest.raises(OwnError, match=r"broken \(7\)") as caught:
        await runtime.send_message(Fail("broken"), ONE)
    assert caught.value.code == 7
    assert "in fail" in str(caught.value.__cause__)
    with pytest.raises(RecipientNotFound):
        await runtime.send_message(Ask(1), AgentId("nobody", "x"))
    with pytest.raises(NotAccessibleError):
        await runtime.try_get_underlying_agent_instance(ONE, Worker)
    assert await runtime.agent_save_state(ONE) == {"count": 2}
    assert (await runtime.agent_metadata(ONE))["description"] == "answers"


@pytest.mark.usefixtures("unhurried")
async def test_a_runtime_that_only_sends_need_not_be_started(grounds: Grounds) -> None:
    await grounds.process()
    assert await _pid(grounds.runtime(), ONE) != os.getpid()


@pytest.mark.usefixtures("unhurried")
async def test_two_workers_call_one_agent_at_once(grounds: Grounds) -> None:
    owner = await grounds.started()
    await take_worker(owner)
    callers = [await grounds.started() for _ in range(2)]

    async def ask(caller: NatsAgentRuntime, number: int) -> int:
        return int((await caller.send_message(Ask(number), ONE)).number)

    numbers = list(range(100))
    answers = await asyncio.gather(*(ask(callers[number % 2], number) for number in numbers))
    assert answers == numbers
    assert (await owner.try_get_underlying_agent_instance(ONE, Worker)).count == 100


@pytest.mark.usefixtures("unhurried")
async def test_first_calls_at_once_end_at_one_instance(grounds: Grounds) -> None:
    workers = [await grounds.started() for _ in range(3)]
    for worker in workers:
        await take_worker(worker)
    callers = [*workers, *[await grounds.started() for _ in range(3)]]
    agents = [AgentId("worker", f"key {number}") for number in range(20)]
    await asyncio.gather(*(caller.send_message(Ask(1), agent) for agent in agents for caller in callers))
    held = 0
    for agent in agents:
        counts = []
        for worker in workers:
            try:
                counts.append((await worker.try_get_underlying_agent_instance(agent, Worker)).count)
            except NotAccessibleError:
                continue
        assert counts == [len(callers)]
        held += 1
    assert held == len(agents)


@pytest.mark.usefixtures("unhurried")
async def test_agents_are_spread_over_the_workers_and_stay(grounds: Grounds) -> None:
    await asyncio.gather(grounds.process(), grounds.process())
    runtime = await grounds.started()
    agents = [AgentId("worker", str(number)) for number in range(30)]
    first = [await _pid(runtime, agent) for agent in agents]
    assert len(set(first)) == 2
    await grounds.process()
    other = await grounds.started()
    assert [await _pid(other, agent) for agent in agents] == first


async def test_an_agent_moves_when_its_worker_is_killed(grounds: Grounds) -> None:
    processes = await asyncio.gather(grounds.process(), grounds.process())
    runtime = await grounds.started()
    first = await _pid(runtime, ONE)
    await _kill(processes, first)
    moved = first
    async with asyncio.timeout(WITHIN_S):
        while moved == first:
            # The server may not have noticed yet: what it gives to the dead one is lost, and its sender hears of that.
            with contextlib.suppress(WorkerLost):
                moved = await _pid(runtime, ONE)
    assert moved in [process.pid for process in processes]


async def test_a_call_in_hand_fails_when_the_worker_is_killed(grounds: Grounds) -> None:
    process = await grounds.process()
    runtime = await grounds.started()
    pid = await _pid(runtime, ONE)
    calls = [asyncio.create_task(runtime.send_message(Wait(60), ONE)) for _ in range(20)]
    await asyncio.sleep(0.2)
    began = time.monotonic()
    await _kill([process], pid)
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert time.monotonic() - began < WITHIN_S
    assert all(isinstance(result, WorkerLost) for result in results)
    with pytest.raises(RecipientNotFound):
        await runtime.send_message(Ask(1), ONE)


async def test_where_all_that_could_take_an_agent_are_frozen_its_caller_hears_of_it(grounds: Grounds) -> None:
    processes = await asyncio.gather(*(grounds.process() for _ in range(3)))
    runtime = await grounds.started()
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(NotPlaced):
        await runtime.send_message(Ask(1), ONE)
    assert time.monotonic() - began < WITHIN_S


async def test_a_call_in_hand_fails_when_the_worker_is_frozen(grounds: Grounds) -> None:
    process = await grounds.process()
    runtime = await grounds.started()
    await _pid(runtime, ONE)
    process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(WorkerLost):
            await runtime.send_message(Wait(60), ONE)
        assert time.monotonic() - began < WITHIN_S
        began = time.monotonic()
        with pytest.raises(WorkerLost):
            await runtime.send_message(Ask(1), ONE)
        assert time.monotonic() - began < WITHIN_S
    finally:
        process.send_signal(signal.SIGCONT)

    async def answers() -> bool:
        with contextlib.suppress(WorkerLost):
            return bool((await runtime.send_message(Ask(4), ONE)).number == 4)
        return False

    # It may take a while to come to itself.
    await eventually(answers)


@pytest.mark.usefixtures("unhurried")
async def test_cancellation_reaches_an_agent_behind_another_process(grounds: Grounds) -> None:
    await grounds.process("outer")
    runtime = await grounds.started()
    await take_worker(runtime, "inner")
    inner = await runtime.try_get_underlying_agent_instance(AgentId("inner", "one"), Worker)
    token = CancellationToken()
    relayed = asyncio.create_task(
        runtime.send_message(Relay("inner", "one"), AgentId("outer", "one"), cancellation_token=token)
    )
    await eventually(lambda: inner.waiting == 1)
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await relayed
    await eventually(lambda: inner.cancelled == 1)
    await runtime.stop_when_idle()


@pytest.mark.usefixtures("unhurried")
async def test_idle_waits_for_what_goes_on_elsewhere(grounds: Grounds) -> None:
    await asyncio.gather(grounds.process("first", "start"), grounds.process("second", "middle"))
    runtime = await grounds.started()
    await take_worker(runtime, "last", "end")
    for number in range(50):
        await runtime.publish_message(Note(number, to="middle"), TopicId("start", "k"))
        await runtime.publish_message(Note(100 + number, to="end"), TopicId("middle", "k"))
    await runtime.stop_when_idle()
    last = await runtime.try_get_underlying_agent_instance(AgentId("last", "k"), Worker)
    assert last.seen == list(range(100, 150))
    assert await _seen(grounds.runtime(), AgentId("first", "k")) == list(range(50))
    assert sorted(await _seen(grounds.runtime(), AgentId("second", "k"))) == [*range(50), *range(100, 150)]


@pytest.mark.usefixtures("unhurried")
async def test_a_topic_reaches_each_subscription_once_however_many_workers_share_it(grounds: Grounds) -> None:
    for _ in range(3):
        await take_worker(await grounds.started(), "worker", "notes")
    publisher = await grounds.started()
    sources = [str(number) for number in range(10)]
    for number in range(40):
        for source in sources:
            await publisher.publish_message(Note(number), TopicId("notes", source))
    await publisher.stop_when_idle()
    for source in sources:
        assert await _seen(publisher, AgentId("worker", source)) == list(range(40))


@pytest.mark.usefixtures("unhurried")
async def test_a_worker_that_closes_hands_its_agents_on(grounds: Grounds) -> None:
    first, second, caller = [await grounds.started() for _ in range(3)]
    await take_worker(first)
    await caller.send_message(Ask(1), ONE)
    await take_worker(second)
    await first.close()
    await caller.send_message(Ask(1), ONE)
    assert (await second.try_get_underlying_agent_instance(ONE, Worker)).count == 1
    await second.close()
    with pytest.raises(RecipientNotFound):
        await caller.send_message(Ask(1), ONE)


@pytest.mark.usefixtures("unhurried")
async def test_an_instance_is_one_in_the_namespace(grounds: Grounds) -> None:
    first, second = await grounds.started(), await grounds.started()
    await Worker().register_instance(first, ONE)
    with pytest.raises(ValueError, match="at another worker"):
        await Worker().register_instance(second, ONE)
    two = AgentId("worker", "two")
    mine = Worker()
    await mine.register_instance(second, two)
    await first.send_message(Ask(1), two)
    assert mine.count == 1


@pytest.mark.usefixtures("unhurried")
async def test_errors_of_events_come_back_to_a_publisher_that_asks(grounds: Grounds) -> None:
    from tests.bus.agents.cast import Failing

    worker = await grounds.started()
    await Failing.register(worker, "failing", Failing)
    publisher = await grounds.started(ignore_unhandled_exceptions=False)
    await publisher.publish_message(Note(3), TopicId("default", "default"))
    with pytest.raises(OwnError) as caught:
        await publisher.stop_when_idle()
    assert caught.value.code == 3


@pytest.mark.usefixtures("unhurried")
async def test_names_are_any_text(grounds: Grounds) -> None:
    worker, caller = await grounds.started(), await grounds.started()
    await take_worker(worker, "a.b-c_d.é", "topic:x=y.z")
    keys = ["", "*", ">", "a b", "\u00fc/\n", "x" * 3000, "=", "a.b", "A", "a"]
    for number, key in enumerate(keys):
        assert (await caller.send_message(Ask(number), AgentId("a.b-c_d.é", key))).number == number
        await caller.publish_message(Note(number), TopicId("topic:x=y.z", key))
    await caller.stop_when_idle()
    for number, key in enumerate(keys):
        agent = await worker.try_get_underlying_agent_instance(AgentId("a.b-c_d.é", key), Worker)
        assert agent.seen == [number]


async def _kill(processes: Sequence[Process], pid: int) -> None:
    process = next(process for process in processes if process.pid == pid)
    process.send_signal(signal.SIGKILL)
    await process.wait()


@pytest.mark.usefixtures("unhurried")
async def test_a_claim_that_somebody_deleted_is_nobodys(grounds: Grounds) -> None:
    first, second = await grounds.started(), await grounds.started()
    await take_worker(first)
    assert (await first.send_message(Ask(1), ONE)).number == 1
    session = first._node.session
    # As the nats CLI deletes a key.
    await publish(session.requester, session.names.claim(ONE), b"", headers={"KV-Operation": "DEL"})
    # Who holds it looks after a break, and has it again.
    assert await first._node.claims.check() == []
    # And hears what it is sent once, as before.
    assert (await first.send_message(Ask(2), ONE)).number == 2
    assert await first.agent_save_state(ONE) == {"count": 2}
    await publish(session.requester, session.names.claim(ONE), b"", headers={"KV-Operation": "DEL"})
    await take_worker(second)
    await first.close()
    assert (await second.send_message(Ask(3), ONE)).number == 3


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("leaves", [True, False])
async def test_a_call_to_an_agent_that_has_moved_is_watched_where_it_is_now(grounds: Grounds, leaves: bool) -> None:
    first, second, caller = [await grounds.started() for _ in range(3)]
    await take_worker(first)
    await caller.send_message(Ask(1), ONE)
    await take_worker(second)
    await (first.close() if leaves else first.stop())
    agent = await second.try_get_underlying_agent_instance(ONE, Worker)
    # The caller sends to where the agent is, and knows no better than that this is the first still.
    calls = [asyncio.create_task(caller.send_message(Wait(1.5), ONE)) for _ in range(2)]
    assert [answer.pid for answer in await asyncio.gather(*calls)] == [os.getpid()] * 2
    assert agent.waiting == 2
