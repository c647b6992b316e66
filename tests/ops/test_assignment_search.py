"""A task's assignment is found by what is known of the task, without a search through the whole ledger."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, NoReturn

import pytest

import ops.assignment_search
from bus.jetstream import StoredMessage
from ops.lookup import find
from schemas import TaskAssignment, TaskCancel, TaskStarted, encode
from tests.bus.eventually import eventually
from tests.bus.rig import Runs
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
        states = await ops.assignment_search.consumer_states(network)
        return all(state.is_idle for state in states.values() if "architecture" in state.subject)

    await eventually(all_acknowledged)
    await put(ops_rig, "task.architecture", encode(TaskAssignment(id="waits")))
    seen: list[str] = []
    read = ops.assignment_search.entries

    async def watched(*args: Any, **options: Any) -> AsyncIterator[StoredMessage]:
        async for message in read(*args, **options):
            seen.append(message.subject)
            yield message

    monkeypatch.setattr(ops.assignment_search, "entries", watched)
    assert await kinds(ops_rig, "waits") == ["TaskAssignment"]
    assert len(seen) == 1
    assert await kinds(ops_rig, "nobody") == []
    assert len(seen) == 2


async def test_an_id_that_is_written_with_escapes_is_found(ops_rig: OpsRig) -> None:
    await put(ops_rig, "task.security", b'{"id": "\\u0074ask"}')
    await put(ops_rig, "command.security", encode(TaskCancel(task_id="task", task_type="security")))
    assert await kinds(ops_rig, "task") == ["TaskAssignment"]
