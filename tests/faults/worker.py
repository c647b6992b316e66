"""A worker in a process of its own, for faults to happen to: `python -m tests.faults.worker STORE REALM NAME JOURNAL CAPACITY`.

Its handler sleeps `first_s` seconds in the first attempt and `later_s` in further ones, and writes what happens to the
journal, a line each: `<name> <what> <task id> <attempt>`. A task that has `held_by` is not done before it is cancelled by the
worker of that name. In the first attempt of one that has `falls`, the process sends itself that signal as soon as the ledger
tells that each task of `once_told` has begun. SIGTERM stops it as a daemon is stopped.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from bus.identity import Identity
from bus.jetstream import last_of
from bus.network import open_network
from bus.store import read_network
from bus.subjects import Subjects
from bus.task import Done, Service, Task
from bus.worker import Worker
from schemas import Backoff
from tests.bus.rig import TYPE, weights

DRAIN_S = 0.5


class Journal:
    """Whole lines only, whoever else writes and whenever this process dies."""

    def __init__(self, path: Path, name: str) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._name = name

    def note(self, what: str, task: Task | None = None) -> None:
        of = f" {task.id} {task.attempt}" if task is not None else " - 0"
        os.write(self._descriptor, f"{self._name} {what}{of}\n".encode())


async def main(store: Path, realm: str, name: str, journal: Journal, capacity: int) -> None:
    """Work until SIGTERM."""

    async def handle(task: Task) -> Done:
        journal.note("starts", task)
        if "falls" in task.params and task.attempt == 1:
            for task_id in task.params["once_told"]:
                await told(task_id)
            os.kill(os.getpid(), signal.Signals[task.params["falls"]])
        try:
            if task.params.get("held_by") == name:
                await asyncio.Event().wait()
            await asyncio.sleep(task.params.get("first_s" if task.attempt == 1 else "later_s", 0))
        except asyncio.CancelledError:
            journal.note("is-cancelled", task)
            raise
        task.report(1.0, "almost done")
        journal.note("ends", task)
        return Done(output=name)

    async def told(task_id: str) -> None:
        while await last_of(network.requester, subjects.ledger, subjects.event(TYPE, task_id)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    known = read_network(store)
    assert known is not None
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    subjects = Subjects(realm)
    async with open_network(known.settings_for("operator"), subjects, name=name) as network:
        service = Service(TYPE, handle, weights(subjects, TYPE), retries=5, backoff=Backoff(initial_s=0.05))
        worker = Worker(network, [service], Identity(name), capacity=capacity)
        await worker.start()
        journal.note("is-ready")
        await stopped.wait()
        await worker.stop(DRAIN_S)
        journal.note("has-stopped")


if __name__ == "__main__":
    asyncio.run(
        main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Journal(Path(sys.argv[4]), sys.argv[3]), int(sys.argv[5]))
    )
