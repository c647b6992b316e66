"""A network that is up, used from the command line as people use it."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bus.sleepers import Sleepers
from schemas import TaskCompletion, TaskStarted, WorkflowStart
from tests.bus.eventually import eventually
from tests.clones.step_ids import ids_of
from tests.integration.shop import git, make_shop
from tests.ops.network import WITHIN_S, Command, needs_proc, running

pytestmark = [needs_proc, pytest.mark.timeout(600)]
TESTED_WITHIN_S = 400.0
"""The first one on a machine makes the environment for a project's tests."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """Up in a workspace with the shop in it."""
    directory = tmp_path_factory.mktemp("network")
    make_shop(directory / "shop")
    with running("up", "--port", "-1", directory=directory) as command:
        command.until("ready at ")
        yield command
        assert command.end() == 0, command.log


def ran(network: Command, *arguments: str | Path, cwd: Path | None = None) -> Command:
    """Run a command to its end, in a directory where a relative target is to be seen from."""
    directory = cwd or network.directory
    with running(*arguments, directory=directory, SANCTUARY_STORE=str(network.store)) as command:
        command.wait()
    assert "Traceback" not in command.log
    return command


def result(command: Command) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(command.out)
    return told


def test_a_target_outside_the_workspace_is_refused_in_words(network: Command, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    make_shop(elsewhere)
    command = ran(network, "call", "architecture", "--json", "--target", elsewhere)
    assert command.process.returncode == 1
    failure = result(command)
    assert failure["code"] == "target_refused"
    assert (
        f"{elsewhere} is outside the directories that this clone may read ({network.directory})" in failure["message"]
    )


def test_a_review_of_what_is_refused_says_so(network: Command, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    make_shop(elsewhere)
    command = ran(network, "review", ".", cwd=elsewhere)
    assert command.process.returncode == 1
    assert f"target '{elsewhere}' is refused: {elsewhere} is outside the directories" in command.out
    assert "target_refused" in command.out
    assert "report.html" not in command.out


def test_a_repository_in_the_workspace_by_its_address(network: Command) -> None:
    target = f"file://{network.directory / 'shop'}#main"
    command = ran(network, "call", "architecture", "--json", "--target", target)
    assert command.process.returncode == 0, command.log
    output = result(command)["output"]
    assert (output["target"], output["data"]["modules"]) == (target, 3)
    assert output["revision"] == git(network.directory / "shop", "rev-parse", "HEAD")


def test_a_repository_outside_is_refused(network: Command, tmp_path: Path) -> None:
    make_shop(tmp_path / "elsewhere")
    command = ran(network, "call", "architecture", "--json", "--target", f"file://{tmp_path / 'elsewhere'}")
    assert (command.process.returncode, result(command)["code"]) == (1, "target_refused")


def test_an_upload_from_outside(network: Command, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    make_shop(elsewhere)
    command = ran(network, "submit", "security", "--upload", elsewhere, "--wait", "--json")
    assert command.process.returncode == 0, command.log
    (finding,) = result(command)["output"]["data"]["findings"]
    assert (finding["rule"], finding["file"], finding["line"]) == ("B307", "shop/cart.py", 11)
    assert "uploaded 4 files" in command.log


async def test_omega_killed_in_the_middle_of_a_review(network: Command) -> None:
    """The next one finishes the same workflow; no step is submitted or run a second time."""
    project = network.directory / "slow"
    (project / "slow").mkdir(parents=True)
    (project / "slow" / "__init__.py").write_text('"""Takes its time."""\n')
    begun, go_on = network.directory / "begun", network.directory / "go-on"
    (project / "test_slow.py").write_text(
        "import pathlib, time\n\n\ndef test_slow():\n"
        f"    pathlib.Path({str(begun)!r}).touch()\n"
        f"    while not pathlib.Path({str(go_on)!r}).exists():\n        time.sleep(0.05)\n"
    )
    async with network.open() as client:
        start = WorkflowStart(id="w", input={"target": "slow"})
        await client.submitter.start_workflow("review", start)
        await eventually(begun.exists, within_s=TESTED_WITHIN_S)
        own = await ids_of(client.network)
        for step in ("security", "architecture"):
            await client.submitter.result(step, own(step), timeout_s=WITHIN_S)
        first = network.below()["omega"]
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: network.below().get("omega", first) != first, within_s=WITHIN_S)

        async def taken_up_or_asleep() -> bool:
            if (await Sleepers(client.network).read("w")).sleeper is not None:
                return True
            events = await client.events("workflow", "w")
            return any(isinstance(event, TaskStarted) and event.attempt == 2 for event in events)

        await eventually(taken_up_or_asleep, within_s=WITHIN_S)
        go_on.touch()
        ended = await client.submitter.result("workflow", "w", timeout_s=WITHIN_S)
        assert isinstance(ended, TaskCompletion)
        # The Omega that takes it up has it go on under a message of its own; a run that slept is taken up when it wakes.
        assert ended.attempt in (1, 2, 3)
        subjects = client.network.subjects
        steps = {
            "security": "security",
            "architecture": "architecture",
            "testing": "testing",
            "report": "documentation",
        }
        for name, step in steps.items():
            task_id = own(name)
            stored = [
                message.data for message in await client.ledger(subjects.task(step)) if task_id.encode() in message.data
            ]
            assert len(stored) == 1
            events = await client.events(step, task_id)
            assert [event.attempt for event in events if isinstance(event, TaskStarted)] in ([1], [])
            done = await client.network.results.read(step, task_id)
            assert isinstance(done, TaskCompletion)
            assert done.attempt == 1
            assert len(await client.ledger(subjects.result(step, task_id))) == 1
