"""Tasks that are cancelled in each state that a task can be in, while real clones work."""

import asyncio
from pathlib import Path

from bus.client import Submitted
from schemas import TaskCancel, TaskCompletion, TaskFailure, TaskParked, TaskRetrying
from tests.bus.eventually import eventually
from tests.faults.books import settled_books
from tests.faults.processes import alive
from tests.faults.stage import TOILER, WITHIN_S, Stage, open_stage
from tests.ops.network import needs_proc

pytestmark = needs_proc
DEAD_WITHIN_S = 20.0
"""At once in truth; the machine may have much else to do."""


async def cancel(stage: Stage, submitted: Submitted) -> TaskFailure:
    """Have it cancelled and return its result."""
    verdict = await stage.command(
        TaskCancel(task_id=submitted.id, task_type=submitted.task_type, by="a person", reason="no longer wanted")
    )
    assert isinstance(verdict, TaskCompletion), verdict
    result = await stage.network.results.read(submitted.task_type, submitted.id)
    assert isinstance(result, TaskFailure)
    assert result.code == "cancelled"
    return result


async def test_a_task_is_cancelled_in_each_state(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        await stage.start("toiler", TOILER, "--concurrency", "2")
        out = tmp_path / "out"
        out.mkdir()

        retrying = await stage.submit("toil", {"fail": "handler_failed"}, retries=100)
        await stage.told(retrying, TaskRetrying)
        assert (await cancel(stage, retrying)).attempt > 0

        parked = await stage.submit("toil-or-park", {"fail": "handler_failed"})
        await stage.told(parked, TaskParked)
        await cancel(stage, parked)

        running = await stage.submit("toil", {"engine": "spawns", "out": str(out)})
        await eventually((out / "pids").exists, within_s=WITHIN_S)
        pids = [int(pid) for pid in (out / "pids").read_text().splitlines()[0].split()]
        assert [alive(pid) for pid in pids] == [True] * 4
        # It and another one take all slots, so that the next one is queued.
        long = await stage.submit("toil", {"seconds": 3600})
        queued = await stage.submit("toil", {"seconds": 3600})
        assert await stage.events(queued) == []
        assert (await cancel(stage, queued)).attempt == 0

        cancelling = asyncio.create_task(cancel(stage, running))

        async def ended() -> bool:
            return await stage.network.results.read("toil", running.id) is not None

        await eventually(ended, within_s=WITHIN_S)
        await eventually(lambda: not any(map(alive, pids)), within_s=DEAD_WITHIN_S)
        assert (await cancelling).attempt == 1
        await cancel(stage, long)

        # The slots are free, and what has ended is not run when it comes again.
        well = await stage.submit("toil")
        assert isinstance(await stage.result(well), TaskCompletion)
        everything = (retrying, parked, running, long, queued, well)
        books = await settled_books(stage.network)
        books.hold((submitted.task_type, submitted.id) for submitted in everything)

        # Once more, of what has ended, and of what was never there: refused in words, and nothing changes.
        for submitted in (running, well):
            verdict = await stage.command(TaskCancel(task_id=submitted.id, task_type="toil"))
            assert isinstance(verdict, TaskFailure)
            assert verdict.code == "command_refused"
        verdict = await stage.command(TaskCancel(task_id="nobody", task_type="toil"))
        assert isinstance(verdict, TaskFailure)
        assert await stage.network.results.read("toil", "nobody") is None
        assert (await settled_books(stage.network)).results.keys() >= books.results.keys()
