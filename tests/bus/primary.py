"""A primary in a process of its own, to be killed: `python -m tests.bus.primary STORE REALM`."""

import asyncio
import sys
from pathlib import Path

from bus.identity import Identity
from bus.network import open_network
from bus.store import read_network
from bus.subjects import Subjects
from bus.task import Done, Service, Task
from bus.worker import Worker
from tests.bus.rig import TYPE, weights

NAME = "primary"


async def main(store: Path, realm: str) -> None:
    """Work until killed."""

    async def handle(task: Task) -> Done:
        if task.params.get("stuck") and task.attempt == 1:
            await asyncio.Event().wait()
        return Done()

    known = read_network(store)
    assert known is not None
    subjects = Subjects(realm)
    async with open_network(known.settings_for("operator"), subjects, name=NAME) as network:
        worker = Worker(network, [Service(TYPE, handle, weights(subjects, TYPE))], Identity(NAME), capacity=2)
        await worker.start()
        await worker.failed()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
