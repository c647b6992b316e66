"""A clone is upgraded under load, one instance after the other, and back again; what the versions say differs."""

import json
import subprocess
from asyncio import create_subprocess_exec
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path
from signal import SIGKILL, SIGTERM

import pytest

from bus.jetstream import api
from bus.ledger import stream_entries
from schemas import TaskCompletion, TaskResult, decode
from tests.bus.eventually import eventually
from tests.faults.books import settled_books
from tests.faults.stage import NEXT, THIS, TOILER, WITHIN_S, Stage, open_stage
from tests.ops.network import needs_proc

pytestmark = needs_proc
INSTANCES = 2
CONCURRENCY = 4
SHARE = 0.1
OPTIONS = ("--concurrency", str(CONCURRENCY), "--drain", "0.05")
"""So little time to drain that most of what runs is handed back."""


@asynccontextmanager
async def publisher(stage: Stage, version: str) -> AsyncIterator[Process]:
    """A client of a version that has tasks done while this is open."""
    params = json.dumps({"seconds": 0.15})  # so long that it has events
    arguments = (stage.server.options.store, stage.network.subjects.realm, "toil", 6, params)
    process = await create_subprocess_exec(
        *stage.python("tests.faults.publisher", *arguments, version=version),
        cwd=stage.directory,
        env=stage.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def progress(stage: Stage, count: int) -> None:
    """Return once so many more tasks have ended."""

    async def ended() -> int:
        info = await api(stage.network.requester, f"STREAM.INFO.{stage.network.subjects.results}")
        return int(info["state"]["messages"])

    goal = await ended() + count

    async def reached() -> bool:
        return await ended() >= goal

    await eventually(reached, within_s=WITHIN_S)


@pytest.mark.chaos
@pytest.mark.timeout(180)
async def test_an_upgrade_and_back(tmp_path: Path) -> None:
    async with open_stage(tmp_path) as stage:
        for number in range(INSTANCES):
            await stage.start(f"old {number}", TOILER, *OPTIONS)
        async with publisher(stage, THIS) as old, publisher(stage, NEXT) as new:
            await progress(stage, 50)
            # A canary first; it dies, and what it had is done by the others.
            canary = await stage.start("canary", TOILER, *OPTIONS, "--canary", str(SHARE), version=NEXT)
            before = await settled_count(stage, canary.instance)
            await progress(stage, 200)
            taken, total = await settled_count(stage, canary.instance)
            assert 0 < taken <= SHARE * (total - before[1]) + CONCURRENCY
            await stage.end("canary", SIGKILL)
            for number in range(INSTANCES):
                await stage.start(f"next {number}", TOILER, *OPTIONS, version=NEXT)
                assert await stage.end(f"old {number}", SIGTERM) == 0
                await progress(stage, 50)
            for number in range(INSTANCES):
                await stage.start(f"old {number}", TOILER, *OPTIONS)
                assert await stage.end(f"next {number}", SIGTERM) == 0
                await progress(stage, 50)
            told = [json.loads((await process.communicate(b""))[0]) for process in (old, new)]
        assert told[0].keys() == {"TaskCompletion"}
        assert told[1].keys() == {"TaskCompletion", "TaskCompletion next"}

        books = await settled_books(stage.network)
        books.hold()
        results = [result for (task_type, _), result in books.results.items() if task_type == "toil"]
        assert all(isinstance(result, TaskCompletion) for result in results)
        assert len(results) == sum(chain.from_iterable(counts.values() for counts in told))
        # Draining uses up no attempt; those that died with the canary had a second one.
        assert Counter(result.attempt for result in results)[2] <= CONCURRENCY
        assert max(result.attempt for result in results) <= 2

        # The command line of this version tells of tasks that the next one ran.
        (_, task_id), *_ = books.unknown
        shown = await create_subprocess_exec(
            *stage.python("ops.cli", "task", "show", task_id, "--store", stage.server.options.store),
            cwd=stage.directory,
            env=stage.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await shown.communicate()
        assert shown.returncode == 0, err
        assert b"completed" in out


async def settled_count(stage: Stage, instance: str) -> tuple[int, int]:
    """Return how many tasks have ended at an instance, and in all."""
    in_stage = [
        message async for message in stream_entries(stage.network.requester, stage.network.subjects.results, ">")
    ]
    results: list[TaskResult] = [decode(TaskResult, message.data) for message in in_stage]
    return sum(result.instance == instance for result in results), len(results)
