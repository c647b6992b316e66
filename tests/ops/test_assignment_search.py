"""A task's assignment is found by what is known of the task, without a search through the whole ledger."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest

import ops.assignment_search
from bus.consumers import consumer_states
from bus.delivery import ACK
from bus.jetstream import StoredMessage
from bus.ledger import entries
from ops.assignment_search import NotAllSearched, open_under
from ops.lookup import find
from schemas import TaskAssignment, TaskCancel, TaskStarted, encode
from tests.bus.eventually import eventually
from tests.bus.rig import Runs
from tests.bus.taking import answer, take
from tests.ops.rig import OpsRig
from tests.ops.test_lookup import put, settle


def never(*_: Any, **__: Any) -> NoReturn:
    raise AssertionError("the ledger is searched")


def started(task_id: str, sequence: int) -> bytes:
    now = datetime.now(UTC)
    return encode(
        TaskStarted(
            task_id=task_id, task_type="security", clone="beta", instance="b", attempt=1, at=now, sequence=sequence
        )
    )


async def kinds(rig: OpsRig, task_id: str) -> list[str]:
    return [entry.kind for entry in await find(rig.bus.network, task_id)]


async def test_an_event_names_its_assignments_number(ops_rig: OpsRig, monkeypatch: pytest.MonkeyPatch) -> None:
    sequence = await put(ops_rig, "task.security", encode(TaskAssignment(id="t1")))
    await put(ops_rig, "event.security.t1", started("t1", sequence))
    monkeypatch.setattr(ops.assignment_search, "records", never)
    monkeypatch.setattr(ops.assignment_search, "entries", never)
    assert await kinds(ops_rig, "t1") == ["TaskAssignment", "TaskStarted"]


async def test_a_number_that_is_another_tasks_is_not_believed(ops_rig: OpsRig) -> None:
    await put(ops_rig, "task.security", encode(TaskAssignment(id="t1")))
    other = await put(ops_rig, "task.security", encode(TaskAssignment(id="other")))
    for number in (other, 10**9, 0):
        await put(ops_rig, "event.security.t1", started("t1", number))
    assert await kinds(ops_rig, "t1") == ["TaskAssignment", *["TaskStarted"] * 3]


@pytest.mark.parametrize("window", [1, 2, 1000])
async def test_the_newest_of_its_type_before_its_result_counts(
    ops_rig: OpsRig, monkeypatch: pytest.MonkeyPatch, window: int
) -> None:
    monkeypatch.setattr(ops.assignment_search, "WINDOW", window)
    for task_type in ("security", "security.low", "testing", "security"):
        await put(ops_rig, f"task.{task_type}", encode(TaskAssignment(id="other" if task_type == "security" else "t1")))
    await settle(ops_rig, "security", "t1")
    await put(ops_rig, "task.security", encode(TaskAssignment(id="t1")))
    assert [entry.sequence for entry in await find(ops_rig.bus.network, "t1")] == [2, 5]


async def test_what_waits_is_found_behind_what_has_ended(ops_rig: OpsRig, monkeypatch: pytest.MonkeyPatch) -> None:
    network = ops_rig.bus.network
    async with ops_rig.clone("gamma", Runs()):
        for number in range(3):
            await ops_rig.bus.submitter.run("architecture", TaskAssignment(id=f"done{number}"), timeout_s=30)

        async def all_acknowledged() -> bool:
            states = await consumer_states(network)
            return all(state.is_idle for state in states.values() if "architecture" in state.subject)

        # While there is somebody who acknowledges: a result is stored before its task is acknowledged.
        await eventually(all_acknowledged)
    await put(ops_rig, "task.architecture", encode(TaskAssignment(id="waits")))
    seen: list[str] = []
    read = entries

    async def watched(*args: Any, **options: Any) -> AsyncIterator[StoredMessage]:
        async for message in read(*args, **options):
            seen.append(message.subject)
            yield message

    monkeypatch.setattr(ops.assignment_search, "entries", watched)
    assert await kinds(ops_rig, "waits") == ["TaskAssignment"]
    assert len(seen) == 1
    assert await kinds(ops_rig, "nobody") == []
    assert len(seen) == 2


async def test_behind_a_task_that_is_parked_only_what_was_taken_lately_is_looked_at(
    ops_rig: OpsRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, subjects = ops_rig.bus.network, ops_rig.bus.subjects
    for number in range(6):
        await put(ops_rig, "task.security", encode(TaskAssignment(id=f"t{number}")))
    # The first one keeps all others in doubt, which were acknowledged; the last one was taken just now.
    taken = await take(network, subjects.consumer("security"), 6, wait_s=30.0)
    for message in taken[1:-1]:
        await answer(network, message, ACK)
    monkeypatch.setattr(ops.assignment_search, "UNTOLD", 2)
    assert await kinds(ops_rig, "t5") == ["TaskAssignment"]
    assert await open_under(network, "nobody") == []
    with pytest.raises(NotAllSearched, match=r"no task t0 was found.*\(#1 to #4 on \S+\.task\.security\)"):
        await find(network, "t0")
    monkeypatch.setattr(ops.assignment_search, "UNTOLD", 6)
    assert await kinds(ops_rig, "t0") == ["TaskAssignment"]
    assert await kinds(ops_rig, "nobody") == []


async def test_many_are_read_by_a_consumer_of_their_own(ops_rig: OpsRig, monkeypatch: pytest.MonkeyPatch) -> None:
    for task_type in ("security", "nobodys"):
        for number in range(3):
            await put(ops_rig, f"task.{task_type}", encode(TaskAssignment(id=f"{task_type}{number}")))
    monkeypatch.setattr(ops.assignment_search, "MANY", -1)
    monkeypatch.setattr(ops.assignment_search, "entries", never)
    assert await kinds(ops_rig, "security1") == ["TaskAssignment"]
    assert await kinds(ops_rig, "nobodys2") == ["TaskAssignment"]


async def test_an_id_that_is_written_with_escapes_is_found(ops_rig: OpsRig) -> None:
    await put(ops_rig, "task.security", b'{"id": "\\u0074ask"}')
    await put(ops_rig, "command.security", encode(TaskCancel(task_id="task", task_type="security")))
    assert await kinds(ops_rig, "task") == ["TaskAssignment"]
