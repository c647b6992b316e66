"""`sanctuary workflow list` among many runs, woken ones too: by state, name, label and time, and by all of these at once."""

import asyncio
from datetime import UTC, datetime

from bus.jetstream import publish
from bus.subjects import WORKFLOW_TYPE
from schemas import WorkflowStart, WorkflowWaiting, encode
from tests.bus.eventually import eventually
from tests.ops.rig import OpsRig
from tests.ops.runs import HandMade

COUNT = 160
"""In each of two batches, one after the other."""
NAMES = ("release", "review", "onboard", "design")


class Many:
    """Runs that have come to their different states."""

    def __init__(self, rig: OpsRig) -> None:
        self._rig = rig

    async def batch(self, first: int) -> None:
        await asyncio.gather(*(self._one(number) for number in range(first, first + COUNT)))

    async def _one(self, number: int) -> None:
        network = self._rig.bus.network
        run = HandMade(network, f"run-{number}", NAMES[number % 4])
        await run.start(labels={"team": "ab"[number % 2], "kind": "nightly" if number % 10 == 0 else "once"})
        match number % 8:
            case 0 | 1:
                await run.settle(())
            case 2:
                await run.settle((), failed="step_failed")
            case 3:
                await run.settle((), failed="cancelled")
            case 4:
                waits = WorkflowWaiting(
                    task_id=run.id,
                    task_type=WORKFLOW_TYPE,
                    clone="omega",
                    instance="omega-1",
                    attempt=1,
                    at=datetime.now(UTC),
                    sequence=run.start_sequence,
                    message="waits for a decision on go",
                )
                subject = network.subjects.event(WORKFLOW_TYPE, run.id)
                await publish(network.requester, subject, encode(waits))

    async def wake(self, number: int) -> None:
        """Store its start anew, as who wakes it does: it is no run of its own."""
        network = self._rig.bus.network
        start = encode(WorkflowStart(id=f"run-{number}"))
        headers = {"Nats-Msg-Id": f"wake-up.{number}"}
        await publish(network.requester, network.subjects.workflow(NAMES[number % 4]), start, headers=headers)

    async def found(self, *options: str) -> list[int]:
        """The numbers of the runs that a search finds, in its order."""
        ended = await self._rig.cli("workflow", "list", "--json", "-n", "10000", *options)
        assert ended.status == 0, ended.err
        return [int(run["task_id"].removeprefix("run-")) for run in ended.json["runs"]]


async def test_among_many(ops_rig: OpsRig) -> None:
    many = Many(ops_rig)
    await many.batch(0)
    between = datetime.now(UTC).isoformat()
    await many.batch(COUNT)
    for number in range(4, 2 * COUNT, 80):
        await many.wake(number)

    async def copied() -> bool:
        results = await ops_rig.bus.in_stream(ops_rig.bus.subjects.ledger, ops_rig.bus.subjects.every("result"))
        return len(results) == COUNT  # half of all have ended

    await eventually(copied)
    everything = range(2 * COUNT)
    searches = {
        (): list(everything),
        ("--state", "failed", "--state", "waiting"): [number for number in everything if number % 8 in (2, 4)],
        ("--name", "onboard"): [number for number in everything if number % 4 == 2],
        ("-l", "team=a", "-l", "kind=nightly"): [number for number in everything if number % 10 == 0],
        ("--since", between): list(range(COUNT, 2 * COUNT)),
        ("--until", between, "--state", "completed", "--name", "release", "-l", "kind=nightly"): [
            number for number in range(COUNT) if number % 40 == 0
        ],
    }
    for options, expected in searches.items():
        assert sorted(await many.found(*options)) == expected, options
    newest = await ops_rig.cli("workflow", "list", "--json", "-n", "3", "--state", "waiting")
    assert len(newest.json["runs"]) == 3
    assert all(int(run["task_id"].removeprefix("run-")) >= COUNT for run in newest.json["runs"])
