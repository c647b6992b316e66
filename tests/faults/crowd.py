"""A client in a process of its own that waits for many tasks at once: `python -m tests.faults.crowd STORE REALM TYPE COUNT`.

It says `connected`, waits for a line, runs COUNT tasks all at the same time, says how many were completed, and lives until
its standard input ends.
"""

import asyncio
import sys
from collections import Counter
from pathlib import Path

from bus.client import Submitter
from bus.network import open_network
from bus.store import read_network
from bus.subjects import Subjects
from schemas import TaskAssignment


async def main(store: Path, realm: str, task_type: str, count: int) -> None:
    known = read_network(store)
    assert known is not None
    settings = known.settings_for("operator")
    async with open_network(settings, Subjects(realm), name="crowd") as network, Submitter(network) as submitter:
        print("connected", flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.readline)
        ended = Counter[str]()

        async def run() -> None:
            ended[type(await submitter.run(task_type, TaskAssignment())).__name__] += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(run())
        print(ended["TaskCompletion"], flush=True)  # noqa: T201
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
