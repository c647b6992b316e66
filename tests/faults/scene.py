"""A server and worker processes that a test may kill, stop and start, and what must be true afterwards."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bus.errors import Disconnected, NoResponders, RequestTimeout
from bus.server import EmbeddedServer, ServerOptions
from schemas import AnyTaskEvent, TaskAssignment, TaskEvent, TaskResult, TaskStarted, decode, new_id
from tests.bus.eventually import eventually
from tests.bus.rig import TYPE, Rig, open_rig
from tests.clones.completeness.whole import findings
from tests.faults.journals import whole_lines

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Line:
    """What a worker process noted."""

    name: str
    what: str
    task_id: str
    attempt: int


class Scene:
    """One network: its server in a process, any number of workers in others."""

    def __init__(self, server: EmbeddedServer, rig: Rig, journal: Path) -> None:
        self.server = server
        self.rig = rig
        self._journal = journal
        self.workers: dict[str, Process] = {}

    def lines(self, what: str | None = None) -> list[Line]:
        """What the workers noted, oldest first."""
        noted = map(str.split, whole_lines(self._journal))
        lines = [Line(name, said, task_id, int(attempt)) for name, said, task_id, attempt in noted]
        return [line for line in lines if what in (None, line.what)]

    def noted(
        self, what: str, *, name: str | None = None, task_id: str | None = None, attempt: int | None = None
    ) -> bool:
        return any(
            name in (None, line.name) and task_id in (None, line.task_id) and attempt in (None, line.attempt)
            for line in self.lines(what)
        )

    def argv(self, name: str, capacity: int = 8, module: str = "tests.faults.worker") -> list[str]:
        """Return the command line of a worker."""
        options = (self.server.options.store, self.rig.subjects.realm, name, self._journal, capacity)
        return [sys.executable, "-m", module, *map(str, options)]

    async def start_worker(self, name: str, capacity: int = 8, module: str = "tests.faults.worker") -> None:
        """Start one and wait until it takes tasks."""
        await self.spawn_worker(name, capacity, module)
        await eventually(lambda: self.noted("is-ready", name=name), within_s=60)

    async def spawn_worker(self, name: str, capacity: int = 8, module: str = "tests.faults.worker") -> None:
        """Start one, which may be gone again before it says that it is ready."""
        self.workers[name] = await asyncio.create_subprocess_exec(*self.argv(name, capacity, module), cwd=ROOT)

    def send(self, name: str, number: signal.Signals) -> None:
        self.workers[name].send_signal(number)

    async def end(self, name: str, number: signal.Signals) -> int:
        """End a worker and return its exit status."""
        process = self.workers.pop(name)
        process.send_signal(number)
        return await process.wait()

    async def close(self) -> None:
        for process in self.workers.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            await process.wait()

    async def check(self, submitted: dict[str, bool]) -> None:
        """Hold the streams to the promises; `submitted` tells for each task whether storing it was confirmed.

        Every confirmed task ends in exactly one result, no result is without its task, an attempt after the first was told
        before it ran, and the ledger comes to hold each result once.
        """
        rig = self.rig
        told: list[TaskResult] = [decode(TaskResult, message.data) for message in await rig.results()]
        results = {result.task_id: result for result in told}
        assert len(told) == len(results)
        assert {task_id for task_id, known in submitted.items() if known} - results.keys() == set()
        assert results.keys() - submitted.keys() == set()
        begun: set[tuple[str, int]] = set()
        for message in await rig.in_stream(rig.subjects.ledger, rig.subjects.every("event")):
            event: TaskEvent = decode(AnyTaskEvent, message.data)
            if isinstance(event, TaskStarted):
                begun.add((event.task_id, event.attempt))
        later = {(result.task_id, result.attempt) for result in told if result.attempt > 1}
        assert later - begun == set()

        async def copied() -> bool:
            ledger = await rig.in_stream(rig.subjects.ledger, rig.subjects.every("result"))
            return sorted(message.subject for message in ledger) == sorted(
                rig.subjects.result(TYPE, task_id) for task_id in results
            )

        await eventually(copied, within_s=30)
        assert await findings(rig.network) == []


@asynccontextmanager
async def open_scene(directory: Path) -> AsyncIterator[Scene]:
    """A network that a test may break."""
    async with EmbeddedServer(ServerOptions(store=directory / "store", port=-1)) as server, open_rig(server) as rig:
        scene = Scene(server, rig, directory / "journal")
        try:
            yield scene
        finally:
            await scene.close()


class Load:
    """Tasks submitted one after the other by several clients, until told to stop; each knows what it was told."""

    def __init__(self, scene: Scene, *, clients: int = 8, sleep_s: float = 0.01) -> None:
        self._scene = scene
        self._params = {"first_s": sleep_s, "later_s": sleep_s}
        self._clients = clients
        self._stopped = False
        self._running: list[asyncio.Task[None]] = []
        self.submitted: dict[str, bool] = {}
        self.finished = 0

    async def __aenter__(self) -> "Load":
        self._running = [asyncio.create_task(self._client()) for _ in range(self._clients)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopped = True
        await asyncio.gather(*self._running)

    async def _client(self) -> None:
        while not self._stopped:
            task_id = new_id()
            self.submitted[task_id] = False
            try:
                await self._scene.rig.submitter.submit(TYPE, TaskAssignment(id=task_id, params=self._params))
            except (RequestTimeout, Disconnected, NoResponders):
                continue  # unknown: it may be stored or not
            self.submitted[task_id] = True
            await self._scene.rig.result(task_id, within_s=60)
            self.finished += 1

    async def progress(self, count: int, *, within_s: float = 30) -> None:
        """Return once `count` more tasks have their results."""
        goal = self.finished + count
        await eventually(lambda: self.finished >= goal, within_s=within_s)
