"""The routing table of a whole network in processes: a change takes effect everywhere, with nobody restarted."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bus.routes import in_force
from clones.routing import DEFAULT_TABLE
from ops.table_text import write_table
from schemas import RoutingTable, TaskAssignment, TaskCompletion, TaskResult
from tests.bus.eventually import eventually
from tests.conftest import CLONES
from tests.ops.network import WITHIN_S, Client, Command, make_project, needs_proc, running
from tests.ops.rig import SANCTUARY

pytestmark = needs_proc
CLIENTS = 3


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    directory = tmp_path_factory.mktemp("routes")
    make_project(directory / "project")
    with running("up", "--port", "-1", "--concurrency", "2", directory=directory) as command:
        command.until("ready at ")
        yield command
        assert command.end() == 0, command.log


def sanctuary(network: Command, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as its operator, on the network's store."""
    own = {"PATH": os.environ["PATH"], "HOME": str(network.directory), "SANCTUARY_STORE": str(network.store)}
    return subprocess.run(
        [SANCTUARY, *arguments], env=own | environment, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )


async def put_into_force(network: Command, table: RoutingTable) -> None:
    """Set the table by the command line."""
    path = network.directory / "routes.toml"
    path.write_text(write_table(table))
    ended = await asyncio.to_thread(sanctuary, network, "routes", "set", path)
    assert ended.returncode == 0, ended.stderr


def routed(task_type: str, **settings: Any) -> RoutingTable:
    routes = {**DEFAULT_TABLE.routes, task_type: replace(DEFAULT_TABLE.routes[task_type], **settings)}
    return replace(DEFAULT_TABLE, routes=routes)


async def agreed(client: Client) -> bool:
    """Whether everybody goes by the table in force."""
    current = await in_force(client.network)
    assert current is not None
    answers = await client.all_ready("omega", *CLONES)
    return {answer.routes_revision for answer in answers.values()} == {current.number}


async def instances(client: Client) -> dict[str, str]:
    """By clone, the instance that is ready, once all are."""
    return {clone: answer.instance for clone, answer in (await client.all_ready("omega", *CLONES)).items()}


@pytest.mark.timeout(400)  # two changes of the table, each of which it waits for three times, for up to 90 s each time
async def test_a_type_moves_under_load_and_back_with_nobody_restarted(network: Command) -> None:
    results: list[tuple[float, TaskResult]] = []
    ending = asyncio.Event()

    def later(moment: float) -> list[TaskResult]:
        """The results of what was submitted after a moment."""
        return [result for begun, result in results if begun > moment]

    def is_over(moment: float, count: int) -> bool:
        return len(later(moment)) >= count

    def has_moved(clone: str) -> bool:
        """Whether the last results, as many as there are clients, are all this clone's."""
        return {result.clone for _, result in results[-CLIENTS:]} == {clone}

    async def load(client: Client) -> None:
        assignment = TaskAssignment(params={"target": "project"}, timeout_s=60)
        while not ending.is_set():
            begun = time.monotonic()
            results.append((begun, await client.submitter.run("documentation", assignment, timeout_s=90)))

    async with network.open() as client:
        before = await instances(client)
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(load(client))
            try:
                for clone, fallback in (("beta", "sigma"), ("sigma", "gamma")):
                    table = routed("documentation", clone=clone, fallback=(fallback,), timeout_s=60)
                    await put_into_force(network, table)
                    await eventually(lambda: agreed(client), within_s=WITHIN_S)
                    # What was on its way has ended when each client has had its next result. Whoever falls back for a type asks
                    # whether anybody is there who has it, and may have asked before that one heard of the table.
                    agreed_at = time.monotonic()
                    await eventually(partial(is_over, agreed_at, CLIENTS), within_s=WITHIN_S)
                    await eventually(partial(has_moved, clone), within_s=WITHIN_S)
                    moved_at = time.monotonic()
                    await eventually(partial(is_over, moved_at, CLIENTS + 1), within_s=WITHIN_S)
                    assert {result.clone for result in later(moved_at)} == {clone}
            finally:
                ending.set()
        assert await instances(client) == before
    assert all(isinstance(result, TaskCompletion) for _, result in results), results


async def test_rollback_and_check(network: Command) -> None:
    async with network.open() as client:
        current = await in_force(client.network)
        assert current is not None
        await put_into_force(network, routed("testing", concurrency=1))
        back = await asyncio.to_thread(sanctuary, network, "routes", "rollback", str(current.number))
        assert back.returncode == 0, back.stderr
        await eventually(lambda: agreed(client), within_s=WITHIN_S)
    checked = await asyncio.to_thread(sanctuary, network, "routes", "check", "--json")
    assert json.loads(checked.stdout) == {"findings": [], "ok": True}


def test_anybody_may_use_the_names_in_the_table(network: Command) -> None:
    """Without credentials too: which types and aliases there are is no secret."""
    url = network.until(r"ready at (nats://\S+);")[1]
    ended = sanctuary(
        network,
        *("submit", "architecture-design", "-t", str(network.directory / "project"), "--json"),
        SANCTUARY_STORE=str(network.directory / "elsewhere"),
        NATS_URL=url,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["task_type"] == "architecture"
