"""One message that two Omegas hold at once: a server that was killed has forgotten that it gave it to the first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from bus.client import Submitter
from bus.delivery import from_ledger
from bus.histories import Histories
from bus.identity import Identity
from bus.intake import Request, read
from bus.journal import Journal
from bus.ledger import entry
from bus.network import open_network
from bus.subjects import WORKFLOW_TYPE
from bus.task import LetGo, Outcome, Suspended, Task
from clones.omega.clock import SystemClock
from clones.omega.workflows.arrivals import Arrivals
from clones.omega.workflows.driver import Driver
from clones.omega.workflows.means import Books, Means
from clones.omega.workflows.steering import workflows_of
from clones.omega.workflows.submissions import Submissions
from tests.bus.eventually import eventually
from tests.bus.taking import Taken, answer, take
from tests.clones.omega.workflows.flows import Doers, clones, completed, definition, put, start, task
from tests.clones.omega.workflows.told import decision, verdict
from tests.clones.rig import TABLE, ClonesRig

ASKED = definition({"ask": {"decision": {"prompt": "?"}}, "after": task("after", "ask")})

BUSY = definition({"long": task("long"), "ask": {"decision": {"prompt": "?"}}, "after": task("after", "ask")})


@asynccontextmanager
async def means_of(rig: ClonesRig) -> AsyncIterator[tuple[Books, Means]]:
    """What one Omega drives runs with."""
    async with (
        open_network(rig.bus.settings, rig.subjects, name="omega") as network,
        Submitter(network) as submitter,
        Arrivals(network) as arrivals,
    ):
        identity = Identity("omega")
        workflows = workflows_of(network, identity, submitter, lambda: TABLE, SystemClock())
        yield (
            Books(Histories(network), workflows.definitions, workflows.sleepers, SystemClock()),
            Means(
                network=network,
                identity=identity,
                table=lambda: TABLE,
                submissions=Submissions(network, submitter),
                results=network.results,
                others=workflows.others,
                arrivals=arrivals,
                journal=Journal(network.requester, network.subjects),
            ),
        )


async def taken(rig: ClonesRig) -> Taken:
    (message,) = await take(rig.network, rig.subjects.workflows_consumer)
    return message


async def drive(rig: ClonesRig, message: Taken, books: Books, means: Means) -> Outcome:
    stored = await entry(rig.network, message.sequence)
    assert stored is not None
    request = read(rig.subjects, WORKFLOW_TYPE, from_ledger(stored))
    assert isinstance(request, Request)
    assert request.start is not None
    driven = Task(
        id=request.id,
        task_type=WORKFLOW_TYPE,
        params=request.assignment.params,
        # Also the second Omega's first: it knows that its server was away.
        attempt=1,
        timeout_s=1000.0,
        instance=means.identity.instance,
        sequence=message.sequence,
        stored_at=stored.stored_at,
        started_at=datetime.now(UTC),
        labels={},
        parent_id=None,
        traceparent=None,
        report=lambda _fraction, _message: None,
        subject=stored.subject,
        start=request.start,
        mark=stored.headers.get("Nats-Msg-Id", ""),
    )
    return await Driver(driven, request.start, books, means).run()


async def test_the_first_lies_down_and_the_second_dies(clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first acknowledges is what the second holds."""
    await put(clones_rig, ASKED)
    await start(clones_rig)
    message = await taken(clones_rig)
    async with means_of(clones_rig) as first, means_of(clones_rig) as second:
        assert isinstance(await drive(clones_rig, message, *first), Suspended)
        with monkeypatch.context() as wakeful:
            wakeful.setattr("clones.omega.workflows.driver.ALL_SILENT_S", 60.0)
            driving = asyncio.create_task(drive(clones_rig, message, *second))
            await eventually(lambda: grown(clones_rig, driving))
            driving.cancel()
        await answer(clones_rig.network, message, b"+ACK")
    doers = Doers()
    async with clones(clones_rig, doers), clones_rig.omega():
        await verdict(clones_rig, decision())
        await completed(clones_rig)
    assert doers.targets == ["after"]


async def test_the_first_drives_on(clones_rig: ClonesRig) -> None:
    """The second has the run go on under another message, and the first lets go as soon as it hears of that."""
    await put(clones_rig, BUSY)
    await start(clones_rig)
    message = await taken(clones_rig)
    doers = Doers()
    hold = doers.hold("long")
    async with means_of(clones_rig) as first, means_of(clones_rig) as second:
        driving = asyncio.create_task(drive(clones_rig, message, *first))
        await eventually(lambda: has_entries(clones_rig, 1))
        assert isinstance(await drive(clones_rig, message, *second), LetGo)
        await answer(clones_rig.network, message, b"+ACK")
        async with clones(clones_rig, doers), clones_rig.omega():
            await eventually(lambda: has_entries(clones_rig, 2))
            await verdict(clones_rig, decision())
            assert isinstance(await asyncio.wait_for(driving, 60), LetGo)
            await eventually(doers.begun("long", "after"))
            hold.set()
            await completed(clones_rig)
    assert sorted(doers.targets) == ["after", "long"]


async def has_entries(rig: ClonesRig, count: int) -> bool:
    return len(await Histories(rig.network).read("w")) >= count


async def grown(rig: ClonesRig, driving: "asyncio.Task[Any]") -> bool:
    """Whether the second has taken the run up, or let go of it."""
    return driving.done() or await has_entries(rig, 2)
