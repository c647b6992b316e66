"""Durable topics under faults: whoever dies or freezes, nothing that was published is lost, and each agent gets it in order."""

import asyncio
import functools
import itertools
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from autogen_core import TopicId

from bus.agent_runtime import NatsAgentRuntime
from bus.agents.durable.records import decode_event, decode_record
from bus.agents.errors import TopicUnreachable
from bus.jetstream import last_of
from bus.server import EmbeddedServer, ServerOptions
from tests.bus.agents.cast import Note
from tests.bus.eventually import eventually
from tests.faults.durable_worker import POISON
from tests.faults.journals import whole_lines

KEYS = ("a", "b", "c")
WITHIN_S = 60.0


class Scene:
    """A server that may be killed, a publisher, and worker processes that write to one journal."""

    def __init__(self, server: EmbeddedServer, journal: Path) -> None:
        self.server = server
        self.journal = journal
        self.processes: dict[str, Process] = {}
        self.publisher = NatsAgentRuntime(
            server.settings_for("operator"), namespace="faults", durable_topics=("orders",)
        )
        self.published = 0

    async def worker(self, *roles: str) -> str:
        """Start a worker and return its name once it serves."""
        name = await self.begin(*roles)
        out = self.processes[name].stdout
        assert out is not None
        assert await out.readline() == b"ready\n"
        return name

    async def begin(self, *roles: str) -> str:
        """Start a worker, which may die before it has said that it serves, and return its name."""
        settings = self.server.settings_for("operator")
        command = [sys.executable, "-m", "tests.faults.durable_worker", settings.servers[0], str(settings.nkey)]
        command += [str(settings.inbox_prefix), "faults", str(self.journal), *roles]
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
        assert process.stdout is not None
        name = (await process.stdout.readline()).decode().strip()
        self.processes[name] = process
        return name

    async def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        await process.wait()

    async def publish(self, count: int) -> None:
        """Publish the next `count` numbers to each key; whatever is counted as published is stored."""
        for _ in range(count):
            for key in KEYS:
                while True:
                    try:
                        await self.publisher.publish_message(Note(self.published), TopicId("orders", key))
                        break
                    except TopicUnreachable:
                        continue
            self.published += 1

    def read(self) -> dict[str, list[int]]:
        """Return by key what the agents got, as it came."""
        got: dict[str, list[int]] = {key: [] for key in KEYS}
        for line in whole_lines(self.journal):
            key, number = line.split()
            got[key].append(int(number))
        return got

    async def holder(self) -> str:
        session = self.publisher._node.session
        found = await last_of(session.requester, session.names.stream, session.names.dispatch("reader"))
        return "" if found is None else decode_record(found.data).worker

    async def all_in_order(self) -> None:
        """Wait until everything is read, and see that no number was passed over, also where some came again."""

        def is_read() -> bool:
            return all(set(numbers) == set(range(self.published)) for numbers in self.read().values())

        await eventually(is_read, within_s=WITHIN_S)
        for numbers in self.read().values():
            assert numbers[0] == 0
            assert [pair for pair in itertools.pairwise(numbers) if pair[1] > pair[0] + 1] == []

    async def end(self) -> None:
        await self.publisher.close()
        for name in tuple(self.processes):
            self.processes[name].send_signal(signal.SIGCONT)
            await self.kill(name)


@pytest_asyncio.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with EmbeddedServer(ServerOptions(store=tmp_path / "store", port=-1)) as server:
        made = Scene(server, tmp_path / "journal")
        await made.publisher.start()
        yield made
        await made.end()


async def test_the_dispatcher_is_killed(scene: Scene) -> None:
    await scene.worker("hosts")
    first, second = await scene.worker("subscribes"), await scene.worker("subscribes")
    await eventually(lambda: _is_held_by(scene, first, second))
    publishing = asyncio.create_task(scene.publish(150))
    await eventually(lambda: len(scene.read()["a"]) > 30)
    await scene.kill(await scene.holder())
    await publishing
    await scene.all_in_order()
    # All may have been delivered before it was killed: the office goes over in any case.
    await eventually(lambda: _is_held_by(scene, *scene.processes))


async def test_the_agents_process_is_killed(scene: Scene) -> None:
    await scene.worker("subscribes")
    hosts = [await scene.worker("hosts"), await scene.worker("hosts")]
    publishing = asyncio.create_task(scene.publish(150))
    await eventually(lambda: len(scene.read()["a"]) > 30)
    await scene.kill(hosts[0])
    await publishing
    await scene.worker("hosts")
    await scene.kill(hosts[1])
    await scene.all_in_order()


async def test_all_workers_are_killed_and_come_back(scene: Scene) -> None:
    names = [await scene.worker("hosts", "subscribes") for _ in range(2)]
    publishing = asyncio.create_task(scene.publish(150))
    await eventually(lambda: len(scene.read()["a"]) > 30)
    await asyncio.gather(*(scene.kill(name) for name in names))
    await publishing
    await scene.worker("hosts", "subscribes")
    await scene.all_in_order()


async def test_the_server_is_killed_while_events_are_published(scene: Scene) -> None:
    for _ in range(2):
        await scene.worker("hosts", "subscribes")
    publishing = asyncio.create_task(scene.publish(300))
    for _ in range(2):
        so_far = len(scene.read()["a"])
        await eventually(functools.partial(_has_gone_on, scene, so_far))
        await scene.server.kill()
        await scene.server.restart()
    await publishing
    await scene.all_in_order()


@pytest.mark.chaos
async def test_a_frozen_dispatcher_is_replaced_and_does_nothing_when_it_wakes(scene: Scene) -> None:
    await scene.worker("hosts")
    first, second = await scene.worker("subscribes"), await scene.worker("subscribes")
    await eventually(lambda: _is_held_by(scene, first, second))
    publishing = asyncio.create_task(scene.publish(150))
    await eventually(lambda: len(scene.read()["a"]) > 30)
    frozen = await scene.holder()
    scene.processes[frozen].send_signal(signal.SIGSTOP)
    await publishing
    await scene.all_in_order()
    (other,) = {first, second} - {frozen}
    # All may have been delivered before it was frozen: the office goes over in any case.
    await eventually(lambda: _is_held_by(scene, other), within_s=20)
    scene.processes[frozen].send_signal(signal.SIGCONT)
    before = {key: len(numbers) for key, numbers in scene.read().items()}
    await scene.publish(100)
    await scene.all_in_order()
    assert await scene.holder() == other
    # Nothing that was read before came again.
    assert {key: len(numbers) - before[key] for key, numbers in scene.read().items()} == dict.fromkeys(KEYS, 100)


@pytest.mark.parametrize(
    "roles",
    [
        pytest.param(("hosts", "subscribes"), id="that delivers it"),
        pytest.param(("hosts",), id="that handles it", marks=pytest.mark.chaos),
    ],
)
async def test_an_event_that_kills_each_process_is_given_up_and_kept(scene: Scene, roles: tuple[str, ...]) -> None:
    if roles == ("hosts",):
        await scene.worker("subscribes")
    await scene.publisher.publish_message(Note(0, to=POISON), TopicId("orders", "a"))
    await scene.publish(20)
    for _ in range(5):
        name = await scene.begin(*roles)
        async with asyncio.timeout(WITHIN_S):
            assert await scene.processes.pop(name).wait() == -signal.SIGKILL
    name = await scene.worker(*roles)
    await scene.all_in_order()
    assert scene.processes[name].returncode is None
    session = scene.publisher._node.session
    kept = await last_of(session.requester, session.names.stream, session.names.dead_letter("reader", 1))
    assert kept is not None
    assert decode_event(kept.data).topic == ("orders", "a")


async def _is_held_by(scene: Scene, *names: str) -> bool:
    return await scene.holder() in names


def _has_gone_on(scene: Scene, so_far: int) -> bool:
    return len(scene.read()["a"]) > so_far + 30
