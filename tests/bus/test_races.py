"""Races that random lives of tasks came upon (`test_machine`), each one here made certain."""

from functools import partial

import pytest

from bus.journal import Journal
from bus.latest import Reader
from bus.task import Done, Task, TaskError
from schemas import (
    ErrorCode,
    TaskCompletion,
    TaskEvent,
    TaskParked,
    TaskProgress,
    TaskReassigned,
    TaskRetrying,
    TaskStarted,
)
from tests.bus.eventually import eventually
from tests.bus.rig import LeaseClock, Rig, Runs, failure


async def test_progress_that_is_reported_last_is_not_told_after_the_end(rig: Rig) -> None:
    """The newest event says which attempt is next: progress behind a hand-back would use one up."""

    async def handler(task: Task) -> Done:
        if task.attempt == 2:
            return Done()
        task.report(1.0, "as good as done")
        raise TaskError(ErrorCode.ENGINE_CRASHED, "as asked")

    async with rig.worker(handler, retries=1):
        await rig.submit("x")
        assert isinstance(await rig.result("x"), TaskCompletion)
    told = [(type(event), event.attempt) for event in await rig.events("x")]
    assert told == [(TaskProgress, 1), (TaskRetrying, 1), (TaskStarted, 2)]


async def test_progress_that_is_reported_while_draining_uses_up_no_attempt(patient: Rig) -> None:
    runs = Runs()

    async def handler(task: Task) -> Done:
        try:
            return await runs(task)
        finally:
            task.report(0.5, "stops here")

    async with patient.worker(handler):
        await patient.submit("x", {"sleep_s": 600})
        await eventually(partial(patient.has_started, "x"))
    told = [(type(event), event.attempt) for event in await patient.events("x")]
    assert told == [(TaskStarted, 1), (TaskProgress, 1), (TaskReassigned, 1)]


async def test_a_task_that_ends_from_outside_while_it_is_parked_leaves_its_queue(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever ends it meets a task that runs, and so does not wake it."""
    # Its worker hears of it only once it has been parked.
    monkeypatch.setattr("bus.attempt.STARTED_AFTER_S", 600.0)
    monkeypatch.setattr("bus.lease.TICK_S", 600.0)

    async def handler(task: Task) -> Done:
        await rig.network.results.settle(failure(task.id))
        raise TaskError(ErrorCode.ENGINE_CRASHED, "as asked")

    async with rig.worker(handler, parks=True):
        await rig.submit("x")
        await eventually(rig.all_settled)
    assert isinstance((await rig.events("x"))[-1], TaskParked)


async def test_a_worker_that_was_frozen_before_an_attempt_does_not_tell_of_it(
    brief: Rig, lease_clock: LeaseClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else has the task by then, and its story must not go back to an attempt that nobody runs."""
    frozen: list[TaskEvent] = []
    last = Journal.last

    async def last_then_freeze(
        self: Journal, task_type: str, task_id: str, asked: Reader | None = None
    ) -> TaskEvent | None:
        event = await last(self, task_type, task_id, asked)
        if event is not None and not frozen:
            frozen.append(event)
            lease_clock.stop_for(60.0)
        return event

    monkeypatch.setattr(Journal, "last", last_then_freeze)
    runs = Runs()
    async with brief.worker(runs, retries=3):
        await brief.submit("x", {"fail": ErrorCode.ENGINE_CRASHED, "until": 2})
        assert isinstance(await brief.result("x"), TaskCompletion)
        await eventually(brief.all_settled)
    assert runs.starts == [("x", 1), ("x", 2)]
    told = [(type(event), event.attempt) for event in await brief.events("x")]
    assert told == [(TaskRetrying, 1), (TaskStarted, 2)]
