"""What a run's history says in words."""

from datetime import UTC, datetime

import pytest

from ops.history_words import of_entry, of_event, of_line
from schemas import (
    CancelRequested,
    DecisionMade,
    StepEnded,
    StepInvalid,
    StepLine,
    TimerFired,
    WorkflowBegun,
    WorkflowEntry,
    WorkflowEvent,
)

SCAN = StepEnded(step="scan", state="completed", task_type="security", task_id="t", clone="beta", message="1 finding")
FILE = StepEnded(
    step="files", index=3, state="failed", task_type="testing", task_id="f", code="target_unreadable", message="gone"
)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (WorkflowBegun(input={}), "begun"),
        (WorkflowBegun(input={}, parent_id="up"), "begun, for up"),
        (WorkflowBegun(input={}, retry_of="old"), "begun to run old again"),
        (
            WorkflowBegun(input={}, retry_of="old", resumed=True, kept=(SCAN, SCAN, FILE)),
            "begun to go on with old, with scan, files kept",
        ),
        (SCAN, "scan completed by beta: 1 finding"),
        (FILE, "files[3] failed: target_unreadable: gone"),
        (
            StepEnded(step="book", compensation=True, state="completed", task_type="cancel", task_id="c"),
            "book undone",
        ),
        (
            DecisionMade(step="go", verdict="approve", decided_by="ann", comment="well", command=7),
            "go approved by ann: well",
        ),
        (DecisionMade(step="go", verdict="reject", decided_by="ann", command=7), "go rejected by ann"),
        (TimerFired(step="pause"), "the time of pause has come"),
        (TimerFired(), "the time of the run is up"),
        (CancelRequested(by="ann", reason="too late"), "cancel asked for by ann: too late"),
        (
            CancelRequested(by="omega", reason="all died", code="attempts_exhausted"),
            "given up: attempts_exhausted: all died",
        ),
        (
            StepInvalid(step="scan", code="unknown_task_type", message="no x"),
            "scan cannot begin: unknown_task_type: no x",
        ),
    ],
)
def test_each_event_is_told(event: WorkflowEvent, words: str) -> None:
    assert of_event(event) == words


def test_an_entry_tells_all_its_events_or_who_took_over() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    entry = WorkflowEntry(workflow_id="w", workflow="review", version=1, at=at, instance="omega-2", activation=4)
    assert of_entry(entry) == "omega-2 takes the run up"
    told = WorkflowEntry(
        workflow_id="w", workflow="review", version=1, at=at, instance="o", activation=4, events=(SCAN, TimerFired())
    )
    assert of_entry(told) == "scan completed by beta: 1 finding; the time of the run is up"


def test_a_fan_out_says_once_how_many_failed() -> None:
    running = StepLine(step="files", kind="testing", state="running", items=3, items_failed=1)
    assert of_line(running, 2) == "2 of 3, 1 failed"
    failed = StepLine(
        step="files",
        kind="testing",
        state="failed",
        items=3,
        items_failed=1,
        code="gone",
        message="1 of 3 failed, the first that did (index 2): gone",
        compensated="done",
    )
    assert of_line(failed) == "gone: 1 of 3 failed, the first that did (index 2): gone, undone"
