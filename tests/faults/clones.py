"""A clone whose tasks do to it what they are told to, and its fallback: `sanctuary clone tests.faults.clones:Toiler`."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

import msgspec

import clones
import schemas
from bus.task import Done, Task, TaskError
from clones import sandbox
from clones.base import Clone, serves
from clones.engine_handler import task_error
from clones.engines.contract import EngineError
from clones.sandbox import Limits, run_engine
from schemas import Backoff, Route
from tests.clones import hostile_engine

MEMORY_BYTES = 512 * 1024 * 1024
QUICK = Backoff(initial_s=0.05, maximum_s=0.2)


class Toil(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seconds: float = 0.0
    """How long it takes."""
    until: str = ""
    """It takes until this file is there, too."""
    exit: int | None = None
    """End the process with this status."""
    fail: str = ""
    """Fail with this code, in each attempt."""
    engine: str = ""
    """Run this hostile engine in the sandbox; its files go to `out`."""
    out: str = "."


class Toiler(Clone):
    name = "toiler"
    routes = {  # noqa: RUF012  as the base class has it
        "toil": Route(clone="toiler", fallback=("understudy",), timeout_s=120, backoff=QUICK),
        "toil-or-park": Route(
            clone="toiler", fallback=("understudy",), timeout_s=120, backoff=QUICK, when_exhausted="park"
        ),
    }

    async def start(self) -> None:
        """Put the hostile engines where the sandbox finds engines."""
        self.root = Path(tempfile.mkdtemp())
        for package in (clones, schemas):
            source = Path(str(package.__file__)).parent
            shutil.copytree(source, self.root / source.name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(str(hostile_engine.__file__), self.root / "clones" / "engines" / "hostile.py")
        sandbox._ROOT = self.root

    async def stop(self) -> None:
        shutil.rmtree(self.root)

    @serves("toil")
    async def toil(self, task: Task, params: Toil) -> Done:
        await asyncio.sleep(params.seconds)
        while params.until and not Path(params.until).exists():  # noqa: ASYNC110, ASYNC240  a look at one name
            await asyncio.sleep(0.05)
        if params.exit is not None:
            os._exit(params.exit)
        if params.fail:
            raise TaskError(params.fail, "as asked", retryable=True)
        if params.engine:
            await self._run(task, params)
        return Done(output={"attempt": task.attempt, "pid": os.getpid()})

    @serves("toil-or-park")
    async def toil_or_park(self, task: Task, params: Toil) -> Done:
        return await self.toil(task, params)

    async def _run(self, task: Task, params: Toil) -> None:
        out = Path(params.out)
        try:
            await run_engine(
                engine=f"clones.engines.hostile:{params.engine}",
                target=out,
                params=hostile_engine.Params(text="wait"),
                out=out,
                limits=Limits(timeout_s=600, memory_bytes=MEMORY_BYTES),
                on_progress=task.report,
            )
        except EngineError as error:
            raise task_error(error) from None


class Understudy(Toiler):
    name = "understudy"
