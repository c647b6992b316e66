"""An instance that fails everything takes no tasks for a while, and comes back carefully."""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any

import pytest

from bus import breaker
from bus.breaker import ATTEMPTS, COOL_DOWN_S, MAX_COOL_DOWN_S, Breaker, State
from bus.subjects import COMMAND_TYPE
from bus.task import Done, Task, TaskError
from bus.worker import Worker
from schemas import ErrorCode, TaskAssignment, TaskCompletion, TaskFailure, TaskResult
from tests.bus.eventually import WITHIN_S, eventually
from tests.bus.rig import TYPE, Rig, Runs
from tests.bus.working import is_primary_there, knows_of_a_primary, make, working

FAILED = ErrorCode.HANDLER_FAILED


def fail(tested: Breaker, tasks: str, *, code: str = FAILED, now: float = 0.0) -> None:
    for task in tasks:
        tested.failed(task, code, now)


class TestBreaker:
    def test_five_attempts_of_three_tasks_open_it(self) -> None:
        tested = Breaker()
        fail(tested, "abca")
        assert tested.state(0) is State.CLOSED
        fail(tested, "b")
        assert tested.state(0) is State.OPEN
        assert tested.state(COOL_DOWN_S - 0.01) is State.OPEN
        assert tested.state(COOL_DOWN_S) is State.HALF_OPEN

    def test_a_task_or_two_that_always_fail_blame_themselves(self) -> None:
        tested = Breaker()
        fail(tested, "ab" * 50)
        assert tested.state(0) is State.CLOSED
        fail(tested, "c")
        assert tested.state(0) is State.OPEN

    @pytest.mark.parametrize(
        "code", [ErrorCode.INVALID_ASSIGNMENT, ErrorCode.CANCELLED, ErrorCode.START_TO_CLOSE_TIMEOUT, "own_code"]
    )
    def test_codes_that_blame_the_task_count_neither_way(self, code: str) -> None:
        tested = Breaker()
        fail(tested, "abcdefgh", code=code)
        fail(tested, "abcd")
        fail(tested, "xyz", code=code)
        assert tested.state(0) is State.CLOSED
        fail(tested, "e", code=ErrorCode.TOOL_MISSING)
        assert tested.state(0) is State.OPEN

    def test_a_task_that_is_done_begins_the_count_anew(self) -> None:
        tested = Breaker()
        for _ in range(10):
            fail(tested, "abcd")
            tested.completed(0)
        assert tested.state(0) is State.CLOSED

    def test_what_began_before_does_not_change_an_open_one(self) -> None:
        tested = Breaker()
        fail(tested, "abcde")
        tested.completed(1)
        fail(tested, "fgh", now=9)
        assert tested.state(COOL_DOWN_S - 0.01) is State.OPEN
        assert tested.state(COOL_DOWN_S) is State.HALF_OPEN

    def test_half_open_a_failure_doubles_the_cool_down_up_to_its_limit_and_success_closes(self) -> None:
        tested = Breaker()
        fail(tested, "abcde")
        now, cool_downs = COOL_DOWN_S, []
        for _ in range(7):
            fail(tested, "x", now=now)
            assert tested.state(now) is State.OPEN
            cool_downs.append(tested.rest_s(now))
            now += tested.rest_s(now)
            assert tested.state(now) is State.HALF_OPEN
        assert cool_downs == [20, 40, 80, 160, MAX_COOL_DOWN_S, MAX_COOL_DOWN_S, MAX_COOL_DOWN_S]
        tested.completed(now)
        assert tested.state(now) is State.CLOSED
        fail(tested, "abcde", now=now)
        assert tested.rest_s(now) == COOL_DOWN_S


class Switched(Runs):
    """A handler that fails while `broken`."""

    broken = True

    async def __call__(self, task: Task) -> Done:
        if self.broken:
            self.starts.append((task.id, task.attempt))
            raise TaskError(FAILED, "broken", retryable=task.params.get("again", False))
        return await super().__call__(task)


async def run(rig: Rig, worker: Worker, params: Mapping[str, Any] | None = None) -> TaskResult:
    """Run a task that this worker has; returns once its breaker has counted it too, and not only its result is stored."""
    result = await rig.run(params)
    await eventually(lambda: worker.in_flight == 0)
    return result


def end_cool_down(worker: Worker) -> None:
    """Have so much time pass as a breaker stays open for."""
    breakers = worker._serving.breakers
    breakers._breakers[TYPE]._until = 0.0
    breakers._look(TYPE)


@pytest.mark.parametrize("capacity", [2, 100], ids=["few slots", "slots to spare"])
async def test_a_broken_instance_leaves_the_tasks_to_others_and_comes_back(
    rig: Rig, capacity: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "COOL_DOWN_S", 600.0)
    monkeypatch.setattr("bus.primaries.SILENCE_S", 600.0)
    await make(rig, "other")
    broken, sound, fallback = Switched(), Runs(), Runs()
    services = rig.service(broken, retries=1), rig.service(sound, "other")
    behind = rig.service(fallback, place=1, only_when_absent=True)
    async with working(rig, *services, capacity=capacity, name="primary") as worker:
        await eventually(lambda: is_primary_there(rig))
        async with working(rig, behind, name="fallback") as other:
            await knows_of_a_primary(rig, other)
            for number in range(ATTEMPTS - 1):
                assert worker.problems() == ()
                assert isinstance(await run(rig, worker, {"again": number == 0}), TaskFailure)
            assert len(broken.starts) == ATTEMPTS
            (problem,) = worker.problems()
            assert re.fullmatch(
                r"echo: one attempt after the other failed here \(handler_failed\); no tasks of it are taken for \d+ s",
                problem,
            )
            # Its presence is withdrawn, so a fallback that is for absence alone takes over.
            result = await rig.run()
            assert isinstance(result, TaskCompletion)
            assert result.clone == "fallback"
            await rig.submitter.run("other", TaskAssignment(), timeout_s=WITHIN_S)  # other types are not touched
            # Half open, it takes one task at a time, and is not present yet.
            end_cool_down(worker)
            assert "one task at a time" in "".join(worker.problems())
            broken.broken = False
            await asyncio.gather(*(rig.submit(f"t{number}", {"held": True}) for number in range(12)))
            await eventually(lambda: (broken.running, fallback.running) == (1, 8))
            await asyncio.sleep(0.1)  # in which it could take another one
            assert broken.most == 1
            broken.released.set()
            await eventually(lambda: worker.problems() == ())
            fallback.released.set()
            await eventually(lambda: len(broken.finished) + len(fallback.finished) == 13)
            await knows_of_a_primary(rig, other)
            count = len(fallback.starts)
            for _ in range(5):
                await rig.run()
            assert len(fallback.starts) == count
            await eventually(rig.all_settled)


async def test_a_broken_instance_without_others_tries_again_after_a_longer_while(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "COOL_DOWN_S", 0.2)
    started_at: list[float] = []

    class Noted(Switched):
        async def __call__(self, task: Task) -> Done:
            started_at.append(time.monotonic())
            return await super().__call__(task)

    broken = Noted()
    async with working(rig, rig.service(broken)) as worker:
        for _ in range(ATTEMPTS):
            await run(rig, worker)
        assert len(worker.problems()) == 1
        for number in range(2):
            assert isinstance(await run(rig, worker), TaskFailure)
            assert started_at[ATTEMPTS + number] - started_at[ATTEMPTS + number - 1] >= 0.2 * 2**number
        broken.broken = False
        assert isinstance(await run(rig, worker), TaskCompletion)
        assert worker.problems() == ()
    assert len(broken.starts) == ATTEMPTS + 3
    assert started_at[-1] - started_at[-2] >= 0.8


async def test_a_type_that_is_not_served_any_more_has_no_problem(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "COOL_DOWN_S", 600.0)
    broken = Switched()
    async with working(rig, rig.service(broken)) as worker:
        await asyncio.gather(*(rig.run() for _ in range(ATTEMPTS)))
        await eventually(lambda: len(worker.problems()) == 1)
        await worker.serve([])
        assert worker.problems() == ()
        broken.broken = False
        await worker.serve([rig.service(broken)])
        assert isinstance(await rig.run(), TaskCompletion)


async def test_omegas_own_work_is_never_left_alone(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else would do it, and a person could steer nothing meanwhile."""
    monkeypatch.setattr(breaker, "COOL_DOWN_S", 600.0)
    await make(rig, COMMAND_TYPE)
    broken = Switched()
    async with working(rig, rig.service(broken, COMMAND_TYPE)) as worker:
        for _ in range(ATTEMPTS + 1):
            result = await rig.submitter.run(COMMAND_TYPE, TaskAssignment(), timeout_s=WITHIN_S)
            assert isinstance(result, TaskFailure)
        assert worker.problems() == ()
