"""Reading the ledger: newest first, one task with all that belongs to it, and on as it grows."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

import bus.ledger
import ops.lookup
from bus.errors import SanctuaryError
from bus.intake import WAKE_UP
from bus.jetstream import publish
from bus.network import Network
from bus.server import EmbeddedServer, ServerOptions
from bus.subjects import Subjects
from clones.omega.once import mark_of
from ops.archive.source import open_source
from ops.audit import between, follow, last_sequence, newest_first
from ops.entries import Entry
from ops.families import family as family_of
from ops.lookup import Wanted, find, newest
from ops.stories import fold
from schemas import TaskAssignment, TaskCancel, TaskStarted, WorkflowEntry, WorkflowStart, encode
from tests.bus.eventually import eventually
from tests.bus.rig import Runs, failure
from tests.ops.rig import OpsRig, open_ops_rig

NOW = datetime(2026, 3, 1, tzinfo=UTC)


async def family(network: Network, task_id: str) -> list[Entry]:
    """All of a task, where nothing is archived."""
    return await family_of(await open_source(network, None, network.subjects.realm), task_id)


async def settle(rig: OpsRig, task_type: str, task_id: str) -> None:
    result = msgspec.structs.replace(failure(task_id), task_type=task_type)
    await rig.bus.network.results.settle(result)

    async def copied() -> bool:
        return bool(await rig.bus.in_stream(rig.bus.subjects.ledger, rig.bus.subjects.result(task_type, task_id)))

    await eventually(copied)


async def put(rig: OpsRig, subject: str, body: bytes) -> int:
    return (await publish(rig.bus.network.requester, f"{rig.bus.subjects.realm}.{subject}", body)).seq


async def event(rig: OpsRig, task_type: str, task_id: str) -> None:
    started = TaskStarted(
        task_id=task_id, task_type=task_type, clone="beta", instance="beta-1", attempt=1, at=datetime.now(UTC)
    )
    await put(rig, f"event.{task_type}.{task_id}", encode(started))


async def test_newest_first_reads_every_entry_once_through_many_windows(
    ops_rig: OpsRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus.ledger, "WINDOW", 8)
    monkeypatch.setattr(bus.ledger, "LARGEST_WINDOW", 64)
    monkeypatch.setattr(bus.ledger, "KEPT", 5)
    network, subjects = ops_rig.bus.network, ops_rig.bus.subjects
    for number in range(60):
        await put(ops_rig, "task.security" if number % 7 else "workflow.review", b"{}")
        if number % 20 == 0:
            for _ in range(30):
                await put(ops_rig, "command.beta", b"{}")

    end = await last_sequence(network)
    wanted = (subjects.every("task"), subjects.every("workflow"))
    everything = [entry.sequence async for entry in newest_first(network, (">",))]
    assert everything == list(range(end, 0, -1))
    tasks = [entry.sequence async for entry in newest_first(network, wanted)]
    forwards = [e.sequence for subject in wanted async for e in between(network, subject, 1)]
    assert len(tasks) == 60
    assert tasks == sorted(forwards, key=lambda sequence: -(sequence or 0))
    before = [entry.sequence async for entry in newest_first(network, (">",), before=10)]
    assert before == list(range(9, 0, -1))


async def test_an_empty_ledger(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    assert await last_sequence(network) == 0
    assert [entry async for entry in newest_first(network, (">",))] == []
    assert await newest(network, Wanted()) == []
    assert await find(network, "nothing") == []
    assert await family(network, "nothing") == []
    assert await find(network, "seq-4") == []


async def test_a_task_is_found_by_its_own_id_and_by_its_sequence(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    for number in range(5):
        await put(ops_rig, "task.security", encode(TaskAssignment(id=f"t{number}")))
    await event(ops_rig, "security", "t2")
    await settle(ops_rig, "security", "t2")
    anonymous = await put(ops_rig, "task.testing", b"{}")
    await settle(ops_rig, "testing", f"seq-{anonymous}")

    assert [entry.kind for entry in await find(network, "t2")] == ["TaskAssignment", "TaskStarted", "TaskFailure"]
    assert [entry.kind for entry in await find(network, "t4")] == ["TaskAssignment"]
    assert [entry.kind for entry in await find(network, f"seq-{anonymous}")] == ["TaskAssignment", "TaskFailure"]
    # This one has an id of its own, so no task is named by its number.
    assert await find(network, "seq-1") == []


async def test_a_task_of_a_type_that_nobody_serves_is_found(ops_rig: OpsRig) -> None:
    await put(ops_rig, "task.securty", encode(TaskAssignment(id="typo")))
    await settle(ops_rig, "securty", "typo")
    found = await find(ops_rig.bus.network, "typo")
    assert [(entry.kind, entry.task_type) for entry in found] == [
        ("TaskAssignment", "securty"),
        ("TaskFailure", "securty"),
    ]


async def test_one_id_under_two_types_is_two_tasks(ops_rig: OpsRig) -> None:
    for task_type in ("security", "testing"):
        await put(ops_rig, f"task.{task_type}", encode(TaskAssignment(id="same")))
        await settle(ops_rig, task_type, "same")
    stories = fold(await find(ops_rig.bus.network, "same"))
    assert {key: story.state for key, story in stories.items()} == {
        ("security", "same"): "cancelled",
        ("testing", "same"): "cancelled",
    }


async def test_a_workflows_family_holds_its_children_theirs_and_what_was_said_about_them(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    await put(ops_rig, "task.security", encode(TaskAssignment(id="before", parent_id="w")))
    await put(ops_rig, "workflow.review", encode(WorkflowStart(id="w")))
    await put(ops_rig, "task.security", encode(TaskAssignment(id="child", parent_id="w")))
    await put(ops_rig, "task.security", encode(TaskAssignment(id="stranger", parent_id="x")))
    await put(ops_rig, "task.testing", encode(TaskAssignment(id="grandchild", parent_id="child")))
    await event(ops_rig, "security", "child")
    await event(ops_rig, "security", "stranger")
    await put(ops_rig, "command.beta", encode(TaskCancel(task_id="child", task_type="security")))
    await put(ops_rig, "command.beta", encode(TaskCancel(task_id="stranger", task_type="security")))
    for task_type, task_id in (("testing", "grandchild"), ("security", "child"), ("workflow", "w")):
        await settle(ops_rig, task_type, task_id)
    await put(ops_rig, "task.security", encode(TaskAssignment(id="after", parent_id="w")))

    found = await family(network, "w")

    assert [(entry.kind, entry.task_id) for entry in found] == [
        ("WorkflowStart", "w"),
        ("TaskAssignment", "child"),
        ("TaskAssignment", "grandchild"),
        ("TaskStarted", "child"),
        ("TaskCancel", "child"),
        ("TaskFailure", "grandchild"),
        ("TaskFailure", "child"),
        ("TaskFailure", "w"),
    ]
    sequences = [entry.sequence or 0 for entry in found]
    assert sequences == sorted(sequences)
    assert sequences[0] == 2


async def test_a_workflows_family_holds_its_history_its_wake_ups_and_its_sub_workflows(ops_rig: OpsRig) -> None:
    network, subjects = ops_rig.bus.network, ops_rig.bus.subjects
    history = [
        WorkflowEntry(workflow_id=run, workflow=run, version=1, at=NOW, instance="omega-1", activation=1)
        for run in ("outer", "inner", "stranger")
    ]
    await put(ops_rig, "workflow.outer", encode(WorkflowStart(id="outer")))
    await put(ops_rig, "history.outer", encode(history[0]))
    await put(ops_rig, "workflow.stranger", encode(WorkflowStart(id="stranger")))
    await put(ops_rig, "workflow.inner", encode(WorkflowStart(id="inner", parent_id="outer")))
    await put(ops_rig, "task.testing", encode(TaskAssignment(id="tests", parent_id="inner")))
    await put(ops_rig, "history.inner", encode(history[1]))
    await put(ops_rig, "history.stranger", encode(history[2]))
    body = encode(WorkflowStart(id="outer"))
    mark = {"Nats-Msg-Id": mark_of(WAKE_UP, 1, NOW)}
    await publish(network.requester, subjects.workflow("outer"), body, headers=mark)

    found = await family(network, "outer")
    assert [(entry.family, entry.task_type, entry.task_id) for entry in found] == [
        ("workflow", "workflow", "outer"),
        ("history", "workflow", "outer"),
        ("workflow", "workflow", "inner"),
        ("task", "testing", "tests"),
        ("history", "workflow", "inner"),
        ("wake-up", "workflow", "outer"),
    ]


async def test_a_run_that_was_woken_began_when_it_was_started(ops_rig: OpsRig) -> None:
    network, subjects = ops_rig.bus.network, ops_rig.bus.subjects
    await put(ops_rig, "workflow.review", encode(WorkflowStart(id="old", labels={"team": "a"})))
    await put(ops_rig, "workflow.release", encode(WorkflowStart(id="other")))
    await put(ops_rig, "task.testing", encode(TaskAssignment(id="task")))
    mark = {"Nats-Msg-Id": mark_of(WAKE_UP, 1, NOW)}
    await publish(network.requester, subjects.workflow("review"), encode(WorkflowStart(id="old")), headers=mark)

    runs = await newest(network, Wanted(types=["workflow"]))
    assert [(story.task_id, story.assignment and story.assignment.sequence) for story in runs] == [
        ("other", 2),
        ("old", 1),
    ]
    assert [story.task_id for story in await newest(network, Wanted(workflows=["review"]))] == ["old"]
    assert [story.labels for story in fold(await find(network, "old", only="workflow")).values()] == [{"team": "a"}]
    assert await find(network, "task", only="workflow") == []
    assert [story.task_id for story in await newest(network, Wanted())] == ["task", "other", "old"]


async def test_the_newest_tasks_by_type_and_state(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    for number in range(80):
        await put(ops_rig, "task.security" if number % 2 else "task.testing", encode(TaskAssignment(id=f"t{number}")))
    for number in (3, 40, 41):
        await settle(ops_rig, "security" if number % 2 else "testing", f"t{number}")
    await event(ops_rig, "security", "t5")

    assert [story.task_id for story in await newest(network, Wanted(), limit=3)] == ["t79", "t78", "t77"]
    assert [story.task_id for story in await newest(network, Wanted(types=["testing"]), limit=2)] == ["t78", "t76"]
    assert [story.task_id for story in await newest(network, Wanted(states=["cancelled"]))] == ["t41", "t40", "t3"]
    assert [story.task_id for story in await newest(network, Wanted(states=["running"]))] == ["t5"]
    assert len(await newest(network, Wanted(states=["queued"]), limit=1000)) == 76


@pytest.mark.parametrize("chunk", [1, 2, 32])
async def test_a_task_that_was_submitted_twice_is_listed_once_as_it_was_submitted_last(
    ops_rig: OpsRig, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(ops.lookup, "CHUNK", chunk)
    for priority in ("high", "low"):
        await put(ops_rig, f"task.security.{priority}", encode(TaskAssignment(id="twice")))
        await put(ops_rig, "task.security", encode(TaskAssignment(id=f"beside-{priority}")))
    for wanted in (Wanted(), Wanted(states=["queued"])):
        found = await newest(ops_rig.bus.network, wanted)
        assert [story.task_id for story in found] == ["beside-low", "twice", "beside-high"]
        assert found[1].assignment is not None
        assert found[1].assignment.sequence == 3


async def gather(following: AsyncIterator[Entry], seen: list[Entry]) -> None:
    async for entry in following:
        seen.append(entry)  # noqa: PERF401  it never ends, and what came so far is looked at


async def test_a_type_that_reads_as_a_wildcard_finds_nobody_elses_messages(ops_rig: OpsRig) -> None:
    network = ops_rig.bus.network
    await put(ops_rig, "task.security", encode(TaskAssignment(id="same")))
    await settle(ops_rig, "security", "same")
    await network.client.publish(f"{ops_rig.bus.subjects.realm}.task.*", encode(TaskAssignment(id="same")))
    await network.client.flush()

    async def listed() -> bool:
        return len(await newest(network, Wanted())) == 2

    await eventually(listed)
    assert [(story.task_type, story.state) for story in await newest(network, Wanted())] == [
        ("*", "queued"),
        ("security", "cancelled"),
    ]


async def test_following_goes_on_over_a_restart_of_the_server(tmp_path: Path) -> None:
    options = ServerOptions(store=tmp_path / "store", port=-1)
    async with EmbeddedServer(options) as server, open_ops_rig(server) as rig:
        seen: list[Entry] = []
        for _ in range(3):
            await put(rig, "task.security", b"{}")
        reading = asyncio.create_task(gather(follow(rig.bus.network, 2), seen))
        await eventually(lambda: len(seen) == 2)
        await server.kill()
        await server.restart()
        await eventually(lambda: rig.bus.network.reconnects == 1 and rig.bus.network.is_connected())
        for _ in range(2):
            await put(rig, "task.security", b"{}")
        await eventually(lambda: len(seen) == 4)
        reading.cancel()
    assert [entry.sequence for entry in seen] == [2, 3, 4, 5]


async def test_results_are_followed_too(ops_rig: OpsRig) -> None:
    seen: list[Entry] = []
    reading = asyncio.create_task(gather(follow(ops_rig.bus.network, 1), seen))
    async with ops_rig.clone("gamma", Runs()):
        await ops_rig.bus.submitter.run("architecture", TaskAssignment(), timeout_s=60)
        await eventually(lambda: any(entry.kind == "TaskCompletion" for entry in seen))
    reading.cancel()
    # Of an attempt that takes longer than 0.1 s it is told too that it began.
    assert [entry.kind for entry in seen if entry.kind != "TaskStarted"] == ["TaskAssignment", "TaskCompletion"]


async def test_a_ledger_that_is_not_there_is_told(ops_rig: OpsRig) -> None:
    ops_rig.bus.network.subjects = Subjects("empty-realm")
    for reading in (
        last_sequence(ops_rig.bus.network),
        anext(follow(ops_rig.bus.network, 1)),
        anext(between(ops_rig.bus.network, ">", 1)),
    ):
        with pytest.raises(SanctuaryError, match="EMPTY_REALM_LEDGER"):
            await reading
