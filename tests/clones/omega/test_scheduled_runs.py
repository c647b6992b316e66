"""Whole Omegas with schedules: runs begin, wait, are cancelled for the next one and end, over restarts; time is set."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bus.client import Submitter
from bus.network import open_network
from bus.schedules import standing
from bus.server import EmbeddedServer, ServerOptions
from bus.subjects import WORKFLOW_TYPE, Subjects
from bus.topology import Limits
from clones.omega.coordination import make_network
from clones.omega.once import store_command
from schemas import Schedule, ScheduleChange, ScheduleInForce, TaskCompletion, WorkflowStart, decode, sequence_id
from tests.bus.eventually import eventually
from tests.bus.rig import Rig
from tests.clones.omega.clocks import SetClock
from tests.clones.omega.workflows.flows import completed, definition, failed, put
from tests.clones.rig import ClonesRig
from tests.conftest import CLONES

NIGHTLY = Schedule(
    workflow="slow", cron="30 2 * * *", timezone="Europe/Berlin", catch_up_s=86_400, overlap="buffer_one"
)
SLOW = definition({"rest": {"wait": {"for_s": 3600}}}, name="slow")


async def put_into_force(rig: ClonesRig, name: str, schedule: Schedule) -> None:
    sequence = await store_command(rig.network, ScheduleChange(name=name, schedule=schedule, by="ann"))
    verdict = await rig.bus.result(sequence_id(sequence), "command")
    assert isinstance(verdict, TaskCompletion), verdict


async def record(rig: ClonesRig, name: str) -> ScheduleInForce | None:
    found = await standing(rig.network, name)
    return None if found is None else found.record


async def runs(rig: ClonesRig, name: str = "slow") -> list[str]:
    """The ids of the runs, in the order of their starts; wake-ups are no starts."""
    messages = await rig.bus.in_stream(rig.subjects.ledger, rig.subjects.workflow(name))
    starts: list[WorkflowStart] = [decode(WorkflowStart, message.data) for message in messages]
    return list(dict.fromkeys(str(start.id) for start in starts))


async def waits(rig: ClonesRig, count: int) -> None:
    """Return when so many runs have begun to wait."""

    async def do() -> bool:
        waiting = await rig.bus.in_stream(rig.subjects.ledger, rig.subjects.event(WORKFLOW_TYPE, "*"))
        return len({message.subject for message in waiting if b"WorkflowWaiting" in message.data}) >= count

    await eventually(do)


async def test_a_cron_schedule_over_a_restart(clones_rig: ClonesRig) -> None:
    clock = SetClock()
    await put(clones_rig, SLOW)
    async with clones_rig.omega(clock=clock):
        await put_into_force(clones_rig, "nightly", NIGHTLY)
        clock.forward(hours=17)  # it is 3 in Berlin
        await waits(clones_rig, 1)
    clock.forward(days=2)
    async with clones_rig.omega(clock=clock), clones_rig.omega(clock=clock):
        # The first one ends, whose hour is over; then the newer of the two nights is made up for.
        await waits(clones_rig, 2)
        clock.forward(hours=1)
        first, second = await runs(clones_rig)
        for run in (first, second):
            assert (await completed(clones_rig, run)).labels == {"schedule": "nightly"}
        clock.forward(days=1)
        await waits(clones_rig, 3)
    assert len(await runs(clones_rig)) == 3


async def test_a_cron_schedule_over_a_restart_of_everything(tmp_path: Path) -> None:
    """Of the server too, which was killed: what it had acknowledged is there."""
    clock = SetClock()
    options = ServerOptions(store=tmp_path / "store", port=-1, clones=CLONES)
    subjects = Subjects("nights")

    @asynccontextmanager
    async def everything() -> AsyncIterator[tuple[ClonesRig, EmbeddedServer]]:
        async with EmbeddedServer(options) as server:
            settings = server.settings_for("operator")
            async with open_network(settings, subjects, name="rig") as network, Submitter(network) as submitter:
                await make_network(network, Limits())
                rig = ClonesRig(Rig(settings, network, submitter), tmp_path)
                async with rig.omega(clock=clock):
                    yield rig, server

    async with everything() as (rig, server):
        await put(rig, SLOW)
        await put_into_force(rig, "nightly", NIGHTLY)
        clock.forward(hours=17)  # it is 3 in Berlin
        await waits(rig, 1)
        await server.kill()
    clock.forward(days=1)
    async with everything() as (rig, _):
        first, *_ = await runs(rig)
        # The first one ends, whose hour is over, and the second night is made up for.
        assert (await completed(rig, first)).labels == {"schedule": "nightly"}
        await waits(rig, 2)
        second = (await runs(rig))[1]
        clock.forward(hours=1)
        await completed(rig, second)
        assert len(await runs(rig)) == 2
        kept = await record(rig, "nightly")
        assert kept is not None
        assert kept.last_id == second


async def test_a_run_is_cancelled_for_the_next_one(clones_rig: ClonesRig) -> None:
    clock = SetClock()
    await put(clones_rig, SLOW)
    async with clones_rig.omega(clock=clock), clones_rig.omega(clock=clock):
        await put_into_force(clones_rig, "often", Schedule(workflow="slow", every_s=600.0, overlap="cancel_other"))
        clock.forward(minutes=10)
        await waits(clones_rig, 1)
        clock.forward(minutes=10)
        await waits(clones_rig, 2)
        first, second = await runs(clones_rig)
        ended = await failed(clones_rig, first)
        assert ended.code == "cancelled"
        assert "the schedule often starts it anew" in ended.message
        kept = await record(clones_rig, "often")
        assert kept is not None
        assert (kept.last_id, kept.buffered) == (second, None)
