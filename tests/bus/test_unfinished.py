"""What has not ended is told from the consumers, whoever has it."""

import pytest

from bus.topology import ensure_consumers, omega_consumers
from bus.unfinished import Unfinished, unfinished, unfinished_workflows
from schemas import MSGPACK, TaskAssignment, WorkflowStart, encode
from tests.bus.rig import TYPE, Rig
from tests.bus.taking import answer, store, take


async def found(rig: Rig, *task_types: str) -> list[Unfinished]:
    return [each async for each in unfinished(rig.network, task_types or (TYPE,))]


async def test_pending_and_unacknowledged_ones_of_every_consumer(rig: Rig) -> None:
    subjects = rig.subjects
    bare = await store(rig.network, *(b'{"id":"bare-%d"}' % number for number in range(3)))
    await store(rig.network, b'{"id":"high"}', subject=subjects.task(TYPE, "high"))
    await store(rig.network, b'{"id":"handed"}', subject=subjects.handover(TYPE, "echo"))
    done, running = await take(rig.network, subjects.consumer(TYPE), 2)
    await answer(rig.network, done, b"+ACK")
    await answer(rig.network, running, b"+WPI")
    told = {each.request.id: each for each in await found(rig, TYPE, "nobody")}
    assert sorted(told) == ["bare-1", "bare-2", "handed", "high"]
    one = told["bare-2"]
    assert (one.sequence, one.subject, one.consumer) == (bare[2], subjects.task(TYPE), subjects.consumer(TYPE))
    assert told["handed"].consumer == subjects.handover_consumer(TYPE, "echo")
    assert one.request.task_type == TYPE
    stored = await rig.in_stream(subjects.ledger, subjects.task(TYPE))
    assert [message.stored_at for message in stored][2] == one.stored_at
    assert await found(rig, "nobody") == []


async def test_one_without_an_id_has_that_of_its_entry(rig: Rig) -> None:
    [sequence] = await store(rig.network)
    assert [each.request.id for each in await found(rig)] == [f"seq-{sequence}"]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"id":"seq-9"}', b'{"reply_to":"elsewhere"}', b"\xff"])
async def test_what_is_no_task_is_left_out(rig: Rig, body: bytes) -> None:
    await store(rig.network, body, b'{"id":"behind"}')
    assert [each.request.id for each in await found(rig)] == ["behind"]


async def test_it_knows_how_its_publisher_writes(rig: Rig) -> None:
    await rig.publish(encode(TaskAssignment(id="packed"), MSGPACK), content_type=MSGPACK)
    assert [(each.request.id, each.content_type) for each in await found(rig)] == [("packed", MSGPACK)]


async def test_all_ended(rig: Rig) -> None:
    await store(rig.network, b"{}", b"{}")
    for message in await take(rig.network, rig.subjects.consumer(TYPE), 2):
        await answer(rig.network, message, b"+ACK")
    assert await found(rig) == []


async def test_more_than_a_batch(rig: Rig) -> None:
    sequences = await store(rig.network, *[b"{}"] * 700)
    assert [each.sequence for each in await found(rig)] == sequences


async def test_workflows(rig: Rig) -> None:
    await ensure_consumers(rig.network.requester, rig.subjects, omega_consumers(rig.subjects))
    await rig.submitter.start_workflow("review", WorkflowStart(id="mine", input={"target": "."}))
    [one] = [each async for each in unfinished_workflows(rig.network)]
    assert (one.request.id, one.request.task_type, one.request.assignment.params) == (
        "mine",
        "workflow",
        {"target": "."},
    )
