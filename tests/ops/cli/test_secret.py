"""What a run's ids are made with stays where it is stored, whatever is printed of the run."""

import asyncio

from schemas import WorkflowBegun
from tests.ops.rig import OpsRig
from tests.ops.runs import HandMade, store

SECRET = "0123456789abcdef0123456789abcdef"
COMMANDS = (
    ("workflow", "history", "r1", "--json"),
    ("workflow", "show", "r1", "--json"),
    ("audit", "tail", "--no-follow", "--json"),
)


async def test_nothing_prints_it(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    await store(network)
    run = HandMade(network, "r1")
    await run.start(input={"target": "/project"})
    await run.tell(WorkflowBegun(input={"target": "/project", "files": []}, secret=SECRET))
    for told in await asyncio.gather(*(ops_rig.cli(*command) for command in COMMANDS)):
        assert told.status == 0, told.err
        assert '"files"' in told.out  # what the history begins with
        assert SECRET not in told.out + told.err
