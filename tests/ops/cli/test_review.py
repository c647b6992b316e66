"""What is said of a review that has ended."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops.cli.review import Reviewed, summarise
from ops.stories import Story
from ops.workflows import Run
from schemas import StepLine, TaskResult, WorkflowCompletion, WorkflowFailure

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LINES = (
    StepLine(
        step="security", kind="security", state="completed", message="2 findings", started_at=NOW, finished_at=NOW
    ),
    StepLine(
        step="testing",
        kind="testing",
        state="completed",
        message="1 of 2 tests passed",
        started_at=NOW,
        finished_at=NOW + timedelta(seconds=3),
    ),
    StepLine(step="architecture", kind="architecture", state="failed", code="engine_failed", message="no \x1b[2J code"),
    StepLine(step="performance", kind="performance", state="skipped", message="its condition does not hold"),
)


def reviewed(result: TaskResult, report: tuple[Path, ...] = ()) -> Reviewed:
    story = Story("workflow", "w", None, (), (), result, None)
    run = Run(story=story, name="review", history=(), definition=None, state=None)
    return Reviewed(run=run, flawed={"testing"}, report=report, directories=report, took_s=3.0)


def test_each_step_is_a_line_with_a_mark(capsys: pytest.CaptureFixture[str]) -> None:
    result = WorkflowCompletion(
        task_id="w",
        task_type="workflow",
        clone="omega",
        instance="omega-1",
        attempt=1,
        writer="w",
        started_at=NOW,
        finished_at=NOW,
        workflow="review",
        version=1,
        steps=LINES,
    )
    summarise(reviewed(result, (Path("out/report.html"),)))
    assert capsys.readouterr().out.splitlines() == [
        "✓ security (0.0 s): 2 findings",
        "! testing (3.0 s): 1 of 2 tests passed",
        "✗ architecture: engine_failed: no �[2J code",
        "- performance: no command to profile was given (--command)",
        "report: out/report.html",
        "files:  out/report.html",
    ]


def test_a_review_that_failed_says_why_first(capsys: pytest.CaptureFixture[str]) -> None:
    result = WorkflowFailure(
        task_id="w",
        task_type="workflow",
        code="step_failed",
        message="report failed",
        clone="omega",
        instance="omega-1",
        finished_at=NOW,
        writer="w",
        workflow="review",
        version=1,
        steps=LINES[:1],
    )
    summarise(reviewed(result))
    assert capsys.readouterr().out.splitlines() == [
        "the review failed (step_failed): report failed",
        "✓ security (0.0 s): 2 findings",
    ]
