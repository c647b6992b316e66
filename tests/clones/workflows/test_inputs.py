"""A workflow's input is checked and filled, and its schema says the same."""

from typing import Any

import jsonschema
import pytest

from clones.workflows.inputs import filled, input_schema
from clones.workflows.problems import InvalidInput
from schemas import InputField, Step, WorkflowDefinition

DEFINITION = WorkflowDefinition(
    name="it",
    input={
        "target": InputField(required=True, description="What to look at."),
        "depth": InputField(kind="integer", default=2),
        "share": InputField(kind="number", one_of=(0.5, 1)),
        "deep": InputField(kind="boolean", default=False),
        "tags": InputField(kind="list"),
        "more": InputField(kind="any"),
    },
    steps={"a": Step(task="x")},
)


def test_defaults_are_filled_in() -> None:
    assert filled(DEFINITION, {"target": "/x", "tags": ["a"]}) == {
        "target": "/x", "depth": 2, "share": None, "deep": False, "tags": ["a"], "more": None,
    }  # fmt: skip


FITS: list[dict[str, Any]] = [
    {"target": ""},
    {"target": "/x", "depth": -3, "share": 0.5, "deep": True, "tags": [], "more": {"any": 1}},
    {"target": "/x", "share": None, "tags": None},
]
MISFITS: list[tuple[dict[str, Any], str]] = [
    ({}, "the input has no target (What to look at.)"),
    ({"target": None}, "target is null; it must be text"),
    ({"target": "/x", "taget": 1}, "takes no input taget (did you mean target?)"),
    ({"target": "/x", "depth": True}, "depth is true; it must be a whole number"),
    ({"target": "/x", "depth": 1.5}, "it must be a whole number"),
    ({"target": "/x", "depth": None}, "depth is null"),
    ({"target": "/x", "share": 0.7}, "it must be one of 0.5, 1"),
    ({"target": "/x", "share": True}, "it must be a number"),
    ({"target": "/x", "tags": "a"}, "it must be a list"),
]


@pytest.mark.parametrize("given", FITS)
def test_what_fits(given: dict[str, Any]) -> None:
    assert filled(DEFINITION, given).items() >= given.items()
    jsonschema.validate(given, input_schema(DEFINITION), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(("given", "words"), MISFITS)
def test_what_does_not_fit(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        filled(DEFINITION, given)
    assert words in caught.value.message
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(given, input_schema(DEFINITION), cls=jsonschema.Draft202012Validator)
