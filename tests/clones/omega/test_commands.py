"""Commands: each carried out once, however often it is delivered, and answered in words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from bus.consumers import consumer_state
from bus.identity import Identity
from bus.jetstream import publish
from bus.task import Done, Handler
from bus.worker import Worker
from clones.omega.clock import SystemClock
from clones.omega.commands import services
from clones.omega.endings import Endings
from clones.omega.once import store_command
from clones.omega.workflows.steering import workflows_of
from clones.routing import service
from schemas import (
    Backoff,
    Command,
    Decision,
    RecoveryAction,
    Route,
    RoutingTable,
    TaskAssignment,
    TaskCancel,
    TaskCompletion,
    TaskEvent,
    TaskFailure,
    TaskParked,
    TaskResult,
    TaskResumed,
    TaskRetrying,
    TaskStarted,
    WorkflowStart,
    decode,
    encode,
    sequence_id,
)
from tests.bus.eventually import eventually
from tests.bus.rig import QUICK, Runs
from tests.clones.rig import ClonesRig

TYPE = "security"


def table(when_exhausted: str = "park") -> RoutingTable:
    """One type, that Beta serves and Delta falls back for, without retries."""
    route = Route(clone="beta", fallback=("delta",), when_exhausted=when_exhausted, retries=0, timeout_s=20)  # type: ignore[arg-type]
    return RoutingTable(aliases={"security-analysis": TYPE}, routes={TYPE: route})


@asynccontextmanager
async def omega(rig: ClonesRig, routes: RoutingTable | None = None) -> AsyncIterator[Worker]:
    """A worker that carries out commands and decides on escalations."""
    identity = Identity("omega")
    workflows = workflows_of(rig.network, identity, rig.submitter, lambda: routes or table(), SystemClock())
    served = services(identity, workflows)
    worker = Worker(rig.network, served, identity, capacity=8)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop(0.0)


@asynccontextmanager
async def clone(
    rig: ClonesRig,
    handler: Handler,
    name: str = "beta",
    routes: RoutingTable | None = None,
    backoff: Backoff = QUICK,
) -> AsyncIterator[Worker]:
    """A worker of a clone that serves the one type."""
    served = replace(service(routes or table(), TYPE, name, handler, rig.subjects), backoff=backoff)
    worker = Worker(rig.network, [served], Identity(name), capacity=4)
    await worker.start()
    try:
        yield worker
    finally:
        await worker.stop(0.0)


async def verdict(rig: ClonesRig, command: Command) -> TaskResult:
    """Store a command and return what became of it."""
    sequence = await store_command(rig.network, command)
    return await rig.submitter.result("command", sequence_id(sequence), timeout_s=60)


async def submit(rig: ClonesRig, task_id: str, *, retries: int | None = None, **params: Any) -> int:
    assignment = TaskAssignment(id=task_id, params={"target": "x", **params}, labels={"a": "b"}, retries=retries)
    return (await rig.submitter.submit(TYPE, assignment)).sequence


async def events(rig: ClonesRig, task_id: str) -> list[TaskEvent]:
    return await rig.bus.events(task_id, TYPE)


async def last_is(rig: ClonesRig, task_id: str, kind: type[TaskEvent]) -> bool:
    told = await events(rig, task_id)
    return bool(told) and isinstance(told[-1], kind)


async def is_parked(rig: ClonesRig, task_id: str) -> bool:
    return await last_is(rig, task_id, TaskParked)


async def is_parked_by(rig: ClonesRig, task_id: str, name: str) -> bool:
    told = await events(rig, task_id)
    return isinstance(told[-1], TaskParked) and told[-1].clone == name


async def nothing_is_left(rig: ClonesRig) -> bool:
    return await rig.bus.unsettled(TYPE) == 0


def cancel(task_id: str, **fields: Any) -> TaskCancel:
    return TaskCancel(task_id=task_id, task_type=TYPE, **fields)


def action(task_id: str, what: str, **fields: Any) -> RecoveryAction:
    return RecoveryAction(task_id=task_id, task_type=TYPE, action=what, **fields)  # type: ignore[arg-type]


class TestCancel:
    async def test_a_queued_task_ends_and_never_runs(self, clones_rig: ClonesRig) -> None:
        await submit(clones_rig, "t")
        async with omega(clones_rig):
            told = await verdict(clones_rig, cancel("t", by="ann", reason="too late"))
        assert isinstance(told, TaskCompletion)
        assert told.summary == "security t is cancelled"
        result = await clones_rig.bus.result("t", TYPE)
        assert isinstance(result, TaskFailure)
        assert (result.code, result.message, result.attempt) == ("cancelled", "cancelled by ann: too late", 0)
        assert result.details["by"] == "ann"
        assert result.labels == {"a": "b"}
        runs = Runs()
        async with clone(clones_rig, runs):
            await eventually(lambda: nothing_is_left(clones_rig))
        assert runs.starts == []

    async def test_a_task_without_an_id_is_found_by_its_number(self, clones_rig: ClonesRig) -> None:
        sequence = (await clones_rig.bus.publish(b"{}", TYPE)).seq
        async with omega(clones_rig):
            told = await verdict(clones_rig, cancel(sequence_id(sequence)))
        assert isinstance(told, TaskCompletion)
        assert isinstance(await clones_rig.bus.result(sequence_id(sequence), TYPE), TaskFailure)

    async def test_a_running_task_is_stopped(self, clones_rig: ClonesRig) -> None:
        runs = Runs()
        async with clone(clones_rig, runs), omega(clones_rig):
            await submit(clones_rig, "t", held=True)
            await eventually(lambda: runs.running == 1)
            told = await verdict(clones_rig, cancel("t"))
            assert isinstance(told, TaskCompletion)
            await eventually(lambda: runs.cancelled == ["t"])
            await eventually(lambda: nothing_is_left(clones_rig))
        assert len(runs.starts) == 1

    @pytest.mark.parametrize("retries", [0, 1])
    async def test_a_task_that_is_parked_or_waits_for_an_attempt_leaves_the_queue_at_once(
        self, clones_rig: ClonesRig, retries: int
    ) -> None:
        runs = Runs()
        async with clone(clones_rig, runs, backoff=Backoff(initial_s=600, maximum_s=600)), omega(clones_rig):
            await submit(clones_rig, "t", retries=retries, fail="engine_crashed")
            waits = TaskRetrying if retries else TaskParked
            await eventually(lambda: last_is(clones_rig, "t", waits))
            assert isinstance(await verdict(clones_rig, cancel("t")), TaskCompletion)
            await eventually(lambda: nothing_is_left(clones_rig))
        assert await last_is(clones_rig, "t", waits)
        assert len(runs.starts) == 1

    async def test_what_has_ended_keeps_its_end(self, clones_rig: ClonesRig) -> None:
        async with clone(clones_rig, Runs()), omega(clones_rig):
            await submit(clones_rig, "t")
            done = await clones_rig.bus.result("t", TYPE)
            told = await verdict(clones_rig, cancel("t"))
            again = await verdict(clones_rig, action("t", "fail"))
        assert isinstance(told, TaskFailure)
        assert told.code == "command_refused"
        assert told.message.startswith("security t was completed by beta-")
        assert isinstance(again, TaskFailure)
        assert await clones_rig.bus.result("t", TYPE) == done

    @pytest.mark.parametrize("task_id", ["never", "seq-1", "seq-999"])
    async def test_what_was_never_submitted_gets_no_result(self, clones_rig: ClonesRig, task_id: str) -> None:
        await submit(clones_rig, "other")  # the ledger's first entry, under an id of its own
        async with omega(clones_rig):
            for command in (cancel(task_id), action(task_id, "complete", output=1), action(task_id, "fail")):
                told = await verdict(clones_rig, command)
                assert isinstance(told, TaskFailure)
                assert told.message.startswith(f"no unfinished security task {task_id} is known")
            told = await verdict(clones_rig, action(task_id, "retry"))
            assert isinstance(told, TaskFailure)
        assert await clones_rig.network.results.read(TYPE, task_id) is None

    async def test_a_task_of_another_type_is_not_found_by_its_number(self, clones_rig: ClonesRig) -> None:
        sequence = (await clones_rig.bus.publish(b"{}", "testing")).seq
        async with omega(clones_rig):
            assert isinstance(await verdict(clones_rig, cancel(sequence_id(sequence))), TaskFailure)
        assert await clones_rig.network.results.read(TYPE, sequence_id(sequence)) is None

    async def test_an_alias_stands_for_its_type(self, clones_rig: ClonesRig) -> None:
        await submit(clones_rig, "t")
        async with omega(clones_rig):
            command = TaskCancel(task_id="t", task_type="security-analysis")
            assert isinstance(await verdict(clones_rig, command), TaskCompletion)
        assert isinstance(await clones_rig.bus.result("t", TYPE), TaskFailure)

    async def test_a_workflow_that_has_not_begun(self, clones_rig: ClonesRig) -> None:
        """A task that names it as its parent is nothing that it has asked for."""
        await clones_rig.submitter.start_workflow("review", WorkflowStart(id="w", input={"target": "x"}))
        await clones_rig.submitter.submit(TYPE, TaskAssignment(id="stranger", parent_id="w"))
        async with omega(clones_rig):
            told = await verdict(clones_rig, TaskCancel(task_id="w", task_type="workflow", by="ann"))
        assert isinstance(told, TaskCompletion)
        assert told.output["steps"] == []
        assert await clones_rig.network.results.read(TYPE, "stranger") is None
        assert isinstance(await clones_rig.bus.result("w", "workflow"), TaskFailure)
        assert await clones_rig.network.results.read(TYPE, "stranger") is None


class TestEnding:
    async def test_a_parked_task_is_completed_by_hand(self, clones_rig: ClonesRig) -> None:
        async with clone(clones_rig, Runs()), omega(clones_rig):
            await submit(clones_rig, "t", fail="engine_crashed")
            await eventually(lambda: is_parked(clones_rig, "t"))
            told = await verdict(clones_rig, action("t", "complete", output={"fine": True}, by="ann", reason="seen"))
            await eventually(lambda: nothing_is_left(clones_rig))
        assert isinstance(told, TaskCompletion)
        result = await clones_rig.bus.result("t", TYPE)
        assert isinstance(result, TaskCompletion)
        assert (result.output, result.summary, result.attempt) == ({"fine": True}, "completed by ann: seen", 1)
        assert (result.clone, result.labels) == ("omega", {"a": "b"})

    async def test_any_unfinished_task_can_be_failed(self, clones_rig: ClonesRig) -> None:
        await submit(clones_rig, "t")
        async with omega(clones_rig):
            assert isinstance(await verdict(clones_rig, action("t", "fail", reason="hopeless")), TaskCompletion)
        result = await clones_rig.bus.result("t", TYPE)
        assert isinstance(result, TaskFailure)
        assert (result.code, result.message) == ("failed_by_operator", "ended as failed: hopeless")


class TestRecovery:
    async def test_a_parked_task_goes_on_with_its_next_attempt(self, clones_rig: ClonesRig) -> None:
        runs = Runs()
        async with clone(clones_rig, runs), omega(clones_rig):
            sequence = await submit(clones_rig, "t", fail="engine_crashed", until=2)
            await eventually(lambda: is_parked(clones_rig, "t"))
            told = await verdict(clones_rig, action("t", "retry", by="ann", reason="mended"))
            assert isinstance(told, TaskCompletion), told
            result = await clones_rig.bus.result("t", TYPE)
            await eventually(lambda: nothing_is_left(clones_rig))
        assert isinstance(result, TaskCompletion)
        assert result.attempt == 2
        resumed = [event for event in await events(clones_rig, "t") if isinstance(event, TaskResumed)]
        assert [(event.sequence, event.forgiven, event.by, event.to) for event in resumed] == [
            (sequence, 1, "ann", None)
        ]

    @pytest.mark.parametrize("has_own_id", [True, False])
    async def test_a_parked_task_goes_on_with_another_clone(self, clones_rig: ClonesRig, has_own_id: bool) -> None:
        beta, delta = Runs(), Runs()
        async with clone(clones_rig, beta), clone(clones_rig, delta, "delta"), omega(clones_rig):
            params = {"fail": "engine_crashed", "until": 2}
            body = encode(TaskAssignment(id="t" if has_own_id else None, params=params, schedule_to_close_s=600))
            sequence = (await clones_rig.bus.publish(body, TYPE)).seq
            task_id = "t" if has_own_id else sequence_id(sequence)
            await eventually(lambda: is_parked(clones_rig, task_id))
            told = await verdict(clones_rig, action(task_id, "reassign", clone="delta"))
            assert isinstance(told, TaskCompletion), told
            result = await clones_rig.bus.result(task_id, TYPE)
            await eventually(lambda: nothing_is_left(clones_rig))
        assert (result.clone, result.attempt) == ("delta", 2)
        assert (len(beta.starts), len(delta.starts)) == (1, 1)
        subject = clones_rig.subjects.handover(TYPE, "delta")
        (message,) = await clones_rig.bus.in_stream(clones_rig.subjects.ledger, subject)
        handed: TaskAssignment = decode(TaskAssignment, message.data)
        assert handed.id == task_id
        assert 500 < (handed.schedule_to_close_s or 0) < 600

    @pytest.mark.parametrize("to", [None, "delta"])
    async def test_an_ended_task_runs_again_as_a_new_one(self, clones_rig: ClonesRig, to: str | None) -> None:
        beta, delta = Runs(), Runs()
        async with clone(clones_rig, beta), clone(clones_rig, delta, "delta"), omega(clones_rig):
            await submit(clones_rig, "t", fail="target_not_found")
            await clones_rig.bus.result("t", TYPE)
            told = await verdict(clones_rig, action("t", "reassign" if to else "retry", clone=to))
            assert isinstance(told, TaskCompletion), told
            new_id = told.output["new_task_id"]
            result = await clones_rig.bus.result(new_id, TYPE)
        assert new_id in told.summary
        assert (result.retry_of, result.labels, result.clone) == ("t", {"a": "b"}, to or "beta")

    async def test_what_was_handed_to_a_clone_that_is_not_there_goes_to_another(self, clones_rig: ClonesRig) -> None:
        beta = Runs()
        async with clone(clones_rig, beta), omega(clones_rig):
            await submit(clones_rig, "t", fail="engine_crashed", until=2)
            await eventually(lambda: is_parked(clones_rig, "t"))
            assert isinstance(await verdict(clones_rig, action("t", "reassign", clone="delta")), TaskCompletion)
            kept = await verdict(clones_rig, action("t", "retry"))
            assert isinstance(kept, TaskFailure)
            assert isinstance(await verdict(clones_rig, action("t", "reassign", clone="beta")), TaskCompletion)
            result = await clones_rig.bus.result("t", TYPE)
            assert (result.clone, result.attempt, len(beta.starts)) == ("beta", 2, 2)
            late = Runs()
            async with clone(clones_rig, late, "delta"):

                async def left_the_queue() -> bool:
                    name = clones_rig.subjects.handover_consumer(TYPE, "delta")
                    state = await consumer_state(clones_rig.network, name)
                    return state is not None and state.is_idle

                await eventually(left_the_queue)
            assert late.starts == []

    async def test_what_was_handed_over_runs_again_as_it_was_asked_for(self, clones_rig: ClonesRig) -> None:
        beta, delta = Runs(), Runs()
        async with clone(clones_rig, beta), clone(clones_rig, delta, "delta"), omega(clones_rig):
            asked = TaskAssignment(id="t", params={"fail": "engine_crashed"}, schedule_to_close_s=600)
            await clones_rig.submitter.submit(TYPE, asked, priority="high")
            await eventually(lambda: is_parked(clones_rig, "t"))
            await verdict(clones_rig, action("t", "reassign", clone="delta"))
            await eventually(lambda: is_parked_by(clones_rig, "t", "delta"))
            await verdict(clones_rig, action("t", "fail"))
            told = await verdict(clones_rig, action("t", "retry"))
            assert isinstance(told, TaskCompletion), told
            await verdict(clones_rig, cancel(told.output["new_task_id"]))
        high = clones_rig.subjects.task(TYPE, "high")
        _, message = await clones_rig.bus.in_stream(clones_rig.subjects.ledger, high)
        again: TaskAssignment = decode(TaskAssignment, message.data)
        assert (again.retry_of, again.schedule_to_close_s) == ("t", 600)

    @pytest.mark.parametrize(
        ("what", "clone_", "says"),
        [
            ("retry", None, "is queued, or its first attempt has just begun; only a task that is parked"),
            ("reassign", "delta", "is queued"),
            ("reassign", None, "no clone is named; its route has: beta, delta"),
            ("reassign", "gamma", "gamma takes no security tasks; its route has: beta, delta"),
        ],
    )
    async def test_what_cannot_be_done_is_refused_in_words(
        self, clones_rig: ClonesRig, what: str, clone_: str | None, says: str
    ) -> None:
        await submit(clones_rig, "t")
        async with omega(clones_rig):
            told = await verdict(clones_rig, action("t", what, clone=clone_))
        assert isinstance(told, TaskFailure)
        assert told.code == "command_refused"
        assert says in told.message
        assert await events(clones_rig, "t") == []

    async def test_a_running_task_is_left_alone(self, clones_rig: ClonesRig) -> None:
        runs = Runs()
        async with clone(clones_rig, runs), omega(clones_rig):
            await submit(clones_rig, "t", held=True)
            await eventually(lambda: has_started(clones_rig, "t"))
            told = await verdict(clones_rig, action("t", "retry"))
            await verdict(clones_rig, cancel("t"))
        assert isinstance(told, TaskFailure)
        assert "security t runs: attempt 1 on beta-" in told.message
        assert len(runs.starts) == 1

    @pytest.mark.parametrize(
        ("command", "says"),
        [
            (
                Decision(workflow_id="w", step="s", verdict="approve", decided_by="ann"),
                "no run w is known",
            ),
            (
                RecoveryAction(task_id="t", task_type="workflow", action="retry"),
                "a workflow goes on by itself as long as an Omega runs",
            ),
            (RecoveryAction(task_id="t", task_type="nothing", action="retry"), "no clone serves 'nothing'"),
            (RecoveryAction(task_id="t", task_type=TYPE, action="retry", clone="beta"), "at `$.clone`"),
            (RecoveryAction(task_id="t", task_type=TYPE, action="fail", output=1), "at `$.output`"),
            (TaskCancel(task_id="seq-1", task_type="command"), "'command' is no type of tasks"),
            (TaskCancel(task_id="seq-0", task_type=TYPE), "no unfinished security task seq-0 is known"),
            (TaskCancel(task_id=f"seq-{2**64}", task_type=TYPE), f"no unfinished security task seq-{2**64} is known"),
        ],
    )
    async def test_commands_that_make_no_sense(self, clones_rig: ClonesRig, command: Command, says: str) -> None:
        async with omega(clones_rig):
            told = await verdict(clones_rig, command)
        assert isinstance(told, TaskFailure)
        assert says in told.message


async def test_what_has_a_result_that_cannot_be_read_is_told_at_once(clones_rig: ClonesRig) -> None:
    await submit(clones_rig, "t")
    await publish(clones_rig.network.requester, clones_rig.subjects.settle(TYPE, "t"), b"no result")
    async with omega(clones_rig):
        told = await verdict(clones_rig, cancel("t"))
    assert isinstance(told, TaskFailure)
    assert (told.code, told.attempt) == ("command_refused", 1)
    assert "cannot be read here: the body is not JSON" in told.message


async def test_a_defect_is_the_verdict_at_once(clones_rig: ClonesRig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> Done:
        raise LookupError("a defect")

    monkeypatch.setattr(Endings, "cancel", broken)
    async with omega(clones_rig):
        told = await verdict(clones_rig, cancel("t"))
    assert isinstance(told, TaskFailure)
    assert (told.code, told.message, told.attempt) == ("handler_failed", "LookupError: a defect", 1)


async def has_started(rig: ClonesRig, task_id: str) -> bool:
    return any(isinstance(event, TaskStarted) for event in await events(rig, task_id))
