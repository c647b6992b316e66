"""A case: one task with what it asked for and what was said about it, and its picture."""

from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

from msgspec import structs

from ops.case import DEEPEST, Case, cases
from ops.entries import Entry
from ops.gantt import MOST_ROWS, gantt
from schemas import (
    ArtifactRef,
    RecoveryAction,
    StepLine,
    TaskAssignment,
    WorkflowCompletion,
    WorkflowStart,
)
from tests.ops.test_stories import BEGIN, at, completion, entry, failure, parked, resumed, started
from tests.ops.test_timeline import command, verdict

NOW = BEGIN + timedelta(seconds=60)


def asked(sequence: int, task_id: str, task_type: str = "security", **fields: Any) -> Entry:
    return entry(sequence, TaskAssignment(id=task_id, **fields), subject=f"sanctuary.task.{task_type}")


def parsed(drawn: str) -> ET.Element:
    return ET.fromstring(drawn)  # noqa: S314  our own picture


def only_case(entries: list[Entry], task_id: str) -> Case:
    found = cases(entries, task_id, {}, {})
    assert len(found) == 1
    return found[0]


def test_a_tasks_case_holds_what_was_decided_and_who_asked() -> None:
    entries = [
        asked(1, "t1", parent_id="w1", labels={"team": "a"}, traceparent="00-abc-def-01", retry_of="t0"),
        entry(2, started()),
        entry(4, parked()),
        command(33),
        entry(34, resumed(seconds=34)),
        entry(35, verdict("goes on"), subject="sanctuary.result.command.seq-33"),
        entry(40, completion(2, begun=35, ended=39)),
    ]
    case = only_case(entries, "t1")
    assert [moment.kind for moment in case.moments] == [
        "submitted",
        "started",
        "parked",
        "command",
        "resumed",
        "completed",
    ]
    assert "goes on" in case.moments[3].words
    assert (case.submitter, case.retry_of, case.traceparent, case.signature) == (
        "workflow w1",
        "t0",
        "00-abc-def-01",
        None,
    )
    assert [span.phase for span in case.spans] == ["queued", "running", "parked", "queued", "running"]
    assert case.end == at(39)


def test_a_run_has_its_steps_and_their_tasks_below_it() -> None:
    lines = (
        StepLine(step="scan", kind="security", state="completed", task_id="t1", started_at=at(2), finished_at=at(9)),
        StepLine(step="ask", kind="decision", state="completed", started_at=at(9), finished_at=at(20)),
    )
    base = structs.asdict(structs.replace(completion(begun=1, ended=21), task_id="w1", task_type="workflow"))
    ref = ArtifactRef(name="a/b", filename="b", media_type="text/plain", size_bytes=1, digest="SHA-256=x")
    done = WorkflowCompletion(**{**base, "artifacts": (ref,)}, workflow="review", version=3, steps=lines)
    entries = [
        entry(1, WorkflowStart(id="w1", labels={"schedule": "nightly"}), subject="sanctuary.workflow.review"),
        asked(2, "t1", parent_id="w1"),
        asked(3, "t2", "testing", parent_id="t1", parent_type="security"),
        asked(4, "other", "testing", parent_id="t1", parent_type="documentation"),
        entry(5, completion(begun=3, ended=9)),
        entry(6, done, subject="sanctuary.result.workflow.w1"),
    ]
    case = only_case(entries, "w1")
    assert (case.workflow, case.submitter, case.artifacts) == ("review", "schedule nightly", (ref,))
    assert [child.story.task_id for child in case.children] == ["t1"]
    assert [child.story.task_id for child in case.children[0].children] == ["t2"]
    assert case.end is None  # a task of it still waits

    drawn = gantt(case, NOW)
    names = [text.text for text in parsed(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert [name for name in names if name in ("review", "scan", "testing t2", "ask")] == [
        "review",
        "scan",
        "testing t2",
        "ask",
    ]
    assert drawn == gantt(case, NOW)


def test_what_strangers_wrote_is_escaped_in_the_picture() -> None:
    entries = [
        asked(1, "t1"),
        entry(2, structs.replace(failure(), message="</title><script>x</script>\x00")),
    ]
    drawn = gantt(only_case(entries, "t1"), NOW)
    assert parsed(drawn).tag.endswith("svg")
    assert "<script" not in drawn


def test_ids_that_name_each_other_are_told_once_and_no_chain_is_too_long() -> None:
    entries = [asked(1, "a", parent_id="b"), asked(2, "b", parent_id="a"), asked(3, "b", "testing", parent_id="a")]
    case = only_case(entries, "a")
    assert [(child.story.task_id, len(child.children)) for child in case.children] == [("b", 0), ("b", 0)]

    chain = [asked(number + 1, f"n{number}", parent_id=f"n{number - 1}") for number in range(2 * DEEPEST)]
    depth, found = 0, only_case(chain, "n0")
    while found.children:
        depth, found = depth + 1, found.children[0]
    assert depth == DEEPEST


def test_a_picture_of_many_tasks_says_how_many_it_leaves_out() -> None:
    entries = [asked(1, "w"), *(asked(number, f"c{number}", parent_id="w") for number in range(2, MOST_ROWS + 12))]
    drawn = gantt(only_case(entries, "w"), NOW)
    assert "and 11 more" in drawn


def test_a_cancel_of_another_task_is_not_told() -> None:
    action = RecoveryAction(task_id="t2", task_type="security", action="fail")
    entries = [asked(1, "t1"), entry(2, action, subject="sanctuary.command.security")]
    assert [moment.kind for moment in only_case(entries, "t1").moments] == ["submitted"]
