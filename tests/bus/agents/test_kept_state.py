"""State in the network: an agent goes on where it was, wherever it is made, in one line of history."""

import asyncio
import contextlib
import functools
import logging
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from typing import Any

import pytest
import pytest_asyncio
from autogen_core import AgentId, RoutedAgent, TopicId, TypeSubscription
from pytest import MonkeyPatch

import bus.agents.durable.dispatcher
import bus.agents.node
from bus.agent_runtime import NatsAgentRuntime
from bus.agents.errors import CannotTravel, WorkerLost
from bus.connection import connect
from bus.jetstream import api, publish
from bus.requests import Requester
from tests.bus.agents.cast import Note, Nothing, Seen
from tests.bus.agents.conftest import Grounds
from tests.bus.agents.memory import ONE, Add, Added, Grow, Memory, Say, Shown, Spoil, Talker, letters
from tests.bus.eventually import WITHIN_S, eventually


async def _worker(grounds: Grounds) -> NatsAgentRuntime:
    runtime = await grounds.started(keep_state=True)
    await Memory.register(runtime, "memory", Memory)
    return runtime


async def _moved(grounds: Grounds, *workers: NatsAgentRuntime) -> NatsAgentRuntime:
    """Return another worker in place of these."""
    for worker in workers:
        await worker.close()
    return await _worker(grounds)


async def _process(grounds: Grounds, *topics: str) -> Process:
    settings = grounds.server.settings_for("operator")
    command = [sys.executable, "-m", "tests.bus.agents.memory_process", settings.servers[0], str(settings.nkey)]
    command += [str(settings.inbox_prefix), grounds.namespace, *topics]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    grounds.keep(process)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def _add(runtime: NatsAgentRuntime, number: int, agent: AgentId = ONE, **options: Any) -> Added:
    answer = await runtime.send_message(Add(number, **options), agent)
    assert isinstance(answer, Added)
    return answer


async def _add_somewhere(runtime: NatsAgentRuntime, number: int, agent: AgentId) -> Added:
    """As `_add`, after a worker was killed.

    The server may not have noticed yet: what it gives to the dead one is lost, and its sender hears of that.
    """
    while True:
        with contextlib.suppress(WorkerLost):
            return await _add(runtime, number, agent)


async def _numbers(runtime: NatsAgentRuntime, agent: AgentId = ONE) -> list[int]:
    answer = await runtime.send_message(Seen(), agent)
    assert isinstance(answer, Seen)
    return answer.numbers


@pytest_asyncio.fixture
async def caller(grounds: Grounds) -> NatsAgentRuntime:
    return await grounds.started()


class Bucket:
    """The bucket of a namespace, as an operator sees it."""

    def __init__(self, grounds: Grounds) -> None:
        self._grounds = grounds
        self.stream = f"KV_{grounds.namespace}_agent_states"

    async def ask(self, subject: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        connection = await connect(self._grounds.server.settings_for("operator"), name="the test", wait_s=5)
        async with connection, Requester(connection.client) as requester:
            return await api(requester, f"STREAM.{subject}.{self.stream}", body)

    async def subjects(self) -> list[str]:
        info = await self.ask("INFO", {"subjects_filter": ">"})
        return list(info["state"].get("subjects") or ())

    async def last_sequence(self) -> int:
        return int((await self.ask("INFO"))["state"]["last_seq"])


# Moving


async def test_an_agent_goes_on_after_its_worker_was_killed(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    processes = {process.pid: process for process in [await _process(grounds), await _process(grounds)]}
    # So many that the dice do not give them all to one.
    agents = [AgentId("memory", str(number)) for number in range(30)]
    for number in (1, 2):
        pids = {(await _add(caller, number, agent)).pid for agent in agents}
    assert len(pids) == 2
    victim = (await _add(caller, 3, agents[0])).pid
    processes[victim].send_signal(signal.SIGKILL)
    await processes[victim].wait()
    async with asyncio.timeout(WITHIN_S):
        answers = [await _add_somewhere(caller, 4, agent) for agent in agents]
    assert [answer.numbers for answer in answers] == [[1, 2, 3, 4]] + [[1, 2, 4]] * (len(agents) - 1)
    assert {answer.pid for answer in answers} == processes.keys() - {victim}


async def test_what_a_killed_worker_had_not_answered_is_whole_or_not_there(
    grounds: Grounds, caller: NatsAgentRuntime
) -> None:
    """Each answer that came is in the state; nothing is in it twice."""
    processes = [await _process(grounds), await _process(grounds)]
    pid = (await _add(caller, 0)).pid
    calls = [asyncio.create_task(_add(caller, number)) for number in range(1, 400)]
    await eventually(lambda: any(call.done() for call in calls[50:]))
    next(process for process in processes if process.pid == pid).send_signal(signal.SIGKILL)
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(result, Added | WorkerLost) for result in results)
    answered = {number for number, result in enumerate(results, 1) if isinstance(result, Added)}
    numbers = (await _add_somewhere(caller, 400, ONE)).numbers
    assert answered | {0} <= set(numbers)
    assert len(numbers) == len(set(numbers))


@pytest.mark.usefixtures("unhurried")
async def test_events_are_kept(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    workers = [await _worker(grounds) for _ in range(2)]
    await workers[0].add_subscription(TypeSubscription("notes", "memory"))
    for number in range(50):
        await caller.publish_message(Note(number), TopicId("notes", "one"))
    await caller.stop_when_idle()
    assert await _numbers(await _moved(grounds, *workers)) == list(range(50))


async def test_durable_events_are_in_the_state_of_an_agent_whose_worker_was_killed(grounds: Grounds) -> None:
    publisher = await grounds.started(durable_topics=("orders",))
    processes = {process.pid: process for process in [await _process(grounds, "orders") for _ in range(2)]}
    pid = (await _add(publisher, -1)).pid
    for number in range(100):
        await publisher.publish_message(Note(number), TopicId("orders", "one"))
    await eventually(functools.partial(_has_some, publisher))
    processes[pid].send_signal(signal.SIGKILL)
    for number in range(100, 150):
        await publisher.publish_message(Note(number), TopicId("orders", "one"))
    await eventually(functools.partial(_has_last, publisher, 149), within_s=60)
    # One whose end the killed worker could not tell any more came once more.
    assert list(dict.fromkeys(await _numbers(publisher))) == list(range(-1, 150))


async def _has_some(caller: NatsAgentRuntime) -> bool:
    return len(await _numbers(caller)) > 20


async def _has_last(caller: NatsAgentRuntime, last: int) -> bool:
    try:
        return (await _numbers(caller))[-1] == last
    except WorkerLost:
        return False


@pytest.mark.usefixtures("unhurried")
async def test_an_agent_goes_on_elsewhere_when_its_worker_stops(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    first = await _worker(grounds)
    assert (await _add(caller, 1)).numbers == [1]
    agent = await first.try_get_underlying_agent_instance(ONE, Memory)
    second = await _worker(grounds)
    await first.stop()
    assert (await _add(caller, 2)).numbers == [1, 2]
    assert agent.numbers == [1]
    await first.start()
    await second.close()
    assert (await _add(caller, 3)).numbers == [1, 2, 3]


@pytest.mark.usefixtures("unhurried")
async def test_an_agent_that_nobody_took_meanwhile_is_the_same_when_its_worker_starts_again(
    grounds: Grounds, caller: NatsAgentRuntime
) -> None:
    worker = await _worker(grounds)
    await _add(caller, 1)
    agent = await worker.try_get_underlying_agent_instance(ONE, Memory)
    await worker.stop()
    await worker.start()
    assert (await _add(caller, 2)).numbers == [1, 2]
    assert await worker.try_get_underlying_agent_instance(ONE, Memory) is agent


@pytest.mark.usefixtures("unhurried")
async def test_stopping_waits_until_what_runs_is_saved(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    first = await _worker(grounds)
    agent = await first.try_get_underlying_agent_instance(ONE, Memory)
    running = asyncio.create_task(_add(caller, 1, after_s=0.5))
    await eventually(lambda: agent.waiting == 1)
    await _worker(grounds)
    await first.close()
    assert (await running).numbers == [1]
    assert (await _add(caller, 2)).numbers == [1, 2]


@pytest.mark.usefixtures("unhurried")
async def test_an_instance_goes_on(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    first, second = await grounds.started(keep_state=True), grounds.runtime(keep_state=True)
    await Memory().register_instance(first, ONE)
    await _add(caller, 1)
    await first.stop()
    mine = Memory()
    await mine.register_instance(second, ONE)
    await second.start()
    assert (await _add(caller, 2)).numbers == [1, 2]
    assert mine.numbers == [1, 2]


@pytest.mark.usefixtures("unhurried")
async def test_a_state_that_is_loaded_is_kept(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    worker = await _worker(grounds)
    await caller.agent_load_state(ONE, {"numbers": [7], "text": ""})
    assert await (await _moved(grounds, worker)).agent_save_state(ONE) == {"numbers": [7], "text": ""}


@pytest.mark.usefixtures("unhurried")
async def test_a_talk_goes_on(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    first, second = await grounds.started(keep_state=True), await grounds.started(keep_state=True)
    talker = AgentId("talker", "one")
    await Talker.register(first, "talker", lambda: Talker("Hello Ada."))
    assert await caller.send_message(Say("I am Ada."), talker) == Shown(["I am Ada."])
    await Talker.register(second, "talker", lambda: Talker("You are Ada."))
    await first.close()
    shown = await caller.send_message(Say("Who am I?"), talker)
    assert shown == Shown(["I am Ada.", "Hello Ada.", "Who am I?"])


# One line of history


@pytest.mark.usefixtures("unhurried")
async def test_what_comes_late_from_an_agent_that_moved_is_refused(
    grounds: Grounds, caller: NatsAgentRuntime, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setattr(bus.agents.node, "_FINISH_S", 0.0)
    first = await _worker(grounds)
    await _add(caller, 1)
    agent = await first.try_get_underlying_agent_instance(ONE, Memory)
    late = asyncio.create_task(_add(caller, 2, is_held=True))
    await eventually(lambda: agent.waiting == 2)
    second = await _worker(grounds)
    await first.stop()
    # It is enough that the other has the agent.
    assert await _numbers(caller) == [1]
    agent.go_on.set()
    with pytest.raises(WorkerLost, match="another worker"):
        await late
    assert agent.numbers == [1, 2]
    assert (await _add(caller, 3)).numbers == [1, 3]
    await first.start()
    await second.close()
    assert (await _add(caller, 4)).numbers == [1, 3, 4]


@pytest.mark.chaos  # the server takes 20 s to give a frozen client up
async def test_a_worker_that_wakes_changes_nothing(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    process = await _process(grounds)
    await _add(caller, 1)
    late = asyncio.create_task(_add(caller, 2, after_s=3.0))
    await asyncio.sleep(0)
    # What comes after it has been handled.
    assert await _numbers(caller) == [1]
    await _worker(grounds)
    process.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(WorkerLost):
            await late
        async with asyncio.timeout(60):
            while True:
                try:
                    moved = await _add(caller, 3)
                    break
                except WorkerLost:
                    continue
    finally:
        process.send_signal(signal.SIGCONT)
    assert moved.numbers == [1, 3]
    for number in range(4, 24):
        answer = await _add(caller, number)
        assert answer.numbers == [1, *range(3, number + 1)]
        assert answer.pid != process.pid
        await asyncio.sleep(0.1)


@pytest.mark.usefixtures("unhurried")
async def test_handlers_that_end_at_once_are_all_kept(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    worker = await _worker(grounds)
    agent = await worker.try_get_underlying_agent_instance(ONE, Memory)
    await asyncio.gather(*(_add(caller, number, after_s=0.2 * (number % 2)) for number in range(200)))
    # Those that wait for a save that has not begun share it.
    assert agent.saves < 200
    assert sorted(await _numbers(await _moved(grounds, worker))) == list(range(200))


@pytest.mark.usefixtures("unhurried")
async def test_several_workers_that_stop_and_start_lose_nothing(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    workers = [await _worker(grounds) for _ in range(3)]
    done: list[int] = []
    ended = asyncio.Event()

    async def ask(first: int) -> None:
        number = first
        while not ended.is_set():
            try:
                await _add(caller, number)
            except WorkerLost:
                continue
            else:
                done.append(number)
            number += 3

    asking = [asyncio.create_task(ask(first)) for first in range(3)]
    for _ in range(2):
        for worker in workers:
            await worker.stop()
            await eventually(functools.partial(_is_longer, done, len(done) + 5))
            await worker.start()
    ended.set()
    await asyncio.gather(*asking)
    numbers = await _numbers(caller)
    assert sorted(set(numbers)) == sorted(numbers)
    assert set(done) == set(numbers)


def _is_longer(done: list[int], than: int) -> bool:
    return len(done) > than


# What is saved


@pytest.mark.usefixtures("unhurried")
async def test_a_failing_handler_changes_what_it_changed(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    worker = await _worker(grounds)
    with pytest.raises(ValueError, match="afterwards"):
        await _add(caller, 1, error="afterwards")
    assert await _numbers(await _moved(grounds, worker)) == [1]


@pytest.mark.usefixtures("unhurried")
async def test_a_state_that_cannot_be_written_is_its_callers_error(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    worker = await _worker(grounds)
    await _add(caller, 1)
    agent = await worker.try_get_underlying_agent_instance(ONE, Memory)
    with pytest.raises(CannotTravel, match="object"):
        await caller.send_message(Spoil(), ONE)
    # It has gone back to what is kept.
    assert (await _add(caller, 2)).numbers == [1, 2]
    assert await worker.try_get_underlying_agent_instance(ONE, Memory) is not agent


@pytest.mark.usefixtures("unhurried")
async def test_agents_without_a_state_cost_nothing(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    worker = await grounds.started(keep_state=True)
    await Forgetful.register(worker, "forgetful", lambda: Forgetful("has no state"))
    agent = AgentId("forgetful", "one")
    await caller.send_message(Nothing(), agent)
    kept = await worker.try_get_underlying_agent_instance(agent, Forgetful)
    assert await Bucket(grounds).last_sequence() == 0
    await worker.stop()
    await worker.start()
    assert await worker.try_get_underlying_agent_instance(agent, Forgetful) is kept


@pytest.mark.usefixtures("unhurried")
async def test_what_has_not_changed_is_not_written(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    await _worker(grounds)
    await _add(caller, 1)
    before = await Bucket(grounds).last_sequence()
    for _ in range(10):
        await _numbers(caller)
    assert await Bucket(grounds).last_sequence() == before


@pytest.mark.usefixtures("unhurried")
async def test_a_state_of_many_megabytes_is_kept_and_leaves_nothing_behind(
    grounds: Grounds, caller: NatsAgentRuntime
) -> None:
    bucket = Bucket(grounds)
    first = await _worker(grounds)
    await _add(caller, 1)
    assert await caller.send_message(Grow(20_000_000), ONE) == 0
    parts = len(await bucket.subjects())
    assert parts > 20_000_000 / 8_388_608
    second = await _moved(grounds, first)
    agent = await second.try_get_underlying_agent_instance(ONE, Memory)
    assert (agent.numbers, agent.text) == ([1], letters(20_000_000))
    # Written anew, and the old one erased.
    assert (await _add(caller, 2)).numbers == [1, 2]
    await eventually(lambda: _has(bucket, parts))
    assert await caller.send_message(Grow(10), ONE) == 20_000_000
    await eventually(lambda: _has(bucket, 1))
    assert await (await _moved(grounds, second)).agent_save_state(ONE) == {"numbers": [1, 2], "text": "abcdefghij"}


async def _has(bucket: Bucket, subjects: int) -> bool:
    return len(await bucket.subjects()) == subjects


@pytest.mark.usefixtures("unhurried")
async def test_where_there_is_no_room_the_sender_is_told_and_nothing_has_happened(
    grounds: Grounds, caller: NatsAgentRuntime
) -> None:
    bucket = Bucket(grounds)
    await _worker(grounds)
    await _add(caller, 1)
    config = (await bucket.ask("INFO"))["config"]
    await bucket.ask("UPDATE", {**config, "max_bytes": 4096})
    with pytest.raises(WorkerLost, match="no room"):
        await caller.send_message(Grow(10_000), ONE)
    assert await _numbers(caller) == [1]
    await bucket.ask("UPDATE", config)
    assert await caller.send_message(Grow(10_000), ONE) == 0


@pytest.mark.usefixtures("unhurried")
async def test_a_durable_event_whose_effect_cannot_be_kept_waits_until_it_can(
    grounds: Grounds, caller: NatsAgentRuntime, caplog: pytest.LogCaptureFixture, monkeypatch: MonkeyPatch
) -> None:
    """However long: it is not the event that ends workers."""
    monkeypatch.setattr(bus.agents.durable.dispatcher, "_LONGEST_PAUSE_S", 0.01)
    bucket = Bucket(grounds)
    worker = await grounds.started(keep_state=True, durable_topics=("orders",))
    await Memory.register(worker, "memory", Memory)
    await _add(caller, 1)
    config = (await bucket.ask("INFO"))["config"]
    await bucket.ask("UPDATE", {**config, "max_bytes": 1})
    with caplog.at_level(logging.INFO, bus.agents.durable.dispatcher.__name__):
        await worker.add_subscription(TypeSubscription("orders", "memory"))
        await caller.publish_message(Note(2), TopicId("orders", "one"))
        await eventually(lambda: caplog.text.count("goes out again") > 8)
    await bucket.ask("UPDATE", config)
    await worker.stop_when_idle()
    await worker.start()
    assert await _numbers(caller) == [1, 2]


@pytest.mark.usefixtures("unhurried")
async def test_a_bucket_that_was_removed_is_made_anew(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    bucket = Bucket(grounds)
    worker = await _worker(grounds)
    await _add(caller, 1)
    await bucket.ask("DELETE")
    assert (await _add(caller, 2)).numbers == [1, 2]
    await bucket.ask("DELETE")
    await worker.close()
    await _worker(grounds)
    assert (await _add(caller, 3)).numbers == [3]


@pytest.mark.usefixtures("unhurried")
async def test_an_agent_whose_state_somebody_deleted_begins_anew(grounds: Grounds, caller: NatsAgentRuntime) -> None:
    worker = await _worker(grounds)
    await _add(caller, 1)
    session = worker._node.session
    # As the nats CLI deletes a key.
    await publish(session.requester, session.names.state_head(ONE), b"", headers={"KV-Operation": "DEL"})
    with pytest.raises(WorkerLost, match="deleted"):
        await _add(caller, 2)
    assert (await _add(caller, 3)).numbers == [3]
    await publish(session.requester, session.names.state_head(ONE), b"", headers={"KV-Operation": "DEL"})
    await _moved(grounds, worker)
    assert (await _add(caller, 4)).numbers == [4]


class Forgetful(RoutedAgent):
    """Leaves its state to BaseAgent."""

    async def on_message_impl(self, message: Any, ctx: Any) -> None:
        """Take anything."""
