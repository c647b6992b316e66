"""Taking out of a real network's ledger what is archived and over: nothing that anybody works on, and all goes on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bus.connection import connect
from bus.errors import SanctuaryError
from bus.jetstream import api, last_of, publish
from bus.ledger import first_of, last_sequence
from bus.record_reader import records
from bus.schedules import standing
from bus.server import EmbeddedServer, ServerOptions
from ops.archive.archiving import archive_ledger
from ops.archive.holding import unanswered
from ops.archive.purging import plan, purge
from ops.archive.retention import Hold, Obligation, Plan
from ops.archive.source import open_source
from ops.archive.writing import SegmentWriter
from ops.checking import check
from ops.proofs.checkpoint import Checkpoint, sign
from ops.proofs.notes import SigningKey
from schemas import Schedule
from tests.bus.eventually import eventually
from tests.bus.rig import TYPE, Rig, Runs
from tests.clones.omega.clocks import SetClock
from tests.clones.omega.test_scheduled_runs import put_into_force
from tests.clones.omega.workflows.flows import Doers, clones, completed, definition, put, start, task
from tests.clones.omega.workflows.told import decision, is_idle, sleeps, verdict
from tests.clones.rig import ClonesRig, open_clones_rig
from tests.conftest import CLONES
from tests.ops.archive.ledgers import copied, ledger, numbers, read, store

LATER = timedelta(days=3)
"""So much later everything is old."""


async def decided(rig: Rig, directory: Path, *, keep_s: float = 0.0, after: timedelta = LATER) -> Plan:
    source = await open_source(rig.network, directory, rig.subjects.realm)
    return await plan(source, rig.network, keep_s=keep_s, now=datetime.now(UTC) + after)


def why(found: Plan) -> str:
    return found.holds[0].why


async def test_what_has_not_ended_stays_with_all_behind_it(rig: Rig, tmp_path: Path) -> None:
    runs = Runs()
    async with rig.worker(runs):
        for number in range(5):
            await rig.run(id=f"before-{number}")
        held = await rig.submit("held", {"held": True})
        for number in range(5):
            await rig.run(id=f"behind-{number}")
        await eventually(lambda: _has(rig, "held"))
        await eventually(lambda: _leaves(rig, 1))
        await copied(rig, *(f"{when}-{number}" for when in ("before", "behind") for number in range(5)))
        whole = await ledger(rig)
        found = await decided(rig, tmp_path)
        assert (found.count, why(found)) == (0, "is not archived yet")
        await archive_ledger(rig.network, tmp_path)
        found = await decided(rig, tmp_path, after=timedelta())
        assert (found.count, why(found)) == (0, "is not older than 10 minutes")
        assert (await decided(rig, tmp_path, keep_s=LATER.total_seconds() + 3600)).count == 0
        found = await decided(rig, tmp_path)
        assert (found.until, found.holds[0].sequence) == (held.sequence, held.sequence)
        assert await purge(rig.network, found) == sum(each.sequence < held.sequence for each in whole)
        assert numbers(await ledger(rig))[0] == held.sequence
        assert (await decided(rig, tmp_path)).count == 0
        runs.released.set()
        await rig.result("held")
        assert (await rig.run(id="after")).task_id == "after"
        await eventually(rig.all_settled)
    source = await open_source(rig.network, tmp_path, rig.subjects.realm)
    assert (await read(source.records()))[: len(whole)] == whole
    await copied(rig, "held", "after")
    await archive_ledger(rig.network, tmp_path)
    assert (await decided(rig, tmp_path)).until > held.sequence


async def _has(rig: Rig, task_id: str) -> bool:
    return bool(await rig.events(task_id))


async def _leaves(rig: Rig, count: int) -> bool:
    """Whether so many tasks are not acknowledged: each is a moment after its result is stored."""
    return await rig.unsettled() == count


async def test_what_is_acknowledged_without_a_result_stays(rig: Rig, tmp_path: Path) -> None:
    """A consumer knows nothing of it, and still somebody may look for its result."""
    await store(rig, 4)
    await archive_ledger(rig.network, tmp_path)
    consumer = rig.subjects.consumer("echo")
    await api(rig.network.requester, f"CONSUMER.DELETE.{rig.subjects.ledger}.{consumer}")
    found = await decided(rig, tmp_path)
    assert (found.until, why(found)) == (1, "has not ended: echo t1")


async def test_a_result_that_workers_have_forgotten_answers_nothing_new(rig: Rig, tmp_path: Path) -> None:
    """What is asked long after under the same id may be parked: no consumer holds it, and its assignment must stay."""
    async with rig.worker(Runs()):
        await rig.run(id="again")
        await eventually(rig.all_settled)
    await copied(rig, "again")
    last = await last_sequence(rig.network)
    await archive_ledger(rig.network, tmp_path)
    source = await open_source(rig.network, tmp_path, rig.subjects.realm)
    soon, late = (Obligation(last + 1, datetime.now(UTC) + timedelta(days=days), TYPE, "again") for days in (1, 31))
    assert await unanswered(source, rig.network, [soon, late]) is None
    await api(rig.network.requester, f"STREAM.PURGE.{rig.subjects.results}", {})
    assert await unanswered(source, rig.network, [soon, late]) == late
    await api(rig.network.requester, f"STREAM.PURGE.{rig.subjects.ledger}", {})
    assert await unanswered(source, rig.network, [soon, late]) == late


async def test_an_archive_that_differs_stops_it(rig: Rig, tmp_path: Path) -> None:
    async with rig.worker(Runs()):
        for number in range(10):
            await rig.run(id=f"t{number}")
        await eventually(rig.all_settled)
    await copied(rig, *(f"t{number}" for number in range(10)))
    whole = await ledger(rig)
    altered = [
        type(each)(each.sequence, each.stored_at_ns, each.subject, each.headers, b"{}") if each.sequence == 4 else each
        for each in whole
    ]
    for name, kept in (("altered", altered), ("lacking", [each for each in whole if each.sequence != 4])):
        directory = tmp_path / name
        directory.mkdir()
        writer = SegmentWriter(directory, rig.subjects.realm, 1)
        writer.add(kept)
        writer.seal(whole[-1].sequence)
        with pytest.raises(SanctuaryError, match="the entry 4 is not the same"):
            await decided(rig, directory)
    assert await ledger(rig) == whole


async def test_where_a_notary_signs_only_what_is_signed_goes(rig: Rig, tmp_path: Path) -> None:
    async with rig.worker(Runs()):
        for number in range(10):
            await rig.run(id=f"t{number}")
        await eventually(rig.all_settled)
        await copied(rig, *(f"t{number}" for number in range(10)))
        subject = f"{rig.subjects.realm}.checkpoint.o"
        note = sign(Checkpoint("o", 7, bytes(32)), SigningKey.new("o"))
        sequence = (await publish(rig.network.requester, subject, str(note).encode())).seq
        await rig.run(id="later")
        await eventually(rig.all_settled)
        await archive_ledger(rig.network, tmp_path)
        found = await decided(rig, tmp_path)
        assert (found.until, why(found)) == (8, "is not covered by the notary's newest checkpoint")
        assert Hold(sequence, "is the notary's newest checkpoint") in found.holds
        await publish(rig.network.requester, subject, b"no note")
        found = await decided(rig, tmp_path)
        assert found.count == 0
        assert "cannot be read" in why(found)


ASKS = definition({"first": task("first"), "ask": {"decision": {}, "needs": ["first"]}}, name="asks")
BRIEF = definition({"first": task("first")}, name="brief")
HOURLY = Schedule(workflow="brief", every_s=3600.0, catch_up_s=3600.0)


async def test_a_network_goes_on_and_nothing_begins_anew(tmp_path: Path) -> None:
    """Workflows that wait keep their histories, schedules know their last runs, and results are not copied again, whatever restarts."""
    options = ServerOptions(store=tmp_path / "store", port=-1, clones=CLONES)
    archive, doers, clock = tmp_path / "archive", Doers(), SetClock()
    async with EmbeddedServer(options) as server, open_clones_rig(server, tmp_path) as rig, clones(rig, doers):
        await put(rig, ASKS, BRIEF)
        async with rig.omega(clock=clock):
            for workflow_id in ("one", "two"):
                await start(rig, "brief", workflow_id)
                await completed(rig, workflow_id)
            await start(rig, "asks", "waits")
            await eventually(sleeps(rig, "waits"))
            await put_into_force(rig, "hourly", HOURLY)
            clock.forward(hours=1)
            await eventually(lambda: len(doers.tasks) == 4)
            run = await _last_run(rig)
            await completed(rig, run)
            await start(rig, "brief", "three")
            await completed(rig, "three")
        await eventually(lambda: _is_copied(rig, "three"))
        await archive_ledger(rig.network, archive)
        found = await decided(rig.bus, archive)
        assert found.until == await _sequence(rig, rig.subjects.workflow("asks"))
        assert await purge(rig.network, found) == found.until - 1
        before = await last_sequence(rig.network)
        await server.kill()
        await server.restart()
        # That the connection broke is noticed a moment after it did.
        await eventually(lambda: rig.network.reconnects == 1 and rig.network.is_connected())
        async with rig.omega(clock=clock):
            await verdict(rig, decision(workflow_id="waits"))
            await completed(rig, "waits")
            await eventually(lambda: _is_copied(rig, "waits"))
            # The result is stored before the message is acknowledged under which the run was driven.
            await eventually(lambda: is_idle(rig))
        again = [each.subject async for batch in records(rig.network, before + 1) for each in batch]
        assert [each for each in again if ".result." in each and not each.endswith(".waits")] == [
            each for each in again if ".result.command." in each
        ]
        await archive_ledger(rig.network, archive)
        found = await decided(rig.bus, archive)
        assert (found.until, why(found)) == (
            await _sequence(rig, rig.subjects.result("workflow", run)),
            "tells of the newest run of the schedule hourly",
        )
        await purge(rig.network, found)
        done = len(doers.tasks)
        async with rig.omega(clock=clock):
            await start(rig, "brief", "four")
            await completed(rig, "four")
        assert len(doers.tasks) == done + 1
        await eventually(lambda: _is_copied(rig, "four"))
        last = await last_sequence(rig.network)
        source = await open_source(rig.network, archive, rig.subjects.realm)
        assert numbers(await read(source.records(1, last))) == list(range(1, last + 1))
        for whole in (source, await open_source(rig.network, None, rig.subjects.realm)):
            checked = await check(whole, lambda at, last: None)
            # The rig put the routing table there behind everybody's back.
            assert [found for found in checked.findings if found.rule != "routes"] == []


async def _last_run(rig: ClonesRig) -> str:
    found = await standing(rig.network, "hourly")
    assert found is not None
    assert found.record is not None
    assert found.record.last_id is not None
    return found.record.last_id


async def _is_copied(rig: ClonesRig, workflow_id: str) -> bool:
    """Whether the ledger has the result, and so all before it."""
    subject = rig.subjects.result("workflow", workflow_id)
    return await last_of(rig.network.requester, rig.subjects.ledger, subject) is not None


async def _sequence(rig: ClonesRig, subject: str) -> int:
    found = await first_of(rig.network, subject)
    assert found is not None
    return found.sequence


async def test_the_newest_result_stays_whatever_follows(rig: Rig, tmp_path: Path) -> None:
    async with rig.worker(Runs()):
        await rig.run(id="t")
        await eventually(rig.all_settled)
    await copied(rig, "t")
    newest = (await ledger(rig))[-1]
    assert ".result." in newest.subject
    for number in range(5):
        await publish(rig.network.requester, rig.subjects.event("echo", f"e{number}"), b"{}")
    await archive_ledger(rig.network, tmp_path)
    found = await decided(rig, tmp_path)
    assert found.until == newest.sequence
    assert why(found) == "is the newest result, by which the server knows how far it has copied them"


@pytest.mark.parametrize("user", ["beta", "agents", "notary"])
async def test_nobody_else_may(server: EmbeddedServer, user: str) -> None:
    subject = f"$JS.API.STREAM.PURGE.{server.subjects.ledger}"
    async with await connect(server.settings_for(user), name=user, wait_s=30) as connection:
        await connection.publish(subject, b'{"seq":1}')
        await connection.client.flush(30)
        assert [(each.operation, each.subject) for each in connection.refusals] == [("publish", subject.lower())]
