"""A history tells what its entries led to, and how it ended."""

from collections.abc import Sequence
from datetime import UTC, datetime

from bus.histories import Written
from clones.workflows.ids import step_id
from ops.history_rows import rows
from schemas import (
    Approval,
    CancelRequested,
    Compensation,
    DecisionMade,
    Step,
    StepEnded,
    TaskFailure,
    WorkflowBegun,
    WorkflowCompletion,
    WorkflowDefinition,
    WorkflowEntry,
    WorkflowEvent,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
FLOW = WorkflowDefinition(
    name="flow",
    steps={
        "make": Step(task="x", compensate=Compensation(task="x")),
        "each": Step(task="x", foreach="`[1, 2]`"),
        "never": Step(task="x", when="`false`"),
        "go": Step(decision=Approval(prompt="Go?"), needs=("make", "each")),
        "last": Step(task="x", needs=("go",)),
    },
)


def ended(step: str, index: int | None = None) -> StepEnded:
    return StepEnded(
        step=step,
        index=index,
        state="completed",
        task_type="x",
        task_id=step_id("w", step, index, secret=""),
        finished_at=AT,
        sequence=1,
    )


def written(*entries: Sequence[WorkflowEvent]) -> list[Written]:
    return [
        Written(
            10 * number,
            AT,
            WorkflowEntry(
                workflow_id="w",
                workflow="flow",
                version=1,
                at=AT,
                instance=f"omega-{number}",
                activation=7,
                events=tuple(events),
            ),
        )
        for number, events in enumerate(entries, 1)
    ]


def told(history: list[Written], **of: object) -> list[str]:
    return [
        f"{'' if row.sequence is None else f'#{row.sequence} '}{row.words}"
        for row in rows(history, of.get("definition", FLOW), of.get("result"))  # type: ignore[arg-type]
    ]


DONE = [ended("make"), ended("each", 0), ended("each", 1)]


def test_what_an_entry_leads_to_follows_it() -> None:
    decided = DecisionMade(step="go", verdict="approve", decided_by="ann", command=9)
    result = WorkflowCompletion(
        task_id="w",
        task_type="workflow",
        clone="omega",
        instance="omega-9",
        writer="omega-9.w",
        attempt=1,
        started_at=AT,
        finished_at=AT,
        summary="it is done",
        workflow="flow",
        version=1,
        steps=(),
    )
    assert told(written([WorkflowBegun(input={})], DONE, [decided], [ended("last")]), result=result) == [
        "#10 begun",
        "→ make, each (2 elements) begin",
        "→ never is skipped: its condition does not hold",
        "#20 make completed; each[0] completed; each[1] completed",
        "→ go waits: Go?",
        "#30 go approved by ann",
        "→ last begins",
        "#40 last completed",
        "the run is completed: it is done",
    ]


def test_an_end_before_the_time_is_told_with_what_it_undoes() -> None:
    result = TaskFailure(
        task_id="w",
        task_type="workflow",
        clone="omega",
        instance="omega-9",
        writer="omega-9.w",
        attempt=1,
        started_at=AT,
        finished_at=AT,
        code="cancelled",
        message="cancelled by ann: too late",
        retryable=False,
    )
    cancelled = written([WorkflowBegun(input={})], DONE, [CancelRequested(by="ann", reason="too late")])
    said = told(cancelled, result=result)
    assert said[5] == "#30 cancel asked for by ann: too late"
    assert "→ make is being undone" in said[6:]
    assert any(words.startswith("→ the run is to end: cancelled") for words in said[6:])
    assert said[-1] == "the run has ended: cancelled: cancelled by ann: too late"


def test_without_its_definition_the_entries_are_told_alone() -> None:
    assert told(written([WorkflowBegun(input={})], []), definition=None) == [
        "#10 begun",
        "#20 omega-2 takes the run up",
    ]
