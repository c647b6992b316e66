"""What a task that was done found to be wrong with its target."""

from datetime import UTC, datetime
from typing import Any

import pytest

from ops.flaws import is_flawed
from schemas import TaskCompletion

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def completion(task_type: str, output: Any) -> TaskCompletion:
    return TaskCompletion(
        task_id="1",
        task_type=task_type,
        clone="delta",
        instance="delta-1",
        attempt=1,
        writer="delta-1.1",
        started_at=NOW,
        finished_at=NOW,
        output=output,
    )


@pytest.mark.parametrize(
    ("data", "left_out", "flawed"),
    [
        ({"failed": 0, "errors": 0}, [], False),
        ({"failed": 6, "errors": 0}, [], True),
        ({"failed": 0, "errors": 1}, [], True),
        ({"failed": 0, "errors": 0}, [{"subject": "tests", "reason": "the budget was used up"}], True),
        ({"failed": 0, "errors": 0}, [{"subject": "coverage", "reason": "none was measured"}], False),
    ],
)
def test_tests_that_failed_or_did_not_all_run_are_a_flaw(
    data: dict[str, int], left_out: list[dict[str, str]], *, flawed: bool
) -> None:
    output = {"data": {"counts": data}, "not_analysed": left_out}
    assert is_flawed(completion("testing", output)) is flawed
    assert not is_flawed(completion("security", output))


@pytest.mark.parametrize("output", [None, "text", {}, {"data": None}, {"data_artifact": "large"}])
def test_what_says_nothing_of_tests_is_no_flaw(output: Any) -> None:
    assert not is_flawed(completion("testing", output))
