"""A client that has tasks done all the time: `python -m tests.faults.publisher STORE REALM TYPE CLIENTS PARAMS`.

It stops when its standard input ends, and says as JSON how the tasks ended, by the kind of their results and what version of
a worker says that it built them.
"""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from bus.client import Submitter
from bus.network import open_network
from bus.store import read_network
from bus.subjects import Subjects
from schemas import TaskAssignment


async def main(store: Path, realm: str, task_type: str, clients: int, params: dict[str, Any]) -> None:
    known = read_network(store)
    assert known is not None
    ended = Counter[str]()
    settings = known.settings_for("operator")
    async with open_network(settings, Subjects(realm), name="publisher") as network, Submitter(network) as submitter:
        stopped = asyncio.create_task(asyncio.to_thread(sys.stdin.read))

        async def client() -> None:
            while not stopped.done():
                result = await submitter.run(task_type, TaskAssignment(params=params, retries=1))
                ended[f"{type(result).__name__} {getattr(result, 'built_by', '')}".strip()] += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(client())
    print(json.dumps(ended))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), json.loads(sys.argv[5])))
