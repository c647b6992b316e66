"""examples/team as a person runs it: two processes that host an agent each, and a third with the team."""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bus.server import EmbeddedServer

EXAMPLE = Path(__file__).parents[3] / "examples" / "team"


async def program(server: EmbeddedServer, *arguments: str) -> Process:
    """Start one of the example's programs, as the user that the network has for applications of AutoGen."""
    return await _program({"NATS_URL": server.url, "NATS_NKEY": str(server.keys["agents"])}, *arguments)


async def _program(settings: dict[str, str], *arguments: str) -> Process:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NATS_")}
    environment = {**clean, **settings}
    return await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=EXAMPLE, env=environment, stdout=PIPE, stderr=PIPE
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hosts(server: EmbeddedServer) -> AsyncIterator[EmbeddedServer]:
    """A network in which the writer and the critic are hosted, each by a process."""
    processes = [await program(server, "host.py", name) for name in ("writer", "critic")]
    try:
        for process in processes:
            assert process.stdout is not None
            assert f"is in process {process.pid}" in (await process.stdout.readline()).decode()
        yield server
    finally:
        for process in processes:
            process.terminate()
            _, said = await process.communicate()
            assert process.returncode == 0, said.decode()


async def test_who_is_not_in_the_team_is_told(server: EmbeddedServer) -> None:
    process = await program(server, "host.py", "reader")
    _, said = await process.communicate()
    assert process.returncode == 2
    assert "invalid choice: 'reader'" in said.decode()


@pytest.mark.parametrize("arguments", [("host.py", "writer"), ("team.py", "swarm")])
async def test_without_a_key_each_program_says_so_in_one_line(
    server: EmbeddedServer, arguments: tuple[str, str]
) -> None:
    process = await _program({"NATS_URL": server.url}, *arguments)
    _, said = await process.communicate()
    assert process.returncode == 1
    assert "Traceback" not in said.decode()
    last = said.decode().splitlines()[-1]
    assert last.startswith("the server does not let us")
    assert "keys/agents.nk" in last


async def test_without_hosts_it_says_what_to_start(server: EmbeddedServer) -> None:
    """Before the fixture: nobody hosts anything yet."""
    process = await program(server, "team.py", "swarm")
    _, said = await process.communicate()
    assert process.returncode == 1
    assert said.decode().splitlines()[-1].endswith("'writer_in_swarm'. Start one with: python host.py NAME")


@pytest.mark.parametrize(
    ("kind", "speakers"),
    [
        ("round-robin", ["writer", "editor", "critic"] * 2),
        ("selector", ["writer", "critic"] * 2),
        ("swarm", ["writer", "editor", "critic"] * 2),
    ],
)
async def test_a_team_of_three_processes_runs(hosts: EmbeddedServer, kind: str, speakers: list[str]) -> None:
    process = await program(hosts, "team.py", kind)
    out, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    spoken: list[tuple[str, str]] = re.findall(
        r"^-+ (?:TextMessage|HandoffMessage) \((\w+)\) -+$\n(.*)$", out.decode(), re.MULTILINE
    )
    assert [speaker for speaker, _ in spoken] == ["user", *speakers]
    assert spoken[-1] == ("critic", "APPROVED")
