"""The routing table of a whole network in processes: a change takes effect everywhere, with nobody restarted."""

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bus.routes import in_force
from clones.routing import DEFAULT_TABLE
from ops.table_text import write_table
from schemas import RoutingTable, TaskAssignment, TaskCompletion, TaskResult
from tests.ops.network import Client, Command, make_project, needs_proc, running
from tests.ops.rig import SANCTUARY

pytestmark = needs_proc
EFFECT_S = 2.0


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
        [SANCTUARY, *arguments], env=own | environment, capture_output=True, text=True, timeout=60, check=False
    )


async def put_into_force(network: Command, table: RoutingTable) -> float:
    """Set the table by the command line; returns when that was done."""
    path = network.directory / "routes.toml"
    path.write_text(write_table(table))
    ended = await asyncio.to_thread(sanctuary, network, "routes", "set", path)
    assert ended.returncode == 0, ended.stderr
    return time.monotonic()


def routed(task_type: str, **settings: Any) -> RoutingTable:
    routes = {**DEFAULT_TABLE.routes, task_type: replace(DEFAULT_TABLE.routes[task_type], **settings)}
    return replace(DEFAULT_TABLE, routes=routes)


async def revisions(client: Client) -> set[int]:
    current = await in_force(client.network)
    assert current is not None
    return {current.number, *(answer.routes_revision for answer in (await client.ready()).values())}


async def test_a_type_moves_under_load_and_back_with_nobody_restarted(network: Command) -> None:
    results: list[tuple[float, TaskResult]] = []
    ending = asyncio.Event()

    async def load(client: Client) -> None:
        assignment = TaskAssignment(params={"target": "project"}, timeout_s=60)
        while not ending.is_set():
            begun = time.monotonic()
            results.append((begun, await client.submitter.run("documentation", assignment, timeout_s=90)))

    async with network.open() as client:
        before = {clone: answer.instance for clone, answer in (await client.ready()).items()}
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(load(client))
            try:
                for clone, fallback in (("beta", "sigma"), ("sigma", "gamma")):
                    changed_at = await put_into_force(
                        network, routed("documentation", clone=clone, fallback=(fallback,), timeout_s=60)
                    )
                    await asyncio.sleep(EFFECT_S)
                    assert len(await revisions(client)) == 1
                    counted = len(results)
                    while len([None for begun, _ in results if begun > changed_at + EFFECT_S]) < 4:
                        assert time.monotonic() - changed_at < 60, results[counted:]
                        await asyncio.sleep(0.05)
                    late = {result.clone for begun, result in results if begun > changed_at + EFFECT_S}
                    assert late == {clone}
            finally:
                ending.set()
        assert {clone: answer.instance for clone, answer in (await client.ready()).items()} == before
    assert all(isinstance(result, TaskCompletion) for _, result in results), results


async def test_rollback_and_check(network: Command) -> None:
    async with network.open() as client:
        current = await in_force(client.network)
        assert current is not None
        await put_into_force(network, routed("testing", concurrency=1))
        back = await asyncio.to_thread(sanctuary, network, "routes", "rollback", str(current.number))
        assert back.returncode == 0, back.stderr
        done_at = time.monotonic()
        while len(await revisions(client)) > 1:
            assert time.monotonic() - done_at < EFFECT_S
            await asyncio.sleep(0.05)
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
