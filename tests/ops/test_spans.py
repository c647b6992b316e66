"""What a task's time went into: phases without gaps, whichever clock told the times."""

from typing import Any

import pytest

from bus.histories import Written
from ops.entries import Entry
from ops.spans import spans, totals_s
from schemas import TaskReassigned, WorkflowEntry, WorkflowWaiting
from tests.ops.test_stories import (
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


def handed_back(seconds: float) -> TaskReassigned:
    return TaskReassigned(**WHO, attempt=1, at=at(seconds), reason="drains")  # type: ignore[arg-type]  # a plain dict


def phases(*told: Any, first: int = 2) -> list[tuple[str, float, float | None, int | None]]:
    """Phase, begin and end in seconds, attempt; a task that is stored at the first second."""
    entries: list[Entry] = [assignment(1), *(entry(number, each) for number, each in enumerate(told, first))]
    found = spans(only(entries))
    return [
        (
            span.phase,
            (span.begin - at(0)).total_seconds(),
            None if span.end is None else (span.end - at(0)).total_seconds(),
            span.attempt,
        )
        for span in found
    ]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([], [("queued", 1, None, None)]),
        ([started(seconds=2)], [("queued", 1, 2, None), ("running", 2, None, 1)]),
        # Over too soon to have told that it began.
        ([completion(begun=2, ended=3)], [("queued", 1, 2, None), ("running", 2, 3, 1)]),
        ([progress(seconds=3)], [("queued", 1, 3, None), ("running", 3, None, 1)]),
        (
            [started(seconds=2), retrying(seconds=4), started(2, 6), completion(2, begun=6, ended=9)],
            [("queued", 1, 2, None), ("running", 2, 4, 1), ("retrying", 4, 6, None), ("running", 6, 9, 2)],
        ),
        (
            [started(seconds=2), parked(seconds=4), resumed(seconds=7), failure(ended=9)],
            [("queued", 1, 2, None), ("running", 2, 4, 1), ("parked", 4, 7, None), ("queued", 7, 9, None)],
        ),
        (
            [started(seconds=2), handed_back(3), started(1, 5)],
            [("queued", 1, 2, None), ("running", 2, 3, 1), ("queued", 3, 5, None), ("running", 5, None, 1)],
        ),
        # The worker's clock is behind the server's: nothing ends before it began.
        ([started(seconds=0.5), completion(begun=0.5, ended=0.8)], [("queued", 1, 1, None), ("running", 1, 1, 1)]),
    ],
)
def test_phases(told: list[Any], expected: list[Any]) -> None:
    assert phases(*told) == expected


def test_how_each_ended_is_told_and_what_failed() -> None:
    story = only(
        [assignment(1), entry(2, started()), entry(3, retrying()), entry(4, started(2, 6)), entry(5, failure(2))]
    )
    told = spans(story)
    assert [(span.words, span.failed) for span in told] == [
        ("", False),
        ("engine_crashed: oops; again in 1.0 s", True),
        ("", False),
        ("cancelled: by hand", False),
    ]


def written(sequence: int, seconds: float, instance: str) -> Written:
    told = WorkflowEntry(workflow_id="x", workflow="review", version=1, at=at(seconds), instance=instance, activation=1)
    return Written(sequence, at(seconds), told)


def test_a_run_is_driven_waits_and_is_driven_again() -> None:
    begin = entry(1, b"{}", subject="sanctuary.workflow.review")
    who: dict[str, Any] = {**WHO, "task_type": "workflow", "task_id": begin.task_id}
    run = only([begin, entry(4, WorkflowWaiting(**who, attempt=1, at=at(5), message="for a decision"))])
    history = [written(2, 2, "omega-1"), written(3, 3, "omega-1"), written(6, 8, "omega-2")]
    told = spans(run, history)
    assert [(span.phase, span.instance) for span in told] == [
        ("queued", None),
        ("running", "omega-1"),
        ("waiting", None),
        ("running", "omega-2"),
    ]
    assert [span.attempt for span in told] == [None, None, None, None]
    assert totals_s(told, at(10)) == {"queued": 1.0, "running": 5.0, "waiting": 3.0}


def test_without_its_assignment_nothing_is_known() -> None:
    assert spans(only([entry(2, started())])) == ()
