"""Everything is killed; deadlines are kept all the same."""

import signal
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bus.ledger import entry
from schemas import TaskCompletion, TaskFailure, TaskParked, TaskStarted
from tests.faults.books import settled_books
from tests.faults.stage import TOILER, open_stage
from tests.ops.network import needs_proc

pytestmark = needs_proc
LIMIT_S = 6.0
LATE_S = 5.0


@pytest.mark.chaos
async def test_deadlines_when_clone_omega_and_server_were_killed(tmp_path: Path) -> None:
    """Omega alone is back: each task that is over its time ends once, within five seconds."""
    async with open_stage(tmp_path) as stage:
        await stage.start("toiler", TOILER, "--concurrency", "2")
        parked = await stage.submit("toil-or-park", {"fail": "handler_failed"}, schedule_to_close_s=LIMIT_S)
        await stage.told(parked, TaskParked)
        running = await stage.submit("toil", {"seconds": 3600}, timeout_s=LIMIT_S)
        closing = await stage.submit("toil", {"seconds": 3600}, schedule_to_close_s=LIMIT_S, retries=5)
        for submitted in (running, closing):
            await stage.told(submitted, TaskStarted)
        queued = await stage.submit("toil", schedule_to_start_s=LIMIT_S)
        waits = await stage.submit("toil")
        await stage.end("toiler", signal.SIGKILL)
        await stage.end("omega", signal.SIGKILL)
        await stage.server.kill()
        await stage.server.restart()
        await stage.start("omega again", "omega")
        back_at = datetime.now().astimezone()

        codes = {
            parked: "deadline_exceeded",
            running: "start_to_close_timeout",
            closing: "deadline_exceeded",
            queued: "deadline_exceeded",
        }
        for submitted, code in codes.items():
            result = await stage.result(submitted)
            assert isinstance(result, TaskFailure)
            assert (result.code, result.clone) == (code, "omega")
            stored = await entry(stage.network, submitted.sequence)
            assert stored is not None
            begun_at = result.started_at if submitted == running and result.started_at else stored.stored_at
            due_at = max(begun_at + timedelta(seconds=LIMIT_S), back_at)
            assert result.finished_at - due_at < timedelta(seconds=LATE_S), (submitted, result)

        # What has no limit waits for a clone, and the others are not run any more.
        assert await stage.network.results.read("toil", waits.id) is None
        await stage.start("toiler again", TOILER, "--concurrency", "2")
        assert isinstance(await stage.result(waits), TaskCompletion)
        books = await settled_books(stage.network)
        books.hold((submitted.task_type, submitted.id) for submitted in (*codes, waits))
        assert [event.clone for event in await stage.events(queued)] == []
