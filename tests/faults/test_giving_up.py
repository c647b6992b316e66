"""A run that kills each Omega that drives it comes to an end, and takes what it has asked for along."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from bus.histories import Written
from bus.ledger import entries
from bus.server import EmbeddedServer
from bus.task import Task
from clones.completeness.runs import Life, run_breaches
from clones.omega.workflows import giving_up, running
from clones.omega.workflows.driver import Driver
from clones.omega.workflows.giving_up import GivingUp
from clones.workflows.state import State
from schemas import (
    CancelRequested,
    ErrorEscalation,
    TaskAssignment,
    TaskFailure,
    WorkflowEvent,
    WorkflowFailure,
    decode,
)
from tests.faults import flow_processes
from tests.faults.flow_processes import TYPE
from tests.faults.flow_scene import FlowScene, deed, definition, open_flow_scene

FLOW = definition(
    "flow",
    {"made": deed(compensate={"task": TYPE, "params": {"value": "undo"}}), "held": deed("made", hold=True)},
)


def prepare() -> None:
    """One run at a time and Omega: each dies for what it drives itself. `poison` kills while it goes on, `worse` always.

    The first that gives a run up dies once the run is told, before it escalates.
    """
    flow_processes.CAPACITY = 2
    running.WORKFLOWS_AT_ONCE = 1
    running.RETRIES = 0
    giving_up.DRIVEN = 2
    following = Driver._next

    async def kills(self: Driver, state: State) -> Sequence[WorkflowEvent] | None:
        if state.steps["made"].state == "completed" and (self._task.id == "worse" or state.failure is None):
            os.kill(os.getpid(), signal.SIGKILL)
        return await following(self, state)

    Driver._next = kills  # type: ignore[method-assign]
    escalating = GivingUp._escalate

    async def kills_first(self: GivingUp, task: Task, written: Written, code: str, message: str) -> None:
        if task.given_up == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        await escalating(self, task, written, code, message)

    GivingUp._escalate = kills_first  # type: ignore[method-assign]


async def ended(scene: FlowScene, run: str) -> tuple[Life, WorkflowFailure]:
    result = await scene.result(run, within_s=60)
    [life] = [life for life in await scene.lives() if life.workflow_id == run]
    assert isinstance(result, WorkflowFailure), result
    assert result.code == "attempts_exhausted"
    [held] = [
        child for child in life.children if isinstance(child.asked, TaskAssignment) and child.asked.params.get("hold")
    ]
    cancelled = life.results[TYPE, held.id]
    assert isinstance(cancelled, TaskFailure)
    assert cancelled.code == "cancelled"
    [told] = [
        written.entry
        for written in life.history
        if any(isinstance(event, CancelRequested) for event in written.entry.events)
    ]
    escalated = [each for each in await escalations(scene) if (each.task_id, each.at) == (run, told.at)]
    assert [each.code for each in escalated] == ["attempts_exhausted"]
    assert [line.state for line in result.steps] == ["completed", "cancelled"]
    return life, result


async def escalations(scene: FlowScene) -> list[ErrorEscalation]:
    found = entries(scene.network, scene.subjects.every("escalation"))
    return [decode(ErrorEscalation, message.data) async for message in found]


@pytest.mark.timeout(120)
async def test_runs_that_kill_all_omegas_end(server: EmbeddedServer, tmp_path: Path) -> None:
    async with open_flow_scene(server, tmp_path, prepare) as scene:
        await scene.put(FLOW)
        scene.keeps = True
        scene.start("ann")
        for _ in range(2):
            scene.start("omega")
        for run in ("poison", "worse"):
            await scene.run("flow", run)
        life, poison = await ended(scene, "poison")
        assert poison.steps[0].compensated == "done"
        assert run_breaches(life) == []
        _, worse = await ended(scene, "worse")
        assert worse.steps[0].compensated is None
        assert worse.details == {"not_undone": ["made"]}
        assert "done and not undone: made" in worse.message
