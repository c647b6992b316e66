"""Subjects: what one builder makes, one parser takes apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.subjects import PRIORITIES, Subjects, TaskSubject

tokens = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,63}", fullmatch=True)
priorities = st.sampled_from((None, *PRIORITIES))
BASE = Subjects()


@given(realm=tokens, task_type=tokens, priority=priorities)
def test_task_subjects_come_back(realm: str, task_type: str, priority: None) -> None:
    subjects = Subjects(realm)
    assert subjects.parse_task(subjects.task(task_type, priority)) == TaskSubject(task_type, priority)


@given(first=st.tuples(tokens, priorities), second=st.tuples(tokens, priorities))
def test_no_two_task_subjects_share_a_consumer(first: tuple[str, None], second: tuple[str, None]) -> None:
    assert (BASE.consumer(*first) == BASE.consumer(*second)) == (first == second)


def test_a_type_named_like_anothers_priority_has_a_consumer_of_its_own() -> None:
    assert BASE.consumer("x_high") != BASE.consumer("x", "high")
    assert BASE.consumer("x-high") != BASE.consumer("x", "high")
    assert BASE.workflows_consumer != BASE.consumer("workflows")


@given(subject=st.text(max_size=60))
def test_any_text_is_parsed_or_refused(subject: str) -> None:
    parsed = BASE.parse_task(subject)
    assert parsed is None or BASE.task(parsed.task_type, parsed.priority) == subject


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "sanctuary",
        "sanctuary.task",
        "sanctuary.task.",
        "sanctuary.task.Security",
        "sanctuary.task.security.urgent",
        "sanctuary.task.security.high.more",
        "sanctuary.task.*",
        "sanctuary.task.>",
        "other.task.security",
        "sanctuary.result.security",
        "task.security",
    ],
)
def test_no_task_subjects(subject: str) -> None:
    assert BASE.parse_task(subject) is None


@pytest.mark.parametrize("realm", ["", "A", "a.b", "*", "a b", "x" * 65, "a\n"])
def test_a_realm_is_a_token(realm: str) -> None:
    with pytest.raises(ValueError, match="is no subject token"):
        Subjects(realm)


def test_the_names_on_the_wire() -> None:
    assert Subjects("s").checkpoint("Example.org/log 1") == "s.checkpoint.example-org-log-1"
    """Others speak these too; they do not change."""
    subjects = Subjects()
    assert [
        subjects.task("security"),
        subjects.task("security", "high"),
        subjects.workflow("review"),
        subjects.settle("security", "a"),
        subjects.result("security", "a"),
        subjects.event("security", "a"),
        subjects.escalation("high", "beta"),
        subjects.heartbeat("beta", "beta-1"),
        subjects.status(),
        subjects.status("beta"),
        subjects.status("beta", "beta-1"),
        subjects.call("security"),
        subjects.call_workflow("review"),
        subjects.every("result"),
        subjects.ledger,
        subjects.results,
        subjects.artifacts,
        Subjects("blue-team").ledger,
    ] == [
        "sanctuary.task.security",
        "sanctuary.task.security.high",
        "sanctuary.workflow.review",
        "sanctuary.settle.security.a",
        "sanctuary.result.security.a",
        "sanctuary.event.security.a",
        "sanctuary.escalation.high.beta",
        "sanctuary.heartbeat.beta.beta-1",
        "sanctuary.status",
        "sanctuary.status.beta",
        "sanctuary.status.beta.beta-1",
        "sanctuary.call.security",
        "sanctuary.call.workflow.review",
        "sanctuary.result.>",
        "SANCTUARY_LEDGER",
        "SANCTUARY_RESULTS",
        "sanctuary_artifacts",
        "BLUE_TEAM_LEDGER",
    ]
