"""Processes die all the time while hundreds of runs are under way: all end as if nothing had happened, and nothing is done twice.

`make chaos` has more runs; CHAOS_SEED=n to have the same deaths again.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bus.journal import insist
from bus.ledger import last_sequence
from bus.server import EmbeddedServer, ServerOptions
from schemas import WorkflowCompletion
from tests.faults.flow_processes import CLONE, TYPE
from tests.faults.flow_scene import FlowScene, deed, definition, open_flow_scene

SEED = int(os.environ.get("CHAOS_SEED", "1"))
EACH = 3
"""Omegas and clones."""
PAUSE_S = (0.2, 0.8)
"""Between two deaths."""
FIVE = definition(
    "five",
    {
        "first": deed(value="${input.of}", sleep_s=0.1),
        "each": deed("first", foreach="['a', 'b', 'c']", parallelism=2, value="${item}", sleep_s=0.1),
        "beside": deed("first", value="${steps.first.output.value}", sleep_s=0.2),
        "joined": deed("each", "beside", value="${steps.each.output[*].value}", sleep_s=0.1),
        "last": deed("joined", value="${steps.beside.output.value}"),
    },
    input={"of": {}},
    output={"joined": "${steps.joined.output.value}", "last": "${steps.last.output.value}"},
)
DEEDS = 7
"""Of one run."""


def as_they_are() -> None:
    """Processes that are started are those of the product."""


@pytest_asyncio.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    async with EmbeddedServer(ServerOptions(store=tmp_path / "store", port=-1)) as server:
        yield server


@pytest_asyncio.fixture
async def scene(own_server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[FlowScene]:
    async with open_flow_scene(own_server, tmp_path, as_they_are) as opened:
        await opened.put(FIVE)
        for _ in range(EACH):
            opened.start("omega")
            opened.start(CLONE)
        opened.keeps = True
        yield opened


async def deaths(scene: FlowScene, server: EmbeddedServer, over: asyncio.Event) -> None:
    """Kill a random process again and again; another is there at once in its place."""
    chance, died = random.Random(SEED), 0  # noqa: S311  repeatable, not secret
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), chance.uniform(*PAUSE_S))
        died += 1
        victim = chance.choice(["server", *sorted(scene.processes)])
        if victim == "server":
            await server.kill()
            await server.restart()
        else:
            scene.kill(victim)
    print(f"{died} processes died, seed {SEED}")  # noqa: T201


async def live_through(scene: FlowScene, server: EmbeddedServer, *, runs: int, within_s: float) -> None:
    names = [f"run-{number}" for number in range(runs)]
    await asyncio.gather(*(scene.run("five", name, input={"of": name}) for name in names))
    over = asyncio.Event()
    dying = asyncio.create_task(deaths(scene, server, over))
    try:
        results = await asyncio.gather(*(scene.result(name, within_s=within_s) for name in names))
    finally:
        over.set()
        await dying
    # The last to die may have been the server.
    await insist(lambda: last_sequence(scene.network))
    for name, result in zip(names, results, strict=True):
        assert isinstance(result, WorkflowCompletion), result
        assert result.output == {"joined": ["a", "b", "c"], "last": name}
    lives = await scene.check(within_s=60, server_died=True)
    asked = [child.id for life in lives for child in life.children if child.task_type == TYPE]
    assert len(asked) == len(set(asked)) == DEEDS * runs
    assert set(asked) == await scene.effects()


@pytest.mark.timeout(180)
async def test_some_runs_while_processes_die(scene: FlowScene, own_server: EmbeddedServer) -> None:
    await live_through(scene, own_server, runs=40, within_s=120)


@pytest.mark.chaos
@pytest.mark.timeout(600)
async def test_three_hundred_runs_while_processes_die(scene: FlowScene, own_server: EmbeddedServer) -> None:
    await live_through(scene, own_server, runs=300, within_s=480)
