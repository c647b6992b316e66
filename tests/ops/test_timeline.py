"""A task's timeline: everything in its place, whichever clock told the time."""

from typing import Any

import pytest
from msgspec import structs

from ops.entries import Entry
from ops.timeline import Moment, timeline
from schemas import ErrorEscalation, RecoveryAction, TaskCancel, TaskCompletion, TaskFailure, TaskReassigned
from tests.ops.test_stories import (
    BEGIN,
    WHO,
    assignment,
    at,
    completion,
    entry,
    failure,
    only,
    parked,
    progress,
    resumed,
    retrying,
    started,
)


def verdict(words: str, *, refused: bool = False) -> TaskCompletion | TaskFailure:
    who = {"task_id": "seq-33", "task_type": "command", "clone": "omega", "instance": "omega-1", "writer": "w"}
    if refused:
        return TaskFailure(**who, finished_at=BEGIN, code="command_refused", message=words)
    return TaskCompletion(**who, attempt=1, started_at=BEGIN, finished_at=BEGIN, summary=words)


def command(sequence: int, **fields: Any) -> Entry:
    action = {"task_id": "t1", "task_type": "security", "action": "retry", **fields}
    return entry(sequence, RecoveryAction(**action), subject="sanctuary.command.security")


def escalation(sequence: int, *, awaits_decision: bool = True) -> Entry:
    told = ErrorEscalation(
        severity="high",
        code="engine_crashed",
        message="oops",
        at=BEGIN,
        clone="beta",
        instance="beta-1",
        task_id="t1",
        task_type="security",
        awaits_decision=awaits_decision,
    )
    return entry(sequence, told, subject="sanctuary.escalation.high.beta")


def told(moments: list[Moment]) -> list[str]:
    return [moment.kind for moment in moments]


def test_the_whole_story_of_a_task_that_was_parked_and_let_go_on() -> None:
    entries = [
        assignment(1, params={"target": "x"}, retry_of="t0"),
        entry(2, started()),
        entry(4, parked()),
        entry(6, resumed(6, to="delta", sequence=5)),
        entry(7, started(2, 7)),
        entry(8, completion(2, 7, 9)),
    ]
    about = [escalation(3), command(5, action="reassign", clone="delta", by="ann", reason="mended")]
    moments = timeline(only(entries), about, {3: verdict("t1 waits for a person"), 5: verdict("t1 goes on with delta")})
    assert [(moment.sequence, moment.kind, moment.words) for moment in moments] == [
        (1, "submitted", 'to run t0 again high {"target": "x"}'),
        (2, "started", "attempt 1 on beta-1"),
        (3, "escalation", "high by beta-1; engine_crashed: oops → t1 waits for a person"),
        (4, "parked", "after attempt 1 on beta-1; engine_crashed: oops"),
        (5, "command", "reassign to delta by ann (mended) → t1 goes on with delta"),
        (6, "resumed", "with delta, by command #33; 1 attempt is forgiven"),
        (7, "started", "attempt 2 on beta-1"),
        (8, "completed", "by beta-1, attempt 2"),
    ]
    assert [moment.attempt for moment in moments] == [None, 1, None, 1, None, 1, 2, 2]


def test_what_one_attempt_reports_in_a_row_is_one_moment() -> None:
    entries = [
        assignment(1),
        entry(2, started()),
        entry(3, progress(1, 3)),
        entry(4, progress(1, 4)),
        entry(5, retrying(1, 5)),
        entry(6, progress(2, 6)),
    ]
    moments = timeline(only(entries), [], {})
    assert told(moments) == ["submitted", "started", "progress", "retrying", "progress"]
    assert [moment.words for moment in moments if moment.kind == "progress"] == [
        "50% to 50% in 2 reports: half",
        "50%: half",
    ]
    assert moments[3].words == "attempt 1 failed, again in 1.0 s; engine_crashed: oops"


def test_a_command_without_a_verdict_is_still_to_be_carried_out() -> None:
    cancel = entry(3, TaskCancel(task_id="t1", task_type="security"), subject="sanctuary.command.security")
    moments = timeline(only([assignment(1)]), [cancel, escalation(2), escalation(4, awaits_decision=False)], {})
    assert [moment.words for moment in moments[1:]] == [
        "high by beta-1; engine_crashed: oops → no decision yet",
        "cancel by somebody → not carried out yet",
        "high by beta-1; engine_crashed: oops",
    ]


def test_a_refused_command_says_why_and_stands_behind_the_end() -> None:
    moments = timeline(
        only([assignment(1), entry(3, failure())]), [command(20)], {20: verdict("it has ended", refused=True)}
    )
    assert told(moments) == ["submitted", "cancelled", "command"]
    assert moments[1].words == "by hand"
    assert moments[2].words == "retry by somebody → command_refused: it has ended"


@pytest.mark.parametrize("message", ["cancelled by ann: too late", "by ann: too late"])
def test_that_a_task_was_cancelled_is_said_once(message: str) -> None:
    result = structs.replace(failure(), message=message)
    moments = timeline(only([assignment(1), entry(3, result)]), [], {})
    assert (moments[-1].kind, moments[-1].words) == ("cancelled", "by ann: too late")


@pytest.mark.parametrize("ended", [0.5, 3, 900])
def test_the_end_stands_behind_all_events_whatever_the_workers_clock_says(ended: float) -> None:
    entries = [
        assignment(1),
        entry(2, started(seconds=0.1)),
        entry(3, TaskReassigned(**WHO, attempt=1, at=at(0.2), reason="drains")),
        entry(4, started(seconds=0.3)),
        entry(990, completion(ended=ended)),
    ]
    assert told(timeline(only(entries), [], {}))[-1] == "completed"


def test_a_result_alone_is_a_timeline_too() -> None:
    assert told(timeline(only([entry(8, completion())]), [], {})) == ["completed"]
