"""Daemons as agents of a foreign application, which is a user of its own: called, killed and stopped in the midst of calls."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from autogen_core import AgentId

from bus.agent_runtime import NatsAgentRuntime
from bus.agents.errors import RecipientNotFound, WorkerLost
from bus.client import Submitted
from schemas import TaskAssignment, TaskCompletion, TaskResult, TaskStarted
from tests.bus.eventually import eventually
from tests.faults.stage import TOILER, WITHIN_S, Stage, open_stage
from tests.ops.network import make_project, needs_proc

pytestmark = needs_proc
TOIL = AgentId("toiler", "toil")
KNOWN_WITHIN_S = 20.0
"""A few seconds in truth; the machine may have much else to do."""


@asynccontextmanager
async def application(stage: Stage) -> AsyncIterator[NatsAgentRuntime]:
    """As one that was given the seed of the user `agents`, and nothing else."""
    settings = msgspec.structs.replace(stage.server.settings_for("agents"), inbox_prefix=None)
    runtime = NatsAgentRuntime(settings)
    try:
        yield runtime
    finally:
        await runtime.close()


async def joined(runtime: NatsAgentRuntime, agent: AgentId) -> None:
    """Daemons are agents a moment after they are ready for tasks."""

    async def there() -> bool:
        try:
            return "takes a TaskAssignment" in (await runtime.agent_metadata(agent))["description"]
        except RecipientNotFound:
            return False

    await eventually(there, within_s=WITHIN_S)


def facts(result: TaskResult) -> dict[str, Any]:
    """What of a security analysis is the same each time."""
    assert isinstance(result, TaskCompletion), result
    data = {name: value for name, value in result.output["data"].items() if name != "engines"}
    return {"output": {**result.output, "data": data}, "summary": result.summary, "clone": result.clone}


@pytest.mark.timeout(600)
async def test_a_foreign_agent_gets_from_a_clone_what_its_subject_gives(tmp_path: Path) -> None:
    make_project(tmp_path / "project")
    (tmp_path / "project" / "run.py").write_text(
        "import os\n\n\ndef run(words):\n    os.system(words)\n    eval(words)\n"
    )
    async with open_stage(tmp_path) as stage, application(stage) as runtime:
        await asyncio.gather(stage.start("beta", "beta"), stage.start("delta", "delta"))
        assignment = TaskAssignment(params={"target": "project"})
        beta, delta = AgentId("beta", "security"), AgentId("delta", "testing")
        await asyncio.gather(
            joined(runtime, beta), joined(runtime, delta), joined(runtime, AgentId("omega", "security"))
        )
        by_subject = facts(await stage.result(await stage.submit("security", assignment.params), within_s=200))
        assert by_subject["output"]["data"]["findings"]
        assert facts(await runtime.send_message(assignment, beta)) == by_subject
        assert facts(await runtime.send_message(assignment, AgentId("omega", "security"))) == by_subject
        tested = await runtime.send_message(TaskAssignment(params={"target": "project"}, timeout_s=300), delta)
        assert (tested.clone, tested.task_type) == ("delta", "testing")
        for name in ("beta", "delta", "omega"):
            assert "does not let us" not in (tmp_path / f"{name}.log").read_text()


async def test_a_daemon_that_is_killed_costs_its_caller_an_error_and_nobody_the_task(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage, application(stage) as runtime:
        await stage.start("first", TOILER)
        await joined(runtime, TOIL)
        go_on = tmp_path / "go-on"
        assignment = TaskAssignment(id="toil-1", params={"until": str(go_on)}, retries=1)
        sent = asyncio.create_task(runtime.send_message(assignment, TOIL))
        submitted = Submitted("toil", "toil-1", 0)
        await stage.told(submitted, TaskStarted)

        await stage.end("first", signal.SIGKILL)
        killed_at = time.monotonic()
        with pytest.raises(WorkerLost):
            await sent
        assert time.monotonic() - killed_at < KNOWN_WITHIN_S
        go_on.touch()

        await stage.start("second", TOILER)
        result = await stage.result(submitted)
        assert isinstance(result, TaskCompletion)
        assert result.output["attempt"] == 2
        # Whoever asks again under the same id gets the result that there is.
        await joined(runtime, TOIL)
        assert await runtime.send_message(assignment, TOIL) == result
        assert len([each for each in await stage.events(submitted) if isinstance(each, TaskStarted)]) == 2


@pytest.mark.chaos
async def test_a_daemon_that_freezes_costs_its_caller_an_error_and_the_task_ends_once(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage, application(stage) as runtime:
        await stage.start("first", TOILER)
        await joined(runtime, TOIL)
        go_on = tmp_path / "go-on"
        assignment = TaskAssignment(id="toil-1", params={"until": str(go_on)}, retries=1)
        sent = asyncio.create_task(runtime.send_message(assignment, TOIL))
        submitted = Submitted("toil", "toil-1", 0)
        await stage.told(submitted, TaskStarted)

        stage.send("first", signal.SIGSTOP)
        frozen_at = time.monotonic()
        with pytest.raises(WorkerLost):
            await sent
        assert time.monotonic() - frozen_at < KNOWN_WITHIN_S
        go_on.touch()

        await stage.start("second", TOILER)
        result = await stage.result(submitted)
        assert isinstance(result, TaskCompletion)

        async def second_has_it() -> bool:
            try:
                return bool(await runtime.send_message(assignment, TOIL) == result)
            except WorkerLost:
                return False

        await eventually(second_has_it, within_s=WITHIN_S)
        stage.send("first", signal.SIGCONT)
        await stage.ready("first")
        # It takes what it was asked for to its end, which has come already, and answers as before.
        assert await runtime.send_message(assignment, TOIL) == result
        assert await stage.result(submitted) == result


async def test_a_daemon_that_is_told_to_stop_answers_first(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage, application(stage) as runtime:
        await stage.start("first", TOILER)
        await joined(runtime, TOIL)
        sent = asyncio.create_task(runtime.send_message(TaskAssignment(id="toil-1", params={"seconds": 2}), TOIL))
        await stage.told(Submitted("toil", "toil-1", 0), TaskStarted)
        assert await stage.end("first", signal.SIGTERM) == 0
        assert isinstance(await sent, TaskCompletion)
        with pytest.raises(RecipientNotFound):
            await runtime.send_message(TaskAssignment(params={"seconds": 0}), TOIL)
