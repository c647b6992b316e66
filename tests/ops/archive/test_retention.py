"""What a stretch of the ledger asks for and does not answer, and what can go then."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from bus.jetstream import StoredMessage
from bus.records import Record
from bus.subjects import Subjects
from ops.archive.retention import Hold, Obligation, Open, obligation, planned

SUBJECTS = Subjects("r")
AT = datetime(2026, 1, 1, tzinfo=UTC)


def record(sequence: int, subject: str, body: Any = None, headers: bytes = b"") -> Record:
    return Record(sequence, sequence * 1_000_000, f"r.{subject}", headers, msgspec.json.encode(body or {}))


def left(*records: Record) -> list[int]:
    asked = Open(SUBJECTS)
    for each in records:
        asked.take(each)
    return [each.sequence for each in asked]


TASK = {"params": {}, "id": "a"}


@pytest.mark.parametrize(
    ("subject", "body", "asks"),
    [
        ("task.x", TASK, ("x", "a")),
        ("task.x.high", {"params": {}}, ("x", "seq-7")),
        ("task.x", {"no": "task"}, ("x", "seq-7")),
        ("task.x", {"params": 5, "id": "b"}, ("x", "b")),
        ("task", TASK, ("", "a")),
        ("handover.x.clone", TASK, ("x", "a")),
        ("workflow.w", {"input": {}, "id": "run"}, ("workflow", "run")),
        ("command.x", {"type": "TaskCancel", "task_id": "a", "task_type": "x"}, ("command", "seq-7")),
        ("escalation.high.c", {}, ("escalation", "seq-7")),
        ("event.x.a", {"type": "TaskStarted"}, None),
        ("result.x.a", {}, None),
        ("history.run", {}, None),
        ("checkpoint.o", {}, None),
        ("", {}, None),
    ],
)
def test_what_asks_for_something(subject: str, body: Any, asks: tuple[str, str] | None) -> None:
    found = obligation(SUBJECTS, record(7, subject, body))
    assert (found and (found.task_type, found.task_id)) == asks


def test_what_has_its_result_is_over() -> None:
    first, other = record(1, "task.x", TASK), record(2, "task.y", TASK)
    assert left(first, other) == [1, 2]
    assert left(first, other, record(3, "result.x.a")) == [2]
    assert left(first, record(2, "handover.x.c", TASK), record(3, "result.x.a")) == []
    # A result ends what stands before it; what is asked under the same id behind it is looked up.
    assert left(first, record(2, "result.x.a"), record(3, "task.x", TASK)) == [3]
    assert left(first, record(2, "event.x.a"), record(3, "result.x.b"), record(4, "result.y.a")) == [1]


def test_what_is_answered_under_its_number_is_over() -> None:
    assert left(record(1, "command.routes"), record(2, "result.command.seq-1")) == []
    assert left(record(1, "command.routes"), record(2, "result.escalation.seq-1")) == [1]
    assert left(record(1, "task.x", TASK), record(2, "result.x.seq-1")) == []
    assert left(record(1, "task.X Y", TASK), record(2, "result.unknown.seq-1")) == []
    assert left(record(1, "task.x", TASK), record(2, "result.x.seq-²")) == [1]


def test_what_no_result_can_be_named_after_is_not_asked_for() -> None:
    assert Obligation(3, AT, "*", "a").answers == (("unknown", "seq-3"),)
    assert Obligation(3, AT, "x", ">").answers == (("x", "seq-3"), ("unknown", "seq-3"))


def test_what_is_asked_under_an_id_whose_result_is_forgotten_is_not_answered_by_that() -> None:
    asked = Obligation(9, AT, "x", "a")
    for days, answers in ((-1, True), (0, True), (29, True), (31, False)):
        copy = StoredMessage("r.result.x.a", 4, AT - timedelta(days=days), b"", {})
        assert asked.is_answered_by(copy) is answers


def test_the_first_that_must_stay_decides_and_the_newest_always_stays() -> None:
    plan = planned(5, 100, [Hold(80, "b"), Hold(20, "a")])
    assert (plan.until, plan.count, [hold.sequence for hold in plan.holds]) == (20, 15, [20, 80, 100])
    assert planned(5, 100, []).until == 100
    assert (planned(5, 100, [Hold(5, "a")]).count, planned(5, 100, [Hold(1, "a")]).count) == (0, 0)
    assert planned(1, 0, [Hold(1, "is not archived yet")]).count == 0
