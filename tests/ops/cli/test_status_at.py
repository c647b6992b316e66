"""`sanctuary status --at` on a real server: before everything, at an entry's very time, and ahead of all."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bus.jetstream import StoredMessage
from bus.ledger import entries
from bus.task import Done, Task
from schemas import TaskAssignment
from tests.bus.eventually import eventually
from tests.ops.rig import OpsRig

JUST = timedelta(microseconds=2)
"""Times are told to the microsecond, rounded."""


async def at_once(_: Task) -> Done:
    """Is over in one turn of the event loop: an attempt that lasts longer leaves word that it has begun."""
    return Done(summary="done")


async def at(rig: OpsRig, when: datetime) -> Any:
    return (await rig.cli("status", "--at", when.isoformat(), "--json")).json


async def test_the_state_at_every_moment_of_a_tasks_life(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    await ops_rig.bus.submitter.submit("security", TaskAssignment(id="waits"))
    async with ops_rig.clone("gamma", at_once):
        await ops_rig.bus.submitter.run("architecture", TaskAssignment(id="done"), timeout_s=60)

    async def stored() -> list[StoredMessage]:
        return [message async for message in entries(network, ">")]

    async def copied() -> bool:
        return len(await stored()) == 3

    await eventually(copied)
    first, _, third = (message.stored_at for message in await stored())
    before = await at(ops_rig, first - JUST)
    assert (before["entries"], before["tasks"], before["last_at"]) == (0, {}, None)
    exactly = await at(ops_rig, first)
    assert (exactly["sequence"], exactly["tasks"]) == (1, {"security": {"queued": 1}})
    (queue,) = exactly["queues"]
    assert (queue["task_type"], queue["priority"], queue["waiting"], queue["taken"]) == ("security", "high", 1, 0)
    assert queue["oldest_s"] < 0.001
    between = await at(ops_rig, third - JUST)
    assert between["tasks"] == {"architecture": {"queued": 1}, "security": {"queued": 1}}
    assert between["sequence"] == 2
    ahead = await at(ops_rig, datetime.now(UTC) + timedelta(days=1))
    assert ahead["tasks"] == {"architecture": {"completed": 1}, "security": {"queued": 1}}
    assert ahead["entries"] == 3


async def test_an_id_that_is_used_again_after_its_end_waits_for_nobody(ops_rig: OpsRig) -> None:
    async with ops_rig.clone("gamma", at_once):
        await ops_rig.bus.submitter.run("architecture", TaskAssignment(id="again"), timeout_s=60)
    network, subjects = ops_rig.bus.network, ops_rig.bus.subjects

    async def copied() -> bool:
        return bool([each async for each in entries(network, subjects.result("architecture", "again"))])

    await eventually(copied)
    await ops_rig.bus.publish(b'{"id": "again"}', "architecture")
    assert (await at(ops_rig, datetime.now(UTC) + timedelta(days=1)))["tasks"] == {"architecture": {"completed": 1}}


async def test_it_is_written_for_people_too(ops_rig: OpsRig) -> None:
    await ops_rig.bus.submitter.submit("security", TaskAssignment(id="waits"))
    ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    shown = await ops_rig.cli("status", "--at", ahead)
    assert "security\t1" in shown.out
    assert "has yet to come" in shown.err
    empty = await ops_rig.cli("status", "--at", "3d")
    assert "the ledger was empty" in empty.out
    wrong = await ops_rig.cli("status", "--at", "then")
    both = await ops_rig.cli("status", "--at", "1h", "--watch")
    assert (wrong.status, both.status) == (2, 2)
    assert "--at 'then' is no time" in wrong.err
