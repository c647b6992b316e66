"""An Omega dies at each single call that it makes for a run, and others finish the run: nothing is done twice.

Between two such calls an Omega works in memory alone, so that no other moment of its death can make a difference.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from nats.aio.msg import Msg

from bus.identity import Identity
from bus.server import EmbeddedServer
from bus.subjects import WORKFLOW_TYPE
from bus.task import Outcome, Task
from bus.worker import Worker
from clones.completeness.runs import Life, cancelled
from clones.omega.once import store_command
from clones.omega.workflows import driver, running
from clones.routing import service
from schemas import Decision, ErrorCode, TaskCancel, WorkflowBegun, WorkflowCompletion, WorkflowFailure
from tests.bus.eventually import eventually
from tests.faults import flow_processes
from tests.faults.flow_processes import CLONE, TABLE, TYPE, handler
from tests.faults.flow_scene import FlowScene, deed, definition, open_flow_scene
from tests.faults.kill_points import NAMES, Points, arm, plan_of, run_id

OMEGAS = 16
MORE = 2
"""So many calls are tried beyond those of a run that nothing happens to, and again so many until there is none that a run has."""
SILENT_S = 0.1
WITHIN_S = 540.0
"""For a run among all others, on a machine with much else to do."""

WHOLE = definition(
    "whole",
    {
        "first": deed(value="${input.of}"),
        "each": deed("first", foreach="['a', 'b', 'c']", parallelism=2, value="${item}"),
        "sub": {"workflow": "inner", "params": {"of": "${steps.first.output.value}"}, "needs": ["first"]},
        "last": deed("each", "sub", value="${steps.sub.output}"),
    },
    input={"of": {"default": "it"}},
    output={"each": "${steps.each.output[*].value}", "last": "${steps.last.output.value}"},
)
INNER = definition("inner", {"only": deed(value="${input.of}")}, input={"of": {}}, output="${steps.only.output.value}")
UNDONE = definition(
    "undone",
    {
        "made": deed(compensate={"task": TYPE, "params": {"value": "undo"}}),
        "each": deed("made", foreach="[`1`, `2`]", compensate={"task": TYPE, "params": {"value": "undo"}}),
        "bad": deed("each", fail=True),
    },
)
DECIDED = definition(
    "decided",
    {"before": deed(), "ask": {"decision": {}, "needs": ["before"]}, "after": deed("ask")},
    output="${steps.ask.output.verdict}",
)
CANCELLED = definition(
    "cancelled",
    {
        "made": deed(compensate={"task": TYPE, "params": {"value": "undo"}}),
        "held": deed("made", foreach="[`1`, `2`]", hold=True),
    },
)
EFFECTS = {"whole": 6, "undone": 7, "decided": 2, "cancelled": 4}
"""How many deeds a run of each does, what is undone and what its sub-workflow does included."""


ALWAYS = frozenset(
    {
        "Histories.read",
        "Histories.append",
        "Submissions.submit",
        "Submissions.start_workflow",
        "Results.read",
        "Results.settle",
        "Sleepers.read",
        "Sleepers.replace",
        "Sleepers._delete",
        "Nudges.listen",
        "Nudges.stop",
        "Definitions.newest",
        "Definitions.version",
        "Journal.last",
        "Journal.store",
        "Telling._nudge",
        "attempt.acknowledge",
        "execution.acknowledge",
        "waking.last_sequence",
        "waking.publish",
    }
)
"""The calls that some run makes, whatever happens."""
AWAKE = ALWAYS | {"issuing.dismiss"}
"""Where runs stay awake for what they wait for: one that slept may not know where in its queue a task stands."""


def prepare(directory: Path, silent_s: float) -> None:
    """One run at a time and Omega, so that each dies for what it does itself; runs go to sleep soon."""
    flow_processes.CAPACITY = 2
    running.WORKFLOWS_AT_ONCE = 1
    driver.ALL_SILENT_S = SILENT_S
    driver.TASKS_SILENT_S = silent_s
    arm(directory)


class Trial:
    """One realm in which all Omegas die as their runs have it, and a person who decides and cancels."""

    def __init__(self, scene: FlowScene, points: Points) -> None:
        self.scene = scene
        self.points = points
        self._told: set[str] = set()
        self._telling: set[asyncio.Task[int]] = set()

    def _tell(self, run: str, command: Decision | TaskCancel) -> None:
        if run not in self._told:
            self._told.add(run)
            self._telling.add(asyncio.create_task(store_command(self.scene.network, command)))

    def on_waiting(self, message: Msg) -> None:
        """Decide when a run waits."""
        run = message.subject.rpartition(".")[2]
        plan = plan_of(run)
        if plan is not None and plan.flow == "decided" and b"a decision on ask" in message.data:
            self._tell(run, Decision(workflow_id=run, step="ask", verdict="approve", decided_by="ann"))

    async def do(self, task: Task) -> Outcome:
        """Do a deed; a run whose deeds are held is cancelled."""
        if task.params.get("hold") and task.parent_id is not None:
            self._tell(task.parent_id, TaskCancel(task_id=task.parent_id, task_type=WORKFLOW_TYPE, by="ann"))
        return await handler(self.scene.network)(task)

    async def die(self, flow: str, point: str, number: int, side: str) -> bool:
        """Have a run and return whether an Omega died for it."""
        run = run_id(flow, point, number, side)
        await self.scene.run(flow, run)
        await self.scene.result(run, within_s=WITHIN_S)
        # The very last thing that an Omega does for it.
        await eventually(lambda: "execution.acknowledge" in self.points.calls(run), within_s=WITHIN_S)
        return any(kill.run == run for kill in self.points.kills())

    async def die_at_each(self, flow: str, side: str) -> None:
        """Have a run for each call that runs make when nothing happens, and for more until there is one that no run makes."""
        await self.die(flow, NAMES[0], 0, side)
        calls = Counter(self.points.calls(run_id(flow, NAMES[0], 0, side)))
        await asyncio.gather(*(self._die_at(flow, point, calls[point], side) for point in AWAKE | calls.keys()))

    async def _die_at(self, flow: str, point: str, usual: int, side: str) -> None:
        tried, most = 0, usual + 1
        while True:
            numbers = range(tried + 1, most + 1)
            died = await asyncio.gather(*(self.die(flow, point, number, side) for number in numbers))
            if not all(died):
                return
            tried, most = most, most + MORE


@pytest_asyncio.fixture
async def trial(server: EmbeddedServer, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Trial]:
    directory = tmp_path / "points"
    directory.mkdir()
    prepared = partial(prepare, directory, getattr(request, "param", 10.0))
    async with open_flow_scene(server, tmp_path, prepared) as scene:
        trial = Trial(scene, Points(directory))
        await scene.put(WHOLE, INNER, UNDONE, DECIDED, CANCELLED)
        network = scene.network
        await network.client.listen(scene.subjects.event(WORKFLOW_TYPE, "*"), trial.on_waiting)
        worker = Worker(network, [service(TABLE, TYPE, CLONE, trial.do, scene.subjects)], Identity(CLONE), capacity=256)
        await worker.start()
        scene.keeps = True
        for _ in range(OMEGAS):
            scene.start("omega")
        try:
            yield trial
        finally:
            scene.keeps = False
            await worker.stop(0.0)


async def holds(trial: Trial) -> None:
    """Fail where a run came to another end than it would without a kill, or where anything was done twice."""
    lives = await trial.scene.check(within_s=30)
    done, asked, deeds = await trial.scene.effects(), set[str](), Counter[str]()
    for life in lives:
        ids = {child.id for child in life.children if child.task_type == TYPE}
        ended = {task_id for task_type, task_id in cancelled(life) if task_type == TYPE}
        assert ids - ended <= done
        asked |= ids
        run = next(filter(None, map(plan_of, (life.workflow_id, _parent(life)))))
        # What is cancelled may be so before it is asked for.
        deeds[run.run] += len(ids | ended)
        if life.definition.name != INNER.name:
            _judge_end(life)
    assert done <= asked
    assert deeds == {run: EFFECTS[plan.flow] for run in trial.scene.runs if (plan := plan_of(run))}


def _parent(life: Life) -> str | None:
    [begun] = [event for event in life.history[0].entry.events if isinstance(event, WorkflowBegun)]
    return begun.parent_id


def _judge_end(life: Life) -> None:
    result = life.results[WORKFLOW_TYPE, life.workflow_id]
    match life.definition.name:
        case "whole":
            assert isinstance(result, WorkflowCompletion)
            assert result.output == {"each": ["a", "b", "c"], "last": "it"}
        case "decided":
            assert isinstance(result, WorkflowCompletion)
            assert result.output == "approve"
        case "undone" | "cancelled" as flow:
            assert isinstance(result, WorkflowFailure)
            assert result.code == {"undone": ErrorCode.STEP_FAILED, "cancelled": ErrorCode.CANCELLED}[flow]
            undone = [line.compensated for line in result.steps if line.state == "completed"]
            assert set(undone) == {"done"}


async def all_die(trial: Trial, side: str, always: frozenset[str]) -> None:
    """Have Omegas die at each call of each kind of run, and see that nobody could tell."""
    await asyncio.gather(*(trial.die_at_each(flow, side) for flow in EFFECTS))
    kills = trial.points.kills()
    assert len(kills) == len({kill.run for kill in kills})
    await holds(trial)
    assert {f"{side} {point}" for point in always} - {kill.point for kill in kills} == set()


@pytest.mark.chaos
@pytest.mark.timeout(600)
async def test_an_omega_dies_after_each_call(trial: Trial) -> None:
    """What the call did stands, and nobody has made anything of it yet."""
    await all_die(trial, "after", AWAKE)


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("trial", [0.05], indirect=True)
async def test_an_omega_dies_before_each_call(trial: Trial) -> None:
    """Of runs that go to sleep whenever they wait."""
    await all_die(trial, "before", ALWAYS)
