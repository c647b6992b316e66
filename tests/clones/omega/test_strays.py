"""Tasks that nobody serves end in words, and whatever stands in their subject harms no other task."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

import clones.omega.strays
from bus.identity import Identity
from bus.jetstream import publish
from bus.results import Results
from bus.server import EmbeddedServer
from clones.omega.strays import Strays
from clones.routing import DEFAULT_TABLE
from schemas import (
    RoutingTable,
    TaskEvent,
    TaskFailure,
    TaskParked,
    TaskResult,
    TaskResumed,
    TaskStarted,
    decode,
    encode,
    sequence_id,
)
from tests.bus.eventually import eventually
from tests.bus.rig import Rig, open_rig

GONE = "gone"
"""A type that the table had once."""


@pytest_asyncio.fixture
async def rig(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    """A realm in which nobody works: what gets a result got it from Omega's look at the strays."""
    monkeypatch.setattr(clones.omega.strays, "LOOK_EVERY_S", 0.05)
    async with open_rig(server, types=(*DEFAULT_TABLE.routes, GONE)) as opened:
        strays = asyncio.create_task(Strays(opened.network, Identity("omega"), lambda: DEFAULT_TABLE).run())
        yield opened
        assert not strays.done(), "the look at the strays came to an end"
        strays.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await strays


async def put(rig: Rig, tokens: str, body: bytes = b"{}") -> str:
    """Store on a subject as any client may, without a look at what it holds, and return the id that follows from its number.

    Results are copied into the ledger as soon as there are any, and take numbers there too.
    """
    stored = await publish(rig.network.requester, f"{rig.subjects.realm}.{tokens}", body)
    return sequence_id(stored.seq)


async def failures(rig: Rig) -> dict[str, TaskFailure]:
    """Results by the tokens behind `<realm>.result.`."""
    found: dict[str, TaskFailure] = {}
    for message in await rig.in_stream(rig.subjects.results, ">"):
        result: TaskResult = decode(TaskResult, message.data)
        assert isinstance(result, TaskFailure)
        found[message.subject.removeprefix(rig.subjects.every("result")[:-1])] = result
    return found


async def until(rig: Rig, *names: str) -> dict[str, TaskFailure]:
    """Return what has ended once these have; a look that came in between may have seen the last one first."""

    async def there() -> bool:
        return set(names) <= (await failures(rig)).keys()

    await eventually(there)
    return await failures(rig)


async def test_a_type_that_nobody_serves(rig: Rig) -> None:
    await put(rig, "task.securty", b'{"id":"mine"}')
    found = await until(rig, "securty.mine")
    assert found["securty.mine"].code == "unknown_task_type"
    assert found["securty.mine"].message.startswith("no clone serves 'securty'; known: security, performance,")


async def test_a_priority_that_does_not_exist(rig: Rig) -> None:
    await put(rig, "task.security.urgent")
    found = await until(rig, "security.seq-1")
    assert "'urgent' is no priority; publish on" in found["security.seq-1"].message


async def test_what_names_no_workflow(rig: Rig) -> None:
    await put(rig, "workflow.review.now")
    found = await until(rig, "workflow.seq-1")
    assert (found["workflow.seq-1"].code, found["workflow.seq-1"].message) == (
        "unknown_workflow",
        f"'review.now' names no workflow: publish on {rig.subjects.realm}.workflow.<name>",
    )


@pytest.mark.parametrize("tokens", ["task.*", "task.>", "task.*.high", "workflow.*.x"])
async def test_a_wildcard_in_a_subject_is_no_filter(rig: Rig, tokens: str) -> None:
    """Read as one, it would find the tasks of others and end them."""
    for served in ("task.security", "task.testing.high", "workflow.review"):
        await put(rig, served, b'{"id":"theirs"}')
    own = await put(rig, tokens, b'{"id":"mine"}')
    last = f"workflow.{await put(rig, 'workflow.zzz.x')}"
    kind = "workflow.mine" if tokens.startswith("workflow") else f"unknown.{own}"
    found = await until(rig, kind, last)
    assert set(found) == {kind, last}


@pytest.mark.parametrize("token", ["a*b", "*", "ünï", 'a"b\\c', "x" * 65, "x" * 2000, "q." * 100 + "q", "BOGUS"])
async def test_each_ends_once_and_the_next_ones_too(rig: Rig, token: str) -> None:
    """An id that is used twice is one task; nothing waits for a slot that can never be read."""
    own = [await put(rig, f"task.{token}", b'{"id":"same"}') for _ in range(2)]
    last = await put(rig, "workflow.zzz.x")
    first = token.split(".", maxsplit=1)[0]
    nameable = first.isascii() and first.isalnum() and len(first) <= 64
    wanted = {f"workflow.{last}", *([f"{first}.same"] if nameable else [f"unknown.{each}" for each in own])}
    assert set(await until(rig, *wanted)) == wanted


async def test_one_that_cannot_be_ended_does_not_keep_the_others_waiting(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = Results.settle

    async def broken(self: Results, result: TaskResult) -> object:
        if result.task_type == "aaa":
            raise RuntimeError("unlike any other")
        return await settle(self, result)

    heard: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["exception"]))
    monkeypatch.setattr(Results, "settle", broken)
    await put(rig, "task.aaa")
    await put(rig, "task.bbb")
    await until(rig, "bbb.seq-2")
    await eventually(lambda: bool(heard))
    assert str(heard[0]) == "unlike any other"
    monkeypatch.undo()
    await until(rig, "aaa.seq-1")


def told(kind: type[TaskEvent], sequence: int, **fields: Any) -> bytes:
    at = datetime.now(UTC)
    return encode(
        kind(task_id="mine", task_type=GONE, clone="x", instance="x-1", attempt=1, at=at, sequence=sequence, **fields)
    )


class TestATypeThatIsTakenOut:
    @pytest.mark.parametrize("kind", [TaskStarted, TaskParked])
    async def test_what_had_begun_ends_under_its_own_id(self, rig: Rig, kind: type[TaskEvent]) -> None:
        fields = {"code": "engine_crashed", "message": "oops"} if kind is TaskParked else {}
        await put(rig, f"event.{GONE}.mine", told(kind, 2, **fields))
        await put(rig, f"task.{GONE}", b'{"id":"mine"}')
        last = f"workflow.{await put(rig, 'workflow.zzz.x')}"
        found = await until(rig, last, f"{GONE}.mine")
        assert set(found) == {last, f"{GONE}.mine"}
        assert found[f"{GONE}.mine"].code == "unknown_task_type"

    async def test_what_was_handed_over_ends_once(self, rig: Rig) -> None:
        handed_over = told(TaskResumed, 3, command=9, to="x")
        await put(rig, f"event.{GONE}.mine", handed_over)
        await put(rig, f"task.{GONE}", b'{"id":"mine"}')
        await put(rig, f"handover.{GONE}.x", b'{"id":"mine"}')
        last = f"workflow.{await put(rig, 'workflow.zzz.x')}"
        assert set(await until(rig, last, f"{GONE}.mine")) == {last, f"{GONE}.mine"}

    async def test_anothers_id_on_a_subject_that_nobody_serves_ends_nothing_of_it(self, rig: Rig) -> None:
        event = told(TaskStarted, 7).replace(GONE.encode(), b"security")
        await put(rig, "event.security.mine", event)
        await put(rig, "task.security.urgent", b'{"id":"mine"}')
        assert set(await until(rig, "security.seq-2")) == {"security.seq-2"}


async def test_a_flood_on_one_subject_leaves_the_others_their_turn(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clones.omega.strays, "AT_ONCE", 2)
    async with open_rig(server, types=()) as opened:
        for _ in range(9):
            await put(opened, "task.aaa")
        await put(opened, "task.bbb")
        strays = Strays(opened.network, Identity("omega"), lambda: DEFAULT_TABLE)
        await strays.look()
        assert set(await failures(opened)) == {"aaa.seq-1", "aaa.seq-2", "bbb.seq-10"}
        for _ in range(4):
            await strays.look()
        assert len(await failures(opened)) == 10


async def test_one_that_cannot_be_ended_does_not_keep_its_own_kind_waiting(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = Results.settle

    async def broken(self: Results, result: TaskResult) -> object:
        if result.task_id == "seq-1":
            raise RuntimeError("unlike any other")
        return await settle(self, result)

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    monkeypatch.setattr(Results, "settle", broken)
    await put(rig, "task.aaa")
    await put(rig, "task.aaa")
    await until(rig, "aaa.seq-2")


async def test_a_look_that_fails_is_not_the_last(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[object] = []

    def broken(*_: object) -> bool:
        raise RuntimeError("unlike any other")

    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["exception"]))
    monkeypatch.setattr(clones.omega.strays, "is_served", broken)
    await put(rig, "task.aaa")
    await eventually(lambda: bool(heard))
    monkeypatch.undo()
    await until(rig, "aaa.seq-1")


async def test_where_the_table_cannot_be_read_the_last_one_known_counts(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no bucket: by the default table somebody would serve this, and it would wait for ever."""
    monkeypatch.setattr(clones.omega.strays, "LOOK_EVERY_S", 0.05)
    async with open_rig(server, types=("security",)) as opened:
        strays = asyncio.create_task(Strays(opened.network, Identity("omega"), lambda: RoutingTable(routes={})).run())
        await put(opened, "task.security")
        assert (await until(opened, "security.seq-1"))["security.seq-1"].code == "unknown_task_type"
        strays.cancel()


async def test_of_many_subjects_some_are_remembered_and_all_end_once(
    server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = Results.settle
    tried: list[str] = []

    async def counted(self: Results, result: TaskResult) -> object:
        tried.append(result.task_type)
        return await settle(self, result)

    monkeypatch.setattr(Results, "settle", counted)
    monkeypatch.setattr(clones.omega.strays, "REMEMBERED", 2)
    monkeypatch.setattr(clones.omega.strays, "AT_ONCE", 2)
    async with open_rig(server, types=()) as opened:
        for name in ("a", "b", "c", "c", "c", "d"):
            await put(opened, f"task.{name}")
        strays = Strays(opened.network, Identity("omega"), lambda: RoutingTable(routes={}))
        for expected in (["a", "b", "c", "c", "d"], ["c", "d"], ["c", "c", "d"], ["c", "d"]):
            tried.clear()
            await strays.look()
            assert tried == expected
        await put(opened, "task.a")
        await strays.look()
        assert len(await failures(opened)) == 7
