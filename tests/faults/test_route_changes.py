"""The routing table changes while tasks come and run: nothing is lost, and the change takes effect at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from bus.routes import in_force
from schemas import Priority, RouteChange, TaskCompletion, TaskResult, Weights
from tests.bus.eventually import eventually
from tests.faults.books import settled_books
from tests.faults.stage import TOILER, UNDERSTUDY, WITHIN_S, Stage, open_stage
from tests.ops.network import needs_proc

pytestmark = needs_proc
EFFECTIVE = timedelta(seconds=2)
LOOKED_AT = timedelta(seconds=1)
"""How long what has changed is looked at."""
TAKES_S = 0.05


async def change(stage: Stage, *, weights: Weights | None = None, **fields: object) -> datetime:
    """Change the route of `toil`, or the weights, and return when everybody is to go by it."""
    revision = await in_force(stage.network)
    assert revision is not None
    table = revision.routes.table
    routes = {**table.routes, "toil": msgspec.structs.replace(table.routes["toil"], **fields)}
    changed = msgspec.structs.replace(table, routes=routes, weights=weights or table.weights)
    verdict = await stage.command(RouteChange(table=changed, base_revision=revision.number))
    assert isinstance(verdict, TaskCompletion), verdict
    return datetime.now(UTC) + EFFECTIVE


class Crowd:
    """Tasks that come all the time, more than are done."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.submitted: dict[str, Priority | None] = {}
        self.results: list[TaskCompletion] = []
        self._stopped = False

    async def client(self, priority: Priority | None) -> None:
        while not self._stopped:
            task = await self._stage.submit("toil", {"seconds": TAKES_S}, priority, retries=3)
            self.submitted[task.id] = priority
            result: TaskResult = await self._stage.result(task)
            assert isinstance(result, TaskCompletion), result
            self.results.append(result)

    def started_in(self, begin: datetime) -> list[TaskCompletion]:
        return [result for result in self.results if begin <= result.started_at <= begin + LOOKED_AT]

    async def effect(self, begin: datetime) -> list[TaskCompletion]:
        """Return what has run in the time from `begin` on, once that is over and all that began in it has ended."""
        end = begin + LOOKED_AT + timedelta(seconds=10 * TAKES_S)
        await eventually(lambda: any(result.started_at > end for result in self.results), within_s=WITHIN_S)
        ran = self.started_in(begin)
        assert len(ran) > 10
        return ran

    def count(self, results: Sequence[TaskCompletion], priority: Priority) -> int:
        return sum(self.submitted[result.task_id] == priority for result in results)

    def stop(self) -> None:
        self._stopped = True


@asynccontextmanager
async def crowd(stage: Stage, priorities: Sequence[Priority | None]) -> AsyncIterator[Crowd]:
    opened = Crowd(stage)
    async with asyncio.TaskGroup() as group:
        for priority in priorities:
            group.create_task(opened.client(priority))
        yield opened
        opened.stop()


def most_at_once(results: Sequence[TaskResult]) -> int:
    """Return how many ran at the same time at most, by their own clock."""
    moments = []
    for result in results:
        assert result.started_at is not None
        moments += [(result.started_at, 1), (result.finished_at, -1)]
    most = now = 0
    for _, step in sorted(moments):
        now += step
        most = max(most, now)
    return most


@pytest.mark.chaos
async def test_a_route_changes_under_load(tmp_path: Path) -> None:
    """How many run at once, which clone runs them, and which priority comes first."""
    async with open_stage(tmp_path) as stage:
        await stage.start("toiler", TOILER, "--concurrency", "4")
        await stage.start("understudy", UNDERSTUDY, "--concurrency", "4")
        async with crowd(stage, [None] * 12) as load:
            await eventually(lambda: most_at_once(load.results) == 4, within_s=WITHIN_S)
            ran = await load.effect(await change(stage, concurrency=1))
            assert (most_at_once(ran), {result.clone for result in ran}) == (1, {"toiler"})
            ran = await load.effect(await change(stage, concurrency=None, clone="understudy", fallback=("toiler",)))
            assert (most_at_once(ran), {result.clone for result in ran}) == (4, {"understudy"})
        async with crowd(stage, ("high", "low") * 12) as contest:
            await eventually(lambda: len(contest.results) > 10, within_s=WITHIN_S)
            ran = await contest.effect(datetime.now(UTC))
            high, low = contest.count(ran, "high"), contest.count(ran, "low")
            assert high > 3 * low > 0
            ran = await contest.effect(await change(stage, weights=Weights(high=1, low=8)))
            high, low = contest.count(ran, "high"), contest.count(ran, "low")
            assert low > 3 * high > 0
        books = await settled_books(stage.network)
        books.hold(("toil", task_id) for task_id in (*load.submitted, *contest.submitted))
