"""docs/autogen.md is true: its programs run as they stand, beside a real `sanctuary up`, and its promises have their tests."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from autogen_core import AgentId

from bus.agent_runtime import NatsAgentRuntime
from bus.agents.errors import NotPlaced, RecipientNotFound, WorkerLost
from bus.store import NetworkFile, read_network
from tests.bus.eventually import eventually
from tests.ops.network import WITHIN_S, Command, make_project, needs_proc, running

pytestmark = needs_proc

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "autogen.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
HOST = "host_chat_agent(runtime, name"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    directory = tmp_path_factory.mktemp("page")
    make_project(directory / "project")
    with running("up", "--port", "-1", "--drain", "1", directory=directory) as command:
        command.until("ready at ")
        yield command
        command.end()


def known(network: Command) -> NetworkFile:
    found = read_network(network.store)
    assert found is not None
    return found


def run(network: Command, holds: str) -> list[str]:
    """Run the page's one program that holds this, as the page says, on the port that the test's network has; its output."""
    (program,) = (block for block in BLOCKS if holds in block)
    file = network.directory / "program.py"
    file.write_text(program.replace("nats://127.0.0.1:4222", known(network).url))
    environment = {**os.environ, "NATS_NKEY": str(network.store / "keys" / "agents.nk"), "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [sys.executable, file],
        cwd=network.directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


def test_a_line_is_changed(network: Command) -> None:
    assert run(network, "was: SingleThreadedAgentRuntime()") == ["Good morning, Ada"]


def test_durable_topics(network: Command) -> None:
    assert run(network, "durable_topics") == [f"berlin packs {number}" for number in (1, 2, 3)]


def test_kept_state(network: Command) -> None:
    assert run(network, "keep_state") == ["1", "2"]
    assert run(network, "keep_state") == ["3", "4"]


async def test_clones_are_agents(network: Command) -> None:
    runtime = NatsAgentRuntime(known(network).settings_for("agents"))

    async def joined() -> bool:
        try:
            await runtime.agent_metadata(AgentId("gamma", "architecture"))
        except (RecipientNotFound, NotPlaced, WorkerLost):
            return False
        return True

    try:
        await eventually(joined, within_s=WITHIN_S)
    finally:
        await runtime.close()
    (said,) = run(network, "TaskAssignment")
    assert said.startswith("gamma ")


def test_the_page_s_host_is_the_example() -> None:
    (block,) = (block for block in BLOCKS if HOST in block)
    assert block == (ROOT / "examples" / "team" / "host.py").read_text(encoding="utf-8")


def test_each_promise_has_its_test() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) > 20
    assert [name for name in sorted(named) if not re.search(rf"def {name}\(", tests)] == []


def test_the_page_s_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert [link for link in links if not (PAGE.parent / link).exists()] == []
