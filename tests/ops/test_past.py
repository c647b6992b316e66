"""The network's state at a moment, from the entries up to then."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bus.records import Record
from bus.subjects import Subjects
from clones.routing import DEFAULT_TABLE
from ops.past import DRAINING_FOR, MISSED_FOR, Past
from ops.past_snapshot import PastSnapshot
from schemas import (
    InstanceChanged,
    RouteChange,
    RoutingTable,
    Schedule,
    ScheduleChange,
    TaskAssignment,
    TaskCompletion,
    TaskFailure,
    TaskReassigned,
    WorkflowCompletion,
    WorkflowEntry,
    WorkflowStart,
    WorkflowWaiting,
    encode,
)
from tests.ops.test_stories import BEGIN, WHO, at, completion, failure, parked, progress, resumed, retrying, started

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Ledger:
    """Entries, each a second after the one before."""

    def __init__(self) -> None:
        self.past = Past(Subjects())
        self.sequence = 0

    def add(self, subject: str, message: Any, headers: str = "") -> int:
        self.sequence += 1
        data = message if isinstance(message, bytes) else encode(message)
        stored_at_ns = (at(self.sequence) - EPOCH) // timedelta(microseconds=1) * 1000
        block = f"NATS/1.0\r\n{headers}\r\n\r\n".encode() if headers else b""
        self.past.take(Record(self.sequence, stored_at_ns, f"sanctuary.{subject}", block, data))
        return self.sequence

    def snapshot(self, seconds: float = 1000) -> PastSnapshot:
        return self.past.snapshot(at(seconds))


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ([], "queued"),
        ([started()], "running"),
        ([started(), progress()], "running"),
        ([started(), retrying()], "retrying"),
        ([started(), retrying(), started(2, 5)], "running"),
        # Who has lost the task says nothing that counts.
        ([started(2), progress(1)], "running"),
        ([started(2), retrying(1)], "running"),
        ([started(), parked()], "parked"),
        ([started(), parked(), resumed()], "queued"),
        ([completion()], "completed"),
        ([failure()], "cancelled"),
        ([completion(), started(2, 5)], "completed"),
    ],
)
def test_a_task_is_in_the_state_that_its_last_word_says(told: list[Any], state: str) -> None:
    ledger = Ledger()
    ledger.add("task.security.low", TaskAssignment(id="t1"))
    for each in told:
        family = "result" if isinstance(each, TaskCompletion | TaskFailure) else "event"
        ledger.add(f"{family}.security.t1", each)
    assert ledger.snapshot().tasks == {"security": {state: 1}}


def test_queues_count_who_waits_since_when_and_what_is_taken() -> None:
    ledger = Ledger()
    for number in range(3):
        ledger.add("task.security", TaskAssignment(id=f"t{number}"))
    ledger.add("task.security.low", b"no task at all")
    ledger.add("event.security.t0", started())
    ledger.add("handover.testing.beta", TaskAssignment(id="new"), headers="Nats-Msg-Id: again.1.2")
    ledger.add("handover.security.beta", TaskAssignment(id="t0"))
    told = {(queue.task_type, queue.priority): queue for queue in ledger.snapshot(10).queues}
    assert (told["security", "high"].waiting, told["security", "high"].taken) == (2, 1)
    assert told["security", "high"].oldest_s == 8  # t1, of the second second
    assert (told["security", "low"].waiting, told["testing", "high"].waiting) == (1, 1)


def test_parked_tasks_are_named_with_why() -> None:
    ledger = Ledger()
    ledger.add("task.security", TaskAssignment(id="t1"))
    ledger.add("event.security.t1", parked(seconds=4))
    (found,) = ledger.snapshot().parked
    assert (found.task_id, found.code, found.since) == ("t1", "engine_crashed", at(4))
    ledger.add("event.security.t1", resumed())
    assert ledger.snapshot().parked == ()


def run_event() -> WorkflowWaiting:
    return WorkflowWaiting(
        **{**WHO, "task_type": "workflow", "task_id": "w1"}, attempt=1, at=at(3), message="for a decision"
    )


def test_runs_are_taken_up_sleep_are_woken_and_end() -> None:
    ledger = Ledger()
    begun = WorkflowEntry(workflow_id="w1", workflow="review", version=1, at=at(2), instance="omega-1", activation=1)
    ledger.add("workflow.review", WorkflowStart(id="w1"))
    assert ledger.snapshot().runs.waiting == 1
    ledger.add("history.w1", begun)
    assert (ledger.snapshot().runs.active, ledger.snapshot().workflows) == (1, {"review": {"running": 1}})
    ledger.add("event.workflow.w1", run_event())
    assert ledger.snapshot().runs.asleep == 1
    assert ledger.snapshot().queues == ()  # nobody holds it
    ledger.add("workflow.review", WorkflowStart(id="w1"), headers="Nats-Msg-Id: wake-up.1.2")
    ledger.add("history.w1", begun)
    assert ledger.snapshot().workflows == {"review": {"running": 1}}
    done = {**WHO, "task_type": "workflow", "task_id": "w1", "attempt": 1, "started_at": at(2), "finished_at": at(9)}
    ledger.add("result.workflow.w1", WorkflowCompletion(**done, writer="w", workflow="review", version=1, steps=()))
    snapshot = ledger.snapshot()
    assert (snapshot.workflows, snapshot.tasks) == ({"review": {"completed": 1}}, {})
    assert (snapshot.runs.active, snapshot.runs.waiting, snapshot.runs.asleep) == (0, 0, 0)


def verdict(command: int, **output: Any) -> TaskCompletion:
    who = {**WHO, "task_type": "command", "task_id": f"seq-{command}"}
    return TaskCompletion(**who, attempt=1, started_at=at(1), finished_at=at(2), writer="w", output=output)


def test_a_table_is_in_force_from_its_verdict_on() -> None:
    ledger = Ledger()
    table = RoutingTable(routes={"echo": DEFAULT_TABLE.routes["security"]})
    first = ledger.add("command.routes", RouteChange(table=table, base_revision=1, by="ann", reason="less"))
    assert ledger.snapshot().routes_revision == 0
    ledger.add(f"result.command.seq-{first}", verdict(first, revision=2, replaced=1, changes=[]))
    refused = ledger.add("command.routes", RouteChange(table=DEFAULT_TABLE, base_revision=1))
    no = TaskFailure(
        **{**WHO, "task_id": f"seq-{refused}"}, finished_at=at(3), writer="w", code="routes_refused", message="no"
    )
    ledger.add(f"result.command.seq-{refused}", no)
    snapshot = ledger.snapshot()
    assert snapshot.routes is not None
    assert (snapshot.routes_revision, snapshot.routes.table, snapshot.routes.by) == (2, table, "ann")
    assert snapshot.missing == ("omega", "beta", "delta")


def test_the_first_change_that_changes_nothing_tells_which_table_is_in_force() -> None:
    ledger = Ledger()
    same = ledger.add("command.routes", RouteChange(table=DEFAULT_TABLE, base_revision=0, by="omega"))
    ledger.add(f"result.command.seq-{same}", verdict(same, revision=1, replaced=1, changes=[]))
    assert ledger.snapshot().routes_revision == 1


def test_schedules_come_into_force_change_and_go() -> None:
    ledger = Ledger()
    for schedule in (
        Schedule(workflow="review", every_s=60),
        Schedule(workflow="review", every_s=60, paused=True),
        None,
    ):
        asked = ledger.add("command.schedule", ScheduleChange(name="nightly", schedule=schedule, by="ann"))
        ledger.add(f"result.command.seq-{asked}", verdict(asked, name="nightly", revision=1, next=None))
        expected = [] if schedule is None else [("nightly", "paused" if schedule.paused else "on", "ann")]
        assert [(each.name, each.state, each.by) for each in ledger.snapshot().schedules] == expected


def changed(instance: str, state: Any, seconds: float) -> InstanceChanged:
    return InstanceChanged(clone="beta", instance=instance, state=state, at=at(seconds), told_by="omega-1")


def test_instances_are_there_drain_and_die() -> None:
    ledger = Ledger()
    for name, state in (
        ("b1", "up"),
        ("b2", "up"),
        ("b3", "up"),
        ("b4", "up"),
        ("b2", "dead"),
        ("b3", "draining"),
        ("b4", "suspect"),
    ):
        ledger.add(f"event.instance.{name}", changed(name, state, ledger.sequence))
    soon = ledger.snapshot(10)
    assert [(each.instance, each.state) for each in soon.instances] == [
        ("b1", "up"),
        ("b3", "draining"),
        ("b4", "suspect"),
    ]
    assert [each.instance for each in soon.missed] == ["b2", "b4"]
    assert "beta" not in soon.missing
    later = ledger.past.snapshot(BEGIN + DRAINING_FOR + MISSED_FOR)
    assert [each.instance for each in later.instances] == ["b1", "b4"]
    assert later.missed == ()


def test_an_id_that_had_ended_before_can_be_left_out() -> None:
    ledger = Ledger()
    for task_id in ("again", "new", "running"):
        ledger.add("task.security", TaskAssignment(id=task_id))
    ledger.add("event.security.running", started())
    doubtful = list(ledger.past.doubtful())
    assert [(key, stored_at) for key, stored_at in doubtful] == [
        (("security", "again"), at(1)),
        (("security", "new"), at(2)),
    ]
    ledger.past.forget([("security", "again")])
    assert ledger.snapshot().tasks == {"security": {"queued": 1, "running": 1}}


@pytest.mark.parametrize(
    "subject",
    ["task", "task.", "event.security", "result", "event.instance.x", "history", "command.x", "workflow", "x"],
)
def test_what_is_malformed_changes_nothing_that_is_known(subject: str) -> None:
    ledger = Ledger()
    ledger.add("task.security", TaskAssignment(id="t1"))
    for data in (b"", b"\xff", b"[]", b'{"type": 3}', b'{"type": "TaskStarted"}'):
        ledger.add(subject, data)
    snapshot = ledger.snapshot()
    assert snapshot.tasks["security"] == {"queued": 1}
    assert (snapshot.entries, snapshot.sequence) == (6, 6)


def test_an_empty_ledger() -> None:
    snapshot = Past(Subjects()).snapshot(BEGIN)
    assert (snapshot.entries, snapshot.last_at, snapshot.tasks, snapshot.queues) == (0, None, {}, ())


def test_a_task_that_was_handed_back_waits_again() -> None:
    ledger = Ledger()
    ledger.add("task.security", TaskAssignment(id="t1"))
    ledger.add("event.security.t1", started())
    ledger.add("event.security.t1", TaskReassigned(**WHO, attempt=1, at=at(3), reason="drains"))
    assert ledger.snapshot().tasks == {"security": {"queued": 1}}
