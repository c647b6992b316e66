"""The shipped workflow `review`: its steps, and what becomes of it when one of them or an Omega ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from bus.jetstream import api, publish
from bus.subjects import WORKFLOW_TYPE
from bus.task import Done, Task, TaskError
from clones.params import PARAMS
from schemas import (
    TaskAssignment,
    TaskCompletion,
    TaskFailure,
    TaskProgress,
    TaskResult,
    WorkflowFailure,
    WorkflowStart,
    convert,
    decode,
)
from tests.bus.eventually import eventually
from tests.clones.rig import ClonesRig
from tests.clones.step_ids import ids_of
from tests.conftest import CLONES

SIDE_BY_SIDE = ("security", "architecture", "testing")
REPORT_TYPE = "documentation"


async def id_of(rig: ClonesRig, task_type: str) -> str:
    """The id of the step of the run `w` that has this type."""
    own = await ids_of(rig.network)
    return own("report" if task_type == REPORT_TYPE else task_type)


class Stubs:
    """Every clone's handlers: they note what they were asked and what they did, and wait or fail as told."""

    def __init__(self) -> None:
        self.tasks: dict[str, list[Task]] = {task_type: [] for task_type in PARAMS}
        self.fail: set[str] = set()
        self.hold: dict[str, asyncio.Event] = {}

    async def __call__(self, task: Task) -> Done:
        convert(PARAMS[task.task_type], task.params)
        self.tasks[task.task_type].append(task)
        if task.task_type in self.hold:
            await self.hold[task.task_type].wait()
        if task.task_type in self.fail:
            raise TaskError("engine_failed", f"{task.task_type} cannot")
        return Done(summary=f"{task.task_type} is done", output={"target": task.params["target"], "data": {}})

    @property
    def starts(self) -> dict[str, int]:
        return {task_type: len(tasks) for task_type, tasks in self.tasks.items() if tasks}

    def begun(self, *task_types: str) -> Callable[[], bool]:
        return lambda: all(self.tasks[task_type] for task_type in task_types)


@asynccontextmanager
async def clones(rig: ClonesRig, stubs: Stubs) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for clone, types in CLONES.items():
            await stack.enter_async_context(rig.clone(clone, dict.fromkeys(types, stubs)))
        yield


async def start(rig: ClonesRig, **given: Any) -> None:
    """Start the workflow `w`."""
    labels = {"team": "a"}
    await rig.submitter.start_workflow("review", WorkflowStart(id="w", input={"target": "here"} | given, labels=labels))


async def outcome(rig: ClonesRig) -> TaskResult:
    return await rig.bus.result("w", WORKFLOW_TYPE, within_s=60)


async def submissions(rig: ClonesRig, task_type: str) -> list[TaskAssignment]:
    messages = await rig.bus.in_stream(rig.subjects.ledger, rig.subjects.task(task_type))
    return [decode(TaskAssignment, message.data) for message in messages]


async def test_all_steps_and_then_the_report_over_them(clones_rig: ClonesRig) -> None:
    stubs = Stubs()
    async with clones(clones_rig, stubs), clones_rig.omega() as omega:
        await start(clones_rig, command=["python", "-m", "here"])
        result = await outcome(clones_rig)
    assert isinstance(result, TaskCompletion)
    assert (result.clone, result.instance) == ("omega", omega.identity.instance)
    types = [*SIDE_BY_SIDE, "performance", REPORT_TYPE]
    assert [(step["task_type"], step["task_id"], step["state"]) for step in result.output["steps"]] == [
        (task_type, await id_of(clones_rig, task_type), "completed") for task_type in types
    ]
    assert stubs.starts == dict.fromkeys(types, 1)
    for task_type in types:
        (submitted,) = await submissions(clones_rig, task_type)
        assert (submitted.parent_id, submitted.labels, submitted.timeout_s) == ("w", {"team": "a"}, 900.0)
    (report,) = stubs.tasks[REPORT_TYPE]
    over = {source["task_type"]: source for source in report.params["report_over"]}
    assert list(over) == types[:-1]
    for task_type, source in over.items():
        (message,) = await clones_rig.bus.in_stream(clones_rig.subjects.ledger, clones_rig.subjects.task(task_type))
        assert (source["task_id"], source["sequence"]) == (await id_of(clones_rig, task_type), message.sequence)


async def test_how_far_it_is_is_told(clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bus.attempt.PROGRESS_EVERY_S", 0.0)
    monkeypatch.setattr("clones.omega.workflows.driver.TOLD_AFTER_S", 0.0)
    async with clones(clones_rig, Stubs()), clones_rig.omega():
        await start(clones_rig)
        await outcome(clones_rig)
    told: set[float] = set()

    async def all_told() -> bool:
        events = await clones_rig.bus.events("w", WORKFLOW_TYPE)
        told.update(event.fraction for event in events if isinstance(event, TaskProgress))
        return 1.0 in told

    # Nobody waits until it is stored.
    await eventually(all_told)
    # What is skipped counts as done: no command, no performance.
    assert told <= {0.4, 0.6, 0.8, 1.0}


async def test_a_step_that_fails_is_told_and_the_report_is_written(clones_rig: ClonesRig) -> None:
    stubs = Stubs()
    stubs.fail = {"testing"}
    async with clones(clones_rig, stubs), clones_rig.omega():
        await start(clones_rig)
        result = await outcome(clones_rig)
    assert isinstance(result, TaskCompletion)
    (failed,) = (step for step in result.output["steps"] if step["state"] == "failed")
    assert (failed["task_type"], failed["code"], failed["message"]) == ("testing", "engine_failed", "testing cannot")
    (report,) = stubs.tasks[REPORT_TYPE]
    over = {source["task_type"]: source for source in report.params["report_over"]}
    assert set(over) == {*SIDE_BY_SIDE, "performance"}
    assert (over["testing"]["state"], over["testing"]["message"]) == ("failed", "testing cannot")
    assert (over["performance"]["state"], over["performance"]["task_id"]) == ("skipped", None)
    assert over["performance"]["message"] == "No command to profile was given."


async def test_without_a_report_the_workflow_fails(clones_rig: ClonesRig) -> None:
    stubs = Stubs()
    stubs.fail = {REPORT_TYPE}
    async with clones(clones_rig, stubs), clones_rig.omega():
        await start(clones_rig)
        result = await outcome(clones_rig)
    assert isinstance(result, TaskFailure)
    assert isinstance(result, WorkflowFailure)
    assert (result.code, result.retryable) == ("step_failed", False)
    assert "report" in result.message and "documentation cannot" in result.message
    told = {line.step: line.state for line in result.steps}
    assert told == dict.fromkeys(SIDE_BY_SIDE, "completed") | {"performance": "skipped", "report": "failed"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"target": 7}, "the input's target"),
        ({"depth": 1}, "takes no input depth"),
    ],
)
async def test_input_that_cannot_be_used_ends_it_in_words(
    clones_rig: ClonesRig, given: dict[str, Any], says: str
) -> None:
    async with clones_rig.omega():
        await start(clones_rig, **given)
        result = await outcome(clones_rig)
    assert isinstance(result, TaskFailure)
    assert result.code == "incompatible_task"
    assert says in result.message
    for task_type in PARAMS:
        assert await submissions(clones_rig, task_type) == []


async def test_another_omega_takes_it_up_and_repeats_nothing(
    clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long ago the steps were submitted: the server has forgotten their ids, and one of them runs still."""
    monkeypatch.setattr("clones.omega.workflows.issuing.REMEMBERED_S", 0.1)
    stubs = Stubs()
    stubs.hold["testing"] = asyncio.Event()
    async with clones(clones_rig, stubs):
        async with clones_rig.omega():
            await start(clones_rig)
            for task_type in ("security", "architecture"):
                await clones_rig.bus.result(await id_of(clones_rig, task_type), task_type)
            await eventually(stubs.begun("testing"))
        await _forget_ids(clones_rig)
        async with clones_rig.omega() as second:
            await eventually(lambda: second.daemon.worker.in_flight == 1)
            stubs.hold["testing"].set()
            result = await outcome(clones_rig)
    assert isinstance(result, TaskCompletion)
    assert result.instance == second.identity.instance
    assert stubs.starts == dict.fromkeys((*SIDE_BY_SIDE, REPORT_TYPE), 1)
    for task_type in (*SIDE_BY_SIDE, REPORT_TYPE):
        assert len(await submissions(clones_rig, task_type)) == 1
    (report,) = stubs.tasks[REPORT_TYPE]
    assert all(source["sequence"] for source in report.params["report_over"] if source["state"] != "skipped")


async def _forget_ids(rig: ClonesRig) -> None:
    """Return once the server would store a second time what was submitted before this."""
    requester, ledger = rig.network.requester, rig.subjects.ledger
    config = (await api(requester, f"STREAM.INFO.{ledger}"))["config"]
    await api(requester, f"STREAM.UPDATE.{ledger}", config | {"duplicate_window": 200_000_000})
    subject = rig.subjects.escalation("low", "probe")

    async def stored() -> bool:
        return not (await publish(requester, subject, b"{}", headers={"Nats-Msg-Id": "probe"})).duplicate

    assert await stored()
    await eventually(stored)
    # What is submitted from now on is known for as long as ever: an answer that comes late does no harm.
    await api(requester, f"STREAM.UPDATE.{ledger}", config)
