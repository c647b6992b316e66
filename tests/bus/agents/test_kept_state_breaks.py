"""States in the network while the server is killed, frozen, or loses what it had."""

import asyncio
import os
import shutil
import signal

import pytest
from autogen_core import AgentId

import bus.agents.states
import bus.requests
from tests.bus.agents.cast import Seen
from tests.bus.agents.conftest import Grounds
from tests.bus.agents.memory import ONE, Add, Added, Memory
from tests.bus.eventually import WITHIN_S, eventually


@pytest.mark.usefixtures("enduring")
async def test_what_ends_while_there_is_no_server_is_kept(own: Grounds) -> None:
    worker, caller = await own.started(keep_state=True), await own.started()
    await Memory.register(worker, "memory", Memory)
    agents = [AgentId("memory", str(number)) for number in range(5)]
    # One ends while there is no server, the other afterwards.
    waits = (0.3, 3.0)
    calls = [asyncio.create_task(caller.send_message(Add(1, wait), agent)) for wait in waits for agent in agents]
    made = [await worker.try_get_underlying_agent_instance(agent, Memory) for agent in agents]
    await eventually(lambda: all(agent.waiting == len(waits) for agent in made))
    await own.server.kill()
    await eventually(lambda: all(agent.numbers for agent in made))
    await own.server.restart()
    async with asyncio.timeout(WITHIN_S):
        await asyncio.gather(*calls)
    await worker.close()
    other = await own.started(keep_state=True)
    await Memory.register(other, "memory", Memory)
    for agent in agents:
        assert await caller.send_message(Seen(), agent) == Seen([1, 1])


async def test_a_save_that_was_stored_though_nobody_said_so_counts(
    own: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The caller does not take the worker for lost meanwhile.
    monkeypatch.setattr("bus.agents.watching._PATIENCE_S", WITHIN_S)
    monkeypatch.setattr("bus.agents.states._TRY_S", 0.3)
    worker, caller = await own.started(keep_state=True), await own.started()
    await Memory.register(worker, "memory", Memory)
    agent = await worker.try_get_underlying_agent_instance(ONE, Memory)
    call = asyncio.create_task(caller.send_message(Add(1, 0.2), ONE))
    await eventually(lambda: agent.waiting == 1)
    os.kill(own.server.pid, signal.SIGSTOP)
    try:
        await eventually(lambda: agent.saves == 1)
        # Until it has been sent once more: the server finds both.
        await asyncio.sleep(bus.agents.states._TRY_S + bus.requests.SWEEP_S + 0.2)
    finally:
        os.kill(own.server.pid, signal.SIGCONT)
    answer = await call
    assert isinstance(answer, Added)
    assert answer.numbers == [1]
    assert (await caller.send_message(Add(2), ONE)).numbers == [1, 2]
    assert await worker.try_get_underlying_agent_instance(ONE, Memory) is agent


@pytest.mark.usefixtures("enduring")
async def test_agents_outlive_a_server_that_lost_all_it_had(own: Grounds) -> None:
    worker, caller = await own.started(keep_state=True), await own.started()
    await Memory.register(worker, "memory", Memory)
    await caller.send_message(Add(1), ONE)
    await own.server.kill()
    shutil.rmtree(own.server.options.store / "jetstream")
    await own.server.restart()
    assert await caller.send_message(Seen(), ONE) == Seen([1])
    await worker.close()
    other = await own.started(keep_state=True)
    await Memory.register(other, "memory", Memory)
    assert (await caller.send_message(Add(2), ONE)).numbers == [1, 2]
