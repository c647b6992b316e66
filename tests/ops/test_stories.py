"""Stories from entries: what a task's state is, whatever order its messages come in."""

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.jetstream import StoredMessage
from bus.subjects import Subjects
from ops.entries import UNREADABLE, Entry, read_entry
from ops.stories import Story, fold
from schemas import (
    MSGPACK,
    TaskAsked,
    TaskAssignment,
    TaskCompletion,
    TaskFailure,
    TaskParked,
    TaskProgress,
    TaskReassigned,
    TaskResumed,
    TaskRetrying,
    TaskStarted,
    WorkflowStart,
    WorkflowWaiting,
    encode,
)

SUBJECTS = Subjects("sanctuary")
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
WHO = {"task_id": "t1", "task_type": "security", "clone": "beta", "instance": "beta-1"}


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def entry(sequence: int, message: Any, *, subject: str | None = None, seconds: float | None = None) -> Entry:
    """A message as the ledger holds it, stored `sequence` seconds after the beginning where nothing else is said."""
    if subject is None:
        family = "result" if isinstance(message, TaskCompletion | TaskFailure) else "event"
        subject = f"sanctuary.{family}.{message.task_type}.{message.task_id}"
    data = message if isinstance(message, bytes) else encode(message)
    stored_at = at(sequence if seconds is None else seconds)
    return read_entry(
        SUBJECTS, StoredMessage(subject=subject, sequence=sequence, stored_at=stored_at, data=data, headers={})
    )


def assignment(sequence: int, **fields: Any) -> Entry:
    return entry(sequence, TaskAssignment(**{"id": "t1", **fields}), subject="sanctuary.task.security.high")


def started(attempt: int = 1, seconds: float = 2) -> TaskStarted:
    return TaskStarted(**WHO, attempt=attempt, at=at(seconds))


def progress(attempt: int = 1, seconds: float = 3) -> TaskProgress:
    return TaskProgress(**WHO, attempt=attempt, at=at(seconds), fraction=0.5, message="half")


def retrying(attempt: int = 1, seconds: float = 4) -> TaskRetrying:
    return TaskRetrying(**WHO, attempt=attempt, at=at(seconds), code="engine_crashed", message="oops", delay_s=1.0)


def parked(seconds: float = 4) -> TaskParked:
    return TaskParked(**WHO, attempt=1, at=at(seconds), sequence=1, code="engine_crashed", message="oops")


def resumed(seconds: float = 5, sequence: int = 1, to: str | None = None) -> TaskResumed:
    return TaskResumed(
        **WHO, attempt=1, at=at(seconds), sequence=sequence, forgiven=1, command=33, to=to, by="ann", reason="mended"
    )


def completion(attempt: int = 1, begun: float = 2, ended: float = 9) -> TaskCompletion:
    return TaskCompletion(**WHO, attempt=attempt, started_at=at(begun), finished_at=at(ended), writer="w")


def failure(attempt: int = 1, ended: float = 9) -> TaskFailure:
    return TaskFailure(**WHO, attempt=attempt, finished_at=at(ended), writer="w", code="cancelled", message="by hand")


def only(entries: Iterable[Entry]) -> Story:
    stories = fold(entries)
    assert len(stories) == 1
    return next(iter(stories.values()))


@pytest.mark.parametrize(
    ("events", "state", "attempt"),
    [
        ([], "queued", 0),
        ([started()], "running", 1),
        ([started(), progress()], "running", 1),
        ([started(), retrying()], "retrying", 1),
        ([started(), retrying(), started(2, 5)], "running", 2),
        ([started(), TaskReassigned(**WHO, attempt=1, at=at(4), reason="drains")], "queued", 1),
        ([parked()], "parked", 1),
        ([started(), completion()], "completed", 1),
        ([completion()], "completed", 1),
        ([failure(attempt=0)], "cancelled", 0),
        ([parked(), resumed()], "queued", 1),
        ([parked(), resumed(), started(2, 6)], "running", 2),
        ([started(), WorkflowWaiting(**WHO, attempt=1, at=at(3))], "waiting", 1),
        ([started(), TaskAsked(**WHO, attempt=1, at=at(3), child_type="testing", child_id="c")], "running", 1),
    ],
)
def test_state_and_attempt(events: list[Any], state: str, attempt: int) -> None:
    story = only([assignment(1), *(entry(number, event) for number, event in enumerate(events, 2))])
    assert (story.state, story.attempt) == (state, attempt)


def test_durations_are_from_the_ledgers_time_to_the_workers() -> None:
    story = only([assignment(1), entry(2, started()), entry(5, completion(begun=2, ended=9))])
    assert (story.submitted_at, story.started_at) == (at(1), at(2))
    assert (story.waited_s, story.ran_s, story.took_s) == (1.0, 7.0, 8.0)


def test_without_a_result_nothing_is_said_of_how_long_it_ran() -> None:
    story = only([assignment(1), entry(2, started())])
    assert (story.waited_s, story.ran_s, story.took_s) == (1.0, None, None)


@pytest.mark.parametrize(
    ("events", "ran_s"),
    [
        ([started(), parked(2.01)], 0.01),
        ([started(), parked(2.01), resumed()], 0.01),
        ([started(), retrying()], 2.0),
        ([started(), TaskReassigned(**WHO, attempt=1, at=at(4), reason="drains")], 2.0),
        ([started(), retrying(), started(2, 6)], 3.0),
        ([parked()], None),
    ],
)
def test_what_waits_after_an_attempt_until_somebody_ends_it_does_not_run(
    events: list[Any], ran_s: float | None
) -> None:
    told = [entry(number, event) for number, event in enumerate(events, 2)]
    assert only([assignment(1), *told, entry(9, failure())]).ran_s == pytest.approx(ran_s)


def test_a_task_that_was_never_begun_has_no_waiting_time() -> None:
    story = only([assignment(1), entry(2, failure(attempt=0))])
    assert (story.waited_s, story.ran_s, story.took_s) == (None, None, 8.0)


def test_an_event_after_the_result_is_ignored() -> None:
    zombie = entry(4, progress(seconds=30))
    story = only([assignment(1), entry(2, started()), entry(3, completion()), zombie])
    assert story.state == "completed"
    assert story.ignored == (zombie,)


def test_a_late_copy_of_the_result_leaves_the_events_before_its_end() -> None:
    story = only([assignment(1), entry(2, started()), entry(3, progress()), entry(900, completion())])
    assert [type(told.event) for told in story.events] == [TaskStarted, TaskProgress]
    assert story.ignored == ()
    assert story.result_entry is not None
    assert story.result_entry.sequence == 900


def test_an_event_of_an_attempt_that_was_overtaken_is_ignored() -> None:
    late = entry(4, progress(attempt=1, seconds=7))
    story = only([assignment(1), entry(2, started()), entry(3, started(2, 6)), late])
    assert (story.state, story.attempt) == ("running", 2)
    assert story.ignored == (late,)


def test_an_event_of_who_had_the_task_before_it_was_handed_over_is_ignored() -> None:
    late = entry(5, msgspec.structs.replace(progress(1, 7), sequence=1))
    story = only([assignment(1), entry(2, parked()), entry(4, resumed(sequence=3, to="delta")), late])
    assert (story.state, story.ignored) == ("queued", (late,))


def test_a_result_that_is_not_in_the_ledger_yet_counts() -> None:
    message = StoredMessage(
        subject="sanctuary.result.security.t1", sequence=77, stored_at=at(9), data=encode(completion()), headers={}
    )
    original = read_entry(SUBJECTS, message, in_ledger=False)
    story = only([original, assignment(1), entry(2, started())])
    assert story.state == "completed"
    assert story.result_entry is not None
    assert story.result_entry.sequence is None


def test_the_first_of_two_assignments_under_one_id_counts() -> None:
    story = only([assignment(8), assignment(1), entry(3, completion())])
    assert story.assignment is not None
    assert story.assignment.sequence == 1


def test_a_result_before_its_assignment_gives_no_negative_times() -> None:
    story = only([entry(3, completion(begun=2, ended=3)), assignment(8)])
    assert (story.waited_s, story.took_s) == (0.0, 0.0)


def test_events_and_results_of_later_versions_are_set_aside() -> None:
    unknown = entry(2, b'{"type":"TaskSuspended","at":"2026"}', subject="sanctuary.event.security.t1")
    broken = entry(3, b"{", subject="sanctuary.result.security.t1")
    story = only([assignment(1), unknown, broken])
    assert story.state == "queued"
    assert story.ignored == (unknown,)


def test_tasks_are_told_apart_by_type_and_id() -> None:
    other = entry(2, b"{}", subject="sanctuary.task.testing")
    workflow = entry(3, WorkflowStart(id="t1"), subject="sanctuary.workflow.review")
    command = entry(4, b'{"type":"TaskCancel","task_id":"t1"}', subject="sanctuary.command.beta")
    stories = fold([assignment(1), other, workflow, command])
    assert set(stories) == {("security", "t1"), ("testing", "seq-2"), ("workflow", "t1")}


MESSAGES = [
    assignment(1),
    entry(2, started()),
    entry(3, progress()),
    entry(4, retrying()),
    entry(5, started(2, 6)),
    entry(6, progress(1, 7)),
    entry(7, progress(2, 50)),
    entry(8, completion(2, 6, 9)),
]


@given(st.permutations(MESSAGES))
def test_the_order_in_which_entries_come_makes_no_difference(entries: list[Entry]) -> None:
    assert only(entries) == only(MESSAGES)


@given(st.sets(st.sampled_from(range(len(MESSAGES) - 1))))
def test_once_there_is_a_result_nothing_takes_it_back(chosen: set[int]) -> None:
    story = only([*(MESSAGES[index] for index in chosen), MESSAGES[-1]])
    assert (story.state, story.attempt) == ("completed", 2)


class TestEntries:
    """What any stored message is read as."""

    @pytest.mark.parametrize(
        ("body", "task_id"),
        [
            (b'{"id":"mine"}', "mine"),
            (b"{}", "seq-7"),
            (b'{"id":"seq-1"}', "seq-7"),
            (b'{"id":"a b"}', "seq-7"),
            (b'{"id":"mine","unknown":1}', "mine"),
            (b"\xff\x00", "seq-7"),
            (b"[]", "seq-7"),
            (b"", "seq-7"),
        ],
    )
    def test_an_assignments_id_is_the_one_that_its_result_has(self, body: bytes, task_id: str) -> None:
        found = entry(7, body, subject="sanctuary.task.security")
        assert (found.kind, found.task_type, found.task_id) == ("TaskAssignment", "security", task_id)

    def test_messagepack_is_read_where_the_header_says_so(self) -> None:
        data = encode(TaskAssignment(id="packed", parent_id="p"), MSGPACK)
        message = StoredMessage("sanctuary.task.testing", 1, BEGIN, data, {"Content-Type": MSGPACK})
        found = read_entry(SUBJECTS, message)
        assert (found.task_id, found.parent_id) == ("packed", "p")

    def test_commands_and_escalations_name_their_task(self) -> None:
        decision = entry(1, b'{"type":"Decision","workflow_id":"w"}', subject="sanctuary.command.omega")
        escalation = entry(2, b'{"type":"ErrorEscalation","task_id":"t"}', subject="sanctuary.escalation.high.beta")
        assert (decision.task_id, escalation.task_id) == ("w", "t")

    @pytest.mark.parametrize("body", [b"", b"\x00", b"[1]", b'{"type":1}', b'{"type":"X","task_id":[],"parent_id":2}'])
    @pytest.mark.parametrize("family", ["event", "result", "command", "escalation", "else"])
    def test_nothing_that_is_stored_breaks_it(self, family: str, body: bytes) -> None:
        for tail in ("a.b", "a", "a.b.c"):
            found = entry(3, body, subject=f"sanctuary.{family}.{tail}")
            assert found.kind in (UNREADABLE, "X")
            assert found.parent_id is None
            fold(itertools.chain([found], MESSAGES))
