"""Recorded traffic in another realm: equal where nothing has changed, and otherwise exactly what has."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bus.artifacts import Artifacts
from bus.errors import SanctuaryError
from bus.jetstream import publish
from bus.ledger import entries
from bus.server import EmbeddedServer
from bus.subjects import INSTANCE_TYPE, WORKFLOW_TYPE
from bus.task import Task
from clones.omega.once import store_command
from ops.archive.source import open_source
from ops.replaying.driving import HEADER, Unfit, drive, mark_of, standing
from ops.replaying.plan import Selection, planned
from schemas import MSGPACK, Decision, TaskAssignment, TaskCancel, TaskFailure, WorkflowStart, decode, encode
from tests.bus.eventually import eventually
from tests.clones.rig import ClonesRig, open_clones_rig
from tests.ops.replaying.scene import FLOW, different, realm, replayed, same, verdicts


async def record(rig: ClonesRig) -> str:
    """Some traffic, all of it ended; returns the id of the task that came without one."""
    network, submitter = rig.network, rig.submitter
    labels = {"team": "a"}
    await submitter.submit("testing", TaskAssignment(id="plain", params={"value": 1}, labels=labels), priority="high")
    await submitter.submit(
        "security",
        TaskAssignment(
            id="limited",
            params={"value": 2},
            schedule_to_close_s=600.0,
            cache="use",
            traceparent="00-a",
            reply_to="_INBOX.x",
        ),
    )
    await submitter.submit("testing", TaskAssignment(id="fails", params={"fails": True}, retries=0))
    nameless = (await rig.bus.publish(b'{"params":{"value":3}}', "testing", priority="low")).seq
    packed = encode(TaskAssignment(id="packed", params={"value": 4}), MSGPACK)
    await rig.bus.publish(packed, "testing", content_type=MSGPACK)
    broken = (await rig.bus.publish(b'{"parms":{}}', "testing")).seq
    await publish(network.requester, network.subjects.task("nobody"), b'{"id":"stray"}')
    await submitter.start_workflow("flow", WorkflowStart(id="run", input={"value": "x"}, labels=labels))
    for key in (
        *(("testing", each) for each in ("plain", "fails", "packed", f"seq-{nameless}", f"seq-{broken}")),
        *(("security", "limited"), ("nobody", "stray"), (WORKFLOW_TYPE, "run")),
    ):
        await submitter.result(*key, timeout_s=60)

    async def is_copied() -> bool:
        results = await rig.bus.in_stream(rig.subjects.results, rig.subjects.every("result"))
        copies = await rig.bus.in_stream(rig.subjects.ledger, rig.subjects.every("result"))
        return len(results) == len(copies)

    # The server copies results into the ledger a moment after they were stored.
    await eventually(is_copied)
    return f"seq-{nameless}"


async def stored_at(rig: ClonesRig) -> list[float]:
    """When each task of the type was stored, in order."""
    found = await rig.bus.in_stream(rig.subjects.ledger, rig.subjects.task("testing"))
    return [message.stored_at.timestamp() for message in found]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def recorded(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ClonesRig]:
    async with realm(server, tmp_path_factory.mktemp("work")) as rig:
        await record(rig)
        yield rig


async def last(rig: ClonesRig) -> list[tuple[int, str, bytes]]:
    """The ledger, but for who of those that run there came and went: Omega writes that when it hears of it."""
    comings = rig.subjects.event(INSTANCE_TYPE, "")
    found = [(each.sequence, each.subject, each.data) async for each in entries(rig.network, ">")]
    return [each for each in found if not each[1].startswith(comings)]


@pytest.mark.asyncio(loop_scope="module")
async def test_equal_work_has_equal_outcomes(server: EmbeddedServer, tmp_path: Path, recorded: ClonesRig) -> None:
    before = await last(recorded)
    async with realm(server, tmp_path) as target:
        told = await replayed(recorded.network, target.network)
        subjects = target.subjects
        submitted = [
            message
            for family in ("task", "workflow")
            for message in await target.bus.in_stream(subjects.ledger, subjects.every(family))
            if HEADER in message.headers
        ]
        again = await replayed(recorded.network, target.network)
    assert told.equal, different(told)
    assert told.submissions == 8
    steps = {step for task_id, step in verdicts(told) if task_id == "run"}
    assert steps == {"", "one", "each[0]", "each[1]", "two"}
    (nameless, new), *others = told.ids.items()
    broken = next(f"seq-{sequence}" for sequence, _, data in before if data == b'{"parms":{}}')
    # What cannot be given an id goes by its number, which may be the same in both ledgers.
    assert {recorded_id for recorded_id, _ in others} <= {broken}
    assert new == f"replay-{await mark_of(recorded.network)}-{nameless}"
    assert {("plain", ""), (nameless, ""), (broken, ""), ("stray", "")} <= set(verdicts(told))
    bodies = {
        message.subject.partition(".")[2]: message for message in sorted(submitted, key=lambda each: each.sequence)
    }
    assert list(bodies) == [
        "task.testing.high",
        "task.security",
        "task.testing",
        "task.testing.low",
        "task.nobody",
        "workflow.flow",
    ]
    high: TaskAssignment = decode(TaskAssignment, bodies["task.testing.high"].data)
    assert (high.id, high.labels) == ("plain", {"team": "a"})
    limited: TaskAssignment = decode(TaskAssignment, bodies["task.security"].data)
    assert limited == TaskAssignment(id="limited", params={"value": 2}, schedule_to_close_s=600.0)
    # Nothing was written where it was recorded, and the second time nothing is submitted.
    assert await last(recorded) == before
    assert again.equal and any("8 of the submissions stood" in note for note in again.notes)


@pytest.mark.asyncio(loop_scope="module")
async def test_exactly_what_has_changed_is_told(server: EmbeddedServer, tmp_path: Path, recorded: ClonesRig) -> None:
    def changed(task: Task) -> Any:
        found = same(task)
        return {**found, "value": f"new {found['value']}"} if task.task_type == "security" else found

    async with realm(server, tmp_path, changed) as target:
        told = await replayed(recorded.network, target.network)
    assert not told.equal
    assert {(row.task_id, row.step): row.differences for row in different(told)} == {
        ("limited", ""): ('$.output.value: 2 → "new 2"',),
        ("run", "each[0]"): ('$.output.value: 1 → "new 1"',),
        ("run", "each[1]"): ('$.output.value: 2 → "new 2"',),
    }
    assert told.counts["different"] == 3


@pytest.mark.asyncio(loop_scope="module")
async def test_what_no_target_may_be(server: EmbeddedServer, tmp_path: Path, recorded: ClonesRig) -> None:
    with pytest.raises(Unfit, match="the very realm that was recorded"):
        await replayed(recorded.network, recorded.network)
    async with realm(server, tmp_path) as target:
        await target.submitter.submit("testing", TaskAssignment(id="plain"))
        with pytest.raises(Unfit, match="these ids are in use: plain"):
            await replayed(recorded.network, target.network)
    async with open_clones_rig(server, tmp_path) as target:
        with pytest.raises(Unfit, match="no Omega runs"):
            await replayed(recorded.network, target.network)


@pytest.mark.asyncio(loop_scope="module")
async def test_one_that_is_named_is_driven_alone(server: EmbeddedServer, tmp_path: Path, recorded: ClonesRig) -> None:
    source = await open_source(recorded.network, None, recorded.subjects.realm)
    (stored,) = await recorded.bus.in_stream(recorded.subjects.ledger, recorded.subjects.task("documentation"))
    step: TaskAssignment = decode(TaskAssignment, stored.data)
    async with realm(server, tmp_path) as target:
        told = await replayed(recorded.network, target.network, Selection(tasks=frozenset({"fails", step.id or ""})))
        begun = await target.bus.in_stream(target.subjects.ledger, target.subjects.every("workflow"))
    assert (told.submissions, told.counts, begun) == (2, {"equal": 2}, [])
    with pytest.raises(SanctuaryError, match="no task or workflow nix"):
        await planned(source, Selection(workflows=frozenset({"nix"})), "m")


@pytest.mark.asyncio(loop_scope="module")
async def test_order_and_gaps_are_as_recorded_or_scaled(server: EmbeddedServer, tmp_path: Path) -> None:
    gap_s, speed = 0.6, 2.0
    async with realm(server, tmp_path) as rig, realm(server, tmp_path) as target:
        for number in range(3):
            await rig.submitter.submit("testing", TaskAssignment(id=f"t{number}"))
            await asyncio.sleep(gap_s)  # what is recorded
        for number in range(3):
            await rig.submitter.result("testing", f"t{number}", timeout_s=60)
        begun = time.time()
        told = await replayed(rig.network, target.network, speed=speed)
        then, now = await stored_at(rig), await stored_at(target)
    assert told.equal
    assert now == sorted(now)
    # A busy machine may be late, and is never early.
    for number in (1, 2):
        assert now[number] - begun >= (then[number] - then[0]) / speed - 0.05


@pytest.mark.asyncio(loop_scope="module")
async def test_one_that_was_broken_off_goes_on(server: EmbeddedServer, tmp_path: Path, recorded: ClonesRig) -> None:
    mark = await mark_of(recorded.network)
    source = await open_source(recorded.network, None, recorded.subjects.realm)
    async with realm(server, tmp_path) as target:
        plans = await planned(source, Selection(), mark)
        driven = await standing(target.network, plans, mark)

        def breaks_off(stored: int) -> None:
            if stored == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            await drive(source, target.network, Selection(), driven, mark=mark, speed=float("inf"), progress=breaks_off)
        told = await replayed(recorded.network, target.network)
        subjects = await target.bus.in_stream(target.subjects.ledger, target.subjects.task("testing", "high"))
    assert told.equal and any("3 of the submissions stood" in note for note in told.notes)
    assert len(subjects) == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_files_are_carried_and_decisions_given(server: EmbeddedServer, tmp_path: Path) -> None:
    file = tmp_path / "upload"
    file.write_bytes(b"some bytes")
    async with realm(server, tmp_path) as rig, realm(server, tmp_path) as target:
        await Artifacts(rig.network).put(file, name="up", filename="up.tar", media_type="application/x-tar")
        await rig.submitter.submit("testing", TaskAssignment(id="t", params={"target": "artifact:up"}))
        await rig.submitter.start_workflow(FLOW.name, WorkflowStart(id="asks", input={"value": "asks"}))
        history = rig.subjects.history("asks")

        async def waits() -> bool:
            found = [each async for each in entries(rig.network, history)]
            return any(b'"step":"one"' in each.data for each in found)

        await eventually(waits)
        decision = Decision(workflow_id="asks", step="asks", verdict="approve", decided_by="ann", comment="fine")
        verdict = await rig.submitter.result(
            "command", f"seq-{await store_command(rig.network, decision)}", timeout_s=60
        )
        assert not isinstance(verdict, TaskFailure)
        for key in (("testing", "t"), (WORKFLOW_TYPE, "asks")):
            await rig.submitter.result(*key, timeout_s=60)
        told = await replayed(rig.network, target.network)
        copied = tmp_path / "copy"
        await Artifacts(target.network).get("up", copied)
    assert told.equal, different(told)
    assert hashlib.sha256(copied.read_bytes()).digest() == hashlib.sha256(b"some bytes").digest()


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_not_compared_and_what_does_not_end(server: EmbeddedServer, tmp_path: Path) -> None:
    async with realm(server, tmp_path) as rig:
        # Nobody serves this type here, and Omega ends it only by command.
        await rig.submitter.submit("performance", TaskAssignment(id="cancelled"))
        number = await store_command(rig.network, TaskCancel(task_id="cancelled", task_type="performance", by="ann"))
        await rig.submitter.result("command", f"seq-{number}", timeout_s=60)
        await rig.submitter.submit("performance", TaskAssignment(id="open"))
        await rig.submitter.submit("testing", TaskAssignment(id="done"))
        await rig.submitter.result("testing", "done", timeout_s=60)
        async with realm(server, tmp_path) as target:
            selection = Selection(tasks=frozenset({"cancelled", "open"}))
            told = await replayed(rig.network, target.network, selection, wait_s=0.5)
            assert verdicts(told) == {("cancelled", ""): "by command", ("open", ""): "unrecorded"}
            assert told.equal
