"""What is said about parameters that do not fit."""

from typing import Any

import pytest

from clones.misfits import describe_misfit
from clones.params import PARAMS
from schemas import SchemaError, convert


@pytest.mark.parametrize(
    ("task_type", "params", "told"),
    [
        ("design", {"depth": 1}, "unknown field `depth`. It takes: target"),
        ("design", {}, "missing required field `target`. It takes: target"),
        (
            "testing",
            {"target": ".", "gates": {"coverage": 90}},
            "unknown field `coverage` - at `$.params.gates`. There it takes: no_failures, line_percent,",
        ),
        (
            "strategy",
            {"target": ".", "coverage": [{"file": "a.py", "missing": ["x"]}]},
            "at `$.params.coverage[0].missing[0]`. There it takes: file, missing",
        ),
        (
            "documentation",
            {"target": ".", "report_over": [{"task_type": "testing", "id": "a"}]},
            "unknown field `id` - at `$.params.report_over[0]`. There it takes: task_type, task_id,",
        ),
        ("testing", {"target": ".", "shuffles": "5"}, "at `$.params.shuffles`. It takes: target, pytest_args,"),
    ],
)
def test_a_fault_is_told_with_what_may_stand_there(task_type: str, params: dict[str, Any], told: str) -> None:
    with pytest.raises(SchemaError) as raised:
        convert(PARAMS[task_type], params)
    words = describe_misfit(task_type, PARAMS[task_type], raised.value.message)
    assert words.startswith(f"{task_type} cannot use these parameters: ")
    assert told in words
