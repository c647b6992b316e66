"""Tasks that harm whoever runs them: they end, and all others go on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bus.client import Submitted
from bus.ledger import entries
from schemas import ErrorEscalation, TaskCompletion, TaskFailure, decode
from tests.bus.eventually import eventually
from tests.faults.books import settled_books
from tests.faults.processes import alive
from tests.faults.stage import TOILER, WITHIN_S, Stage, open_stage
from tests.ops.network import needs_proc

pytestmark = needs_proc


@pytest_asyncio.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as opened:
        yield opened


async def escalations(stage: Stage) -> list[ErrorEscalation]:
    subject = stage.network.subjects.every("escalation")
    return [decode(ErrorEscalation, message.data) async for message in entries(stage.network, subject)]


@pytest.mark.chaos
@pytest.mark.timeout(180)
async def test_a_task_that_exits_its_worker(stage: Stage) -> None:
    """It uses up its own attempts and nobody else's; the clone is there for the others all the time."""
    argv = stage.argv(TOILER, "--concurrency", "16")
    async with stage.supervised({"first": argv, "second": argv}) as supervisor:

        async def both() -> bool:
            return len(await stage.answering("toiler")) == 2

        await eventually(both, within_s=WITHIN_S)
        poison = await stage.submit("toil", {"seconds": 0.3, "exit": 7}, retries=1)
        # They run beside it when it kills its worker for the first time, and have one more attempt as it has.
        beside = [await stage.submit("toil", {"seconds": 2}, retries=1) for _ in range(12)]
        ended = asyncio.create_task(stage.result(poison))
        meanwhile: list[Submitted] = []

        async def others() -> None:
            while not ended.done():
                submitted = await stage.submit("toil", {"seconds": 0.05}, retries=5)
                meanwhile.append(submitted)
                await stage.result(submitted)

        await asyncio.gather(*(others() for _ in range(4)))
        failure = await ended
        assert isinstance(failure, TaskFailure)
        assert (failure.code, failure.attempt) == ("attempts_exhausted", 2)
        results = [await stage.result(submitted) for submitted in (*beside, *meanwhile)]
        assert [result for result in results if not isinstance(result, TaskCompletion)] == []
        assert max(result.attempt for result in results) == 2
        assert len(meanwhile) > 50
        assert sum(child.starts for child in supervisor.children.values()) == 4
        (escalation,) = await escalations(stage)
        assert (escalation.code, escalation.task_id, escalation.attempt) == ("attempts_exhausted", poison.id, 2)
        await eventually(both, within_s=WITHIN_S)
        books = await settled_books(stage.network)
        books.hold((submitted.task_type, submitted.id) for submitted in (poison, *beside, *meanwhile))


async def test_tasks_that_never_end_or_take_all_they_can_get(stage: Stage, tmp_path: Path) -> None:
    """Each ends with a code that says why, none of its processes lives, and the clone serves on."""
    for name in ("hungry", "parent", "chain"):
        (tmp_path / name).mkdir()
    before = await stage.start("toiler", TOILER, "--concurrency", "8")
    endless = await stage.submit("toil", {"seconds": 3600}, timeout_s=2)
    hungry = await stage.submit("toil", {"engine": "eats_memory", "out": str(tmp_path / "hungry")})
    parent = await stage.submit("toil", {"engine": "spawns", "out": str(tmp_path / "parent")}, timeout_s=12)
    chain = await stage.submit("toil", {"engine": "forks_forever", "out": str(tmp_path / "chain")}, timeout_s=12)
    pids_file, beat = tmp_path / "parent" / "pids", tmp_path / "chain" / "beat"
    await eventually(lambda: pids_file.exists() and beat.exists() and beat.stat().st_size > 0, within_s=WITHIN_S)
    pids = [int(pid) for pid in pids_file.read_text().splitlines()[0].split()]
    assert [alive(pid) for pid in pids] == [True] * 4
    failures = [await stage.result(submitted) for submitted in (endless, hungry, parent, chain)]
    assert [failure.code for failure in failures if isinstance(failure, TaskFailure)] == [
        "start_to_close_timeout",
        "memory_exceeded",
        "start_to_close_timeout",
        "start_to_close_timeout",
    ]
    assert [alive(pid) for pid in pids] == [False] * 4
    beats = beat.stat().st_size
    well = await stage.result(await stage.submit("toil", {"seconds": 0.5}))
    assert isinstance(well, TaskCompletion)
    assert well.instance == before.instance
    assert beat.stat().st_size == beats
    (await settled_books(stage.network)).hold()
