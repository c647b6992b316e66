"""What audit commands read is the same whether an entry is still in the stream or not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from bus.jetstream import publish
from bus.ledger import last_sequence
from bus.subjects import WORKFLOW_TYPE
from ops.archive.archiving import archive_ledger
from ops.archive.source import Source, open_source
from ops.families import family
from ops.filters import Filter
from ops.past_reading import state_at
from ops.past_snapshot import PastSnapshot
from ops.searching import newest_first, oldest_first, stretch
from schemas import TaskAssignment, TaskCancel, TaskFailure, encode
from tests.bus.rig import Rig, failure
from tests.ops.archive.ledgers import copied, purge, store

LATER = datetime.now(UTC) + timedelta(days=1)


async def told(rig: Rig) -> None:
    """A parent with a child, a cancel of that and the verdict on it, among other entries."""
    await store(rig, 6)
    await put(rig, "task.echo", encode(TaskAssignment(id="parent")))
    await store(rig, 4)
    await put(rig, "task.echo", encode(TaskAssignment(id="child", parent_id="parent")))
    await put(rig, "event.echo.child", b'{"type": "TaskAsked"}')
    cancel = await put(rig, "command.echo", encode(TaskCancel(task_id="child", task_type="echo", by="ann")))
    for task_type, task_id in (("command", f"seq-{cancel}"), ("echo", "child"), ("echo", "parent")):
        await rig.network.results.settle(msgspec.structs.replace(failure(task_id), task_type=task_type))
        await copied(rig, task_id)
    await store(rig, 30)


async def put(rig: Rig, subject: str, body: bytes) -> int:
    return (await publish(rig.network.requester, f"{rig.subjects.realm}.{subject}", body)).seq


async def seen(source: Source) -> tuple[list[tuple[int | None, str]], list[int | None], list[int | None], PastSnapshot]:
    """A family, a search in both orders, and the state at the end."""
    members = [(entry.sequence, entry.kind) for entry in await family(source, "parent")]
    wanted = Filter(text="child")
    place = await stretch(source, wanted)
    forwards = [entry.sequence async for entry in oldest_first(source, wanted, place)]
    backwards = [entry.sequence async for entry in newest_first(source, wanted, place)]
    return members, forwards, backwards, await state_at(source, LATER, lambda at, last: None)


@pytest.mark.parametrize("before", [8, 13, 15, 32])
async def test_all_is_found_wherever_the_stream_begins(rig: Rig, tmp_path: Path, before: int) -> None:
    await told(rig)
    whole = await seen(await open_source(rig.network, None, rig.subjects.realm))
    assert [kind for _, kind in whole[0]] == [
        "TaskAssignment",
        "TaskAssignment",
        "TaskAsked",
        "TaskCancel",
        *[TaskFailure.__name__] * 3,
    ]
    assert whole[1] == whole[2][::-1]

    await archive_ledger(rig.network, tmp_path)
    await purge(rig, before)
    assert await seen(await open_source(rig.network, tmp_path, rig.subjects.realm)) == whole


async def test_the_archive_alone_tells_what_it_has(rig: Rig, tmp_path: Path) -> None:
    await told(rig)
    whole = await seen(await open_source(rig.network, None, rig.subjects.realm))
    await archive_ledger(rig.network, tmp_path)
    alone = await open_source(None, tmp_path, rig.subjects.realm)
    members = [(entry.sequence, entry.kind) for entry in await family(alone, "parent")]
    assert members == whole[0]
    assert (await state_at(alone, LATER, lambda at, last: None)).parked == ()


async def test_what_is_archived_elsewhere_is_told_by_the_result_that_is_left(rig: Rig) -> None:
    await rig.network.results.settle(msgspec.structs.replace(failure("run"), task_type=WORKFLOW_TYPE))
    await copied(rig, "run")
    await purge(rig, await last_sequence(rig.network) + 1)
    source = await open_source(rig.network, None, rig.subjects.realm)
    assert [(entry.sequence, entry.kind) for entry in await family(source, "run")] == [(None, "TaskFailure")]
