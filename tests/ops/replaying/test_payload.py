"""What of a result is its answer."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ops.replaying.payload import MOST_DIFFERENCES, differences, digest, payload
from schemas import ArtifactRef, StepLine, TaskCompletion, TaskFailure, TaskResult, WorkflowCompletion

AT = datetime(2026, 1, 1, tzinfo=UTC)


def done(output: Any = None, **fields: Any) -> TaskCompletion:
    told: dict[str, Any] = {
        "task_id": "x",
        "task_type": "testing",
        "clone": "delta",
        "instance": "delta-1",
        "attempt": 1,
        "started_at": AT,
        "finished_at": AT,
        "writer": "w",
    }
    return TaskCompletion(**{**told, **fields}, output=output)


def failed(code: str, message: str) -> TaskFailure:
    return TaskFailure(
        task_id="x",
        task_type="testing",
        clone="d",
        instance="d",
        finished_at=AT,
        writer="w",
        code=code,
        message=message,
    )


def ref(name: str, filename: str, digest: str = "") -> ArtifactRef:
    return ArtifactRef(name=name, filename=filename, media_type="text/plain", size_bytes=1, digest=digest)


EQUAL: dict[str, tuple[TaskResult, TaskResult]] = {
    "who did it, when, and in which words": (
        done({"a": 1}, summary="3 tests in 1.1 s"),
        done({"a": 1}, summary="3 tests in 2 s", task_id="y", instance="delta-2", attempt=2, writer="v"),
    ),
    "durations and moments": (
        done({"data": {"duration_s": 1.5, "took_ms": 3, "used_at": "x", "rows": [{"wall_s": 1}]}}),
        done({"data": {"duration_s": 2.5, "took_ms": 4, "used_at": "y", "rows": [{"wall_s": 2}]}}),
    ),
    "who did a step": (done({"steps": [{"clone": "beta"}]}), done({"steps": [{"clone": "delta"}]})),
    "ids of other tasks": (done({"steps": [{"task_id": "a"}]}), done({"steps": [{"task_id": "b"}]})),
    "what was measured": (done({"slowest": [1], "hot": [{"a": 1}]}), done({"slowest": [2, 3], "hot": []})),
    "temporary paths": (done("in /tmp/abc-1/out.txt"), done("in /tmp/xyz/out.txt")),
    "durations in words": (done("1 failed in 1.1 s;"), done("1 failed in 12.34 s;")),
    "what is in files": (
        done(None, artifacts=(ref("x/1/a", "a", "1"),)),
        done(None, artifacts=(ref("y/1/a", "a", "2"),)),
    ),
    "the words of a failure": (failed("engine_failed", "after 3 s"), failed("engine_failed", "after 4 s in /tmp/q")),
    "the order of fields": (done({"a": 1, "b": 2}), done({"b": 2, "a": 1})),
}
DIFFERENT: dict[str, tuple[TaskResult, TaskResult]] = {
    "a value": (done({"count": 1}), done({"count": 2})),
    "the kind of a value": (done({"count": 1}), done({"count": "1"})),
    "the order of what is found": (done([1, 2]), done([2, 1])),
    "words": (done({"message": "one"}), done({"message": "two"})),
    "the files": (done(artifacts=(ref("n", "a"),)), done(artifacts=(ref("n", "b"),))),
    "done or not": (done(), failed("engine_failed", "")),
    "how it failed": (failed("engine_failed", ""), failed("tool_missing", "")),
}


@pytest.mark.parametrize(("one", "other"), EQUAL.values(), ids=EQUAL)
def test_what_does_not_count(one: TaskResult, other: TaskResult) -> None:
    assert digest(payload(one)) == digest(payload(other))
    assert differences(payload(one), payload(other)) == []


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_counts(one: TaskResult, other: TaskResult) -> None:
    assert digest(payload(one)) != digest(payload(other))
    assert differences(payload(one), payload(other))


def test_findings_that_travelled_as_a_file_count() -> None:
    result = done({"target": ".", "data_artifact": "x/1/data.json"}, artifacts=(ref("x/1/data.json", "data.json"),))
    assert payload(result, {"n": 1}) == payload(result, {"n": 1, "duration_s": 3})
    assert payload(result, {"n": 1}) != payload(result, {"n": 2})


def test_the_steps_of_a_run_count_by_how_they_ended() -> None:
    def run(state: Any, task_id: str) -> WorkflowCompletion:
        told = {name: getattr(done(), name) for name in TaskCompletion.__struct_fields__}
        line = StepLine(step="one", kind="testing", state=state, task_id=task_id)
        return WorkflowCompletion(**told, workflow="w", version=1, steps=(line,))

    assert payload(run("completed", "a")) == payload(run("completed", "b"))
    assert payload(run("completed", "a")) != payload(run("failed", "a"))


def test_the_words_of_a_run_that_are_those_of_its_steps_do_not_count() -> None:
    def run(words: str) -> WorkflowCompletion:
        told = {name: getattr(done({"said": words, "own": "a"}), name) for name in TaskCompletion.__struct_fields__}
        line = StepLine(step="one", kind="testing", state="completed", message=words)
        return WorkflowCompletion(**told, workflow="w", version=1, steps=(line,))

    assert payload(run("3 of 4")) == payload(run("4 of 4"))
    assert payload(run("3 of 4"))["output"] == {"said": "<what is said of one>", "own": "a"}


def test_differences_are_named_by_their_place_and_bounded() -> None:
    before, after = {"a": [1, {"b": "x"}], "gone": 1}, {"a": [1, {"b": "y"}, 3], "new": 2}
    assert differences(before, after) == [
        '$.a[1].b: "x" → "y"',
        "$.a[2]: added: 3",
        "$.gone: gone: 1",
        "$.new: added: 2",
    ]
    assert len(differences(list(range(100)), list(range(1, 101)))) == MOST_DIFFERENCES + 1
    assert len(differences("x" * 100_000, "y")[0]) < 300
