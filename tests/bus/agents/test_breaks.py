"""The server is killed, a worker is cut off and comes back: agents stay one each, and nobody waits for ever."""

import asyncio
import os
import signal
import time
from typing import Any

import pytest
from autogen_core import AgentId, TopicId, TypeSubscription

from bus.agent_runtime import NatsAgentRuntime
from bus.agents.errors import NotPlaced, WorkerLost
from bus.agents.session import Session
from bus.connection import connect
from bus.errors import ConnectionFailed
from tests.bus.agents.cast import Ask, Note, Seen, Wait, Worker, take_worker
from tests.bus.agents.conftest import Grounds
from tests.bus.eventually import WITHIN_S, eventually

ONE = AgentId("worker", "one")


@pytest.mark.usefixtures("enduring")
async def test_calls_in_hand_live_through_a_crash_of_the_server(own: Grounds) -> None:
    worker, caller = await own.started(), await own.started()
    await take_worker(worker)
    await caller.send_message(Ask(1), ONE)
    # One ends while there is no server, the other afterwards.
    calls = [asyncio.create_task(caller.send_message(Wait(seconds), ONE)) for seconds in (0.3, 3.0)]
    agent = await worker.try_get_underlying_agent_instance(ONE, Worker)
    await eventually(lambda: agent.waiting == 2)
    await own.server.kill()
    await asyncio.sleep(0.5)
    await own.server.restart()
    async with asyncio.timeout(WITHIN_S):
        answers = await asyncio.gather(*calls)
    assert len(answers) == 2
    assert (await caller.send_message(Ask(2), ONE)).number == 2
    assert agent.count == 2
    assert await worker.try_get_underlying_agent_instance(ONE, Worker) is agent


@pytest.mark.usefixtures("unhurried")
async def test_who_begins_to_listen_as_the_connection_breaks_is_heard_afterwards(own: Grounds) -> None:
    async with await connect(own.server.settings_for("operator"), name="test", wait_s=WITHIN_S) as connection:
        session = Session(connection, own.namespace)
        await session.open()
        client: Any = session.client
        heard: list[bytes] = []
        os.kill(own.server.pid, signal.SIGSTOP)
        before = len(client._pongs)
        listening = asyncio.create_task(session.listen("hello", lambda message: heard.append(message.data)))
        await eventually(lambda: len(client._pongs) > before)
        await own.server.kill()
        await own.server.restart()
        async with asyncio.timeout(WITHIN_S):
            listener = await listening
        await eventually(lambda: connection.is_connected)
        await connection.publish("hello", b"you")
        await eventually(lambda: heard == [b"you"])
        await listener.end()
        await session.close()


@pytest.mark.usefixtures("enduring")
async def test_agents_stay_with_their_worker_over_a_crash_of_the_server(own: Grounds) -> None:
    workers = [await own.started() for _ in range(2)]
    for worker in workers:
        await take_worker(worker)
    caller = await own.started()
    agents = [AgentId("worker", str(number)) for number in range(10)]
    for agent in agents:
        await caller.send_message(Ask(1), agent)
    await own.server.kill()
    await own.server.restart()
    async with asyncio.timeout(WITHIN_S):
        states = []
        for agent in agents:
            await caller.send_message(Ask(2), agent)
            states.append(await caller.agent_save_state(agent))
    assert states == [{"count": 2}] * len(agents)


async def test_without_a_server_callers_are_told_within_five_seconds(own: Grounds) -> None:
    worker, caller = await own.started(), await own.started()
    await take_worker(worker)
    await caller.send_message(Ask(1), ONE)
    in_hand = asyncio.create_task(caller.send_message(Wait(60), ONE))
    agent = await worker.try_get_underlying_agent_instance(ONE, Worker)
    await eventually(lambda: agent.waiting == 1)
    await own.server.kill()
    began = time.monotonic()
    with pytest.raises(WorkerLost):
        await in_hand
    assert time.monotonic() - began < WITHIN_S
    began = time.monotonic()
    with pytest.raises(NotPlaced):
        await caller.send_message(Ask(2), ONE)
    assert time.monotonic() - began < WITHIN_S
    await own.server.restart()


async def test_a_first_caller_without_a_server_is_told_within_five_seconds_which_one_it_is() -> None:
    runtime = NatsAgentRuntime("nats://127.0.0.1:1")
    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(
            ConnectionFailed, match=r"127\.0\.0\.1:1 \(from the program\): nobody .*name another one\.$"
        ):
            await runtime.send_message(Ask(1), ONE)
    await runtime.close()


@pytest.mark.usefixtures("enduring")
async def test_publishing_goes_on_after_a_crash_of_the_server(own: Grounds) -> None:
    worker, publisher = await own.started(), await own.started()
    await take_worker(worker, "worker", "notes")
    await publisher.publish_message(Note(1), TopicId("notes", "one"))
    await publisher.stop_when_idle()
    publisher.start()
    await own.server.kill()
    # What is sent before the break is noticed goes down with the connection.
    await eventually(lambda: not publisher._node.session.client.is_connected)
    # Held until its recipient can be reached again, in order.
    for number in (2, 3):
        await publisher.publish_message(Note(number), TopicId("notes", "one"))
    await own.server.restart()
    async with asyncio.timeout(WITHIN_S):
        await publisher.stop_when_idle()
    agent = await worker.try_get_underlying_agent_instance(ONE, Worker)
    assert agent.seen == [1, 2, 3]


@pytest.mark.usefixtures("enduring")
async def test_a_worker_that_is_back_later_than_its_callers_is_waited_for(own: Grounds) -> None:
    process = await own.process()
    caller = await own.started()
    await caller.send_message(Ask(1), ONE)
    await own.server.kill()
    process.send_signal(signal.SIGSTOP)
    calling = asyncio.create_task(caller.send_message(Ask(2), ONE))
    await own.server.restart()
    await eventually(lambda: caller._node.session.client.is_connected and caller._node.session.breaks > 0)
    # Until it has found nobody where the worker was.
    await asyncio.wait({calling}, timeout=0.5)
    process.send_signal(signal.SIGCONT)
    assert (await calling).pid == process.pid


@pytest.mark.chaos  # the server takes 20 s to give a frozen client up
async def test_a_worker_whose_agent_went_to_another_gives_it_up(own: Grounds) -> None:
    process = await own.process()
    caller = await own.started()
    await caller.send_message(Ask(1), ONE)
    other = await own.started()
    await take_worker(other)
    process.send_signal(signal.SIGSTOP)
    try:
        # As long as it is only frozen, it keeps its agent; the server cuts it off when it leaves pings unanswered.
        async with asyncio.timeout(60):
            while True:
                try:
                    moved = await caller.send_message(Ask(2), ONE)
                    break
                except WorkerLost:
                    continue
    finally:
        process.send_signal(signal.SIGCONT)
    assert moved.pid != process.pid
    for _ in range(20):
        assert (await caller.send_message(Ask(3), ONE)).pid != process.pid
        await asyncio.sleep(0.1)
    assert (await other.try_get_underlying_agent_instance(ONE, Worker)).count == 21
    assert (await caller.send_message(Seen(), AgentId("worker", "one"))).numbers == []


async def test_a_frozen_runtime_is_waited_for_once_and_knows_all_when_it_wakes(grounds: Grounds) -> None:
    process = await grounds.process("worker", "notes")
    runtime = await grounds.started()
    await Worker.register(runtime, "later", Worker)
    process.send_signal(signal.SIGSTOP)
    try:
        # It may take 2.5 s to answer, which is not waited for each time.
        async with asyncio.timeout(9.5):
            for topic in ("one", "two", "three", "four"):
                await runtime.add_subscription(TypeSubscription(topic, "later"))
    finally:
        process.send_signal(signal.SIGCONT)
    await eventually(lambda: not runtime._node.members._silent)
    await runtime.publish_message(Note(7, to="four"), TopicId("notes", "one"))
    await runtime.stop_when_idle()
    agent = await runtime.try_get_underlying_agent_instance(AgentId("later", "one"), Worker)
    assert agent.seen == [7]
