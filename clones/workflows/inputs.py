"""The input of a workflow: checked, with its defaults. Pure."""

import difflib
import json
from collections.abc import Mapping
from typing import Any

from clones.workflows.problems import InvalidInput
from schemas import InputField, WorkflowDefinition

KINDS: Mapping[str, tuple[tuple[type, ...], dict[str, Any], str]] = {
    "string": ((str,), {"type": "string"}, "text"),
    "number": ((int, float), {"type": "number"}, "a number"),
    "integer": ((int,), {"type": "integer"}, "a whole number"),
    "boolean": ((bool,), {"type": "boolean"}, "true or false"),
    "list": ((list, tuple), {"type": "array"}, "a list"),
    "object": ((dict,), {"type": "object"}, "an object"),
    "any": ((object,), {}, "anything"),
}
"""By InputField's `kind`: the types that it takes, its JSON Schema, and what it is called."""


MOST_DEEP = 200
"""Lists and objects within each other; far below what can be read, so that messages with an input in them can be written too."""


def filled(definition: WorkflowDefinition, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return an input with the defaults of the fields that it leaves out; null where a field has none.

    Raises:
        InvalidInput: a field is not known, is missing, or has a value that it cannot have.
    """
    for name in given:
        if name not in definition.input:
            raise InvalidInput(_unknown(definition, name))
    whole: dict[str, Any] = {}
    for name, field in definition.input.items():
        if name in given:
            wrong = misfit(field, given[name])
            if wrong:
                raise InvalidInput(f"the input's {name} {wrong}")
            if _is_deep(given[name]):
                raise InvalidInput(f"the input's {name} is nested too deeply; it may have {MOST_DEEP} levels")
            whole[name] = given[name]
        elif field.required:
            about = f" ({field.description})" if field.description else ""
            raise InvalidInput(f"the input has no {name}{about}; the workflow {definition.name} needs it")
        else:
            whole[name] = field.default
    return whole


def _unknown(definition: WorkflowDefinition, name: str) -> str:
    near = difflib.get_close_matches(name, definition.input, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return (
        f"the workflow {definition.name} takes no input {name}{hint}; it takes {', '.join(definition.input) or 'none'}"
    )


def misfit(field: InputField, value: Any) -> str:
    """Return why a field cannot have a value, to follow its name; empty: it can. Null fits a field that is not required."""
    if value is None and not field.required and field.default is None:
        return ""
    types, _, words = KINDS[field.kind]
    # JSON's true is no number, though Python's is.
    if not isinstance(value, types) or (isinstance(value, bool) and field.kind in {"number", "integer"}):
        return f"is {_short(value)}; it must be {words}"
    if field.one_of and not any(_same(value, choice) for choice in field.one_of):
        return f"is {_short(value)}; it must be one of {', '.join(_short(choice) for choice in field.one_of)}"
    return ""


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MOST_DEEP + 1):
        level = [
            inner
            for part in level
            if isinstance(part, (dict, list, tuple))
            for inner in (part.values() if isinstance(part, dict) else part)
        ]
    return bool(level)


def _same(value: Any, choice: Any) -> bool:
    return bool(value == choice) and isinstance(value, bool) == isinstance(choice, bool)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:60]}…"


def input_schema(definition: WorkflowDefinition) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a workflow's input."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Input of the workflow {definition.name}",
        "type": "object",
        "properties": {name: _field_schema(field) for name, field in definition.input.items()},
        "required": [name for name, field in definition.input.items() if field.required],
        "additionalProperties": False,
    }


def _field_schema(field: InputField) -> dict[str, Any]:
    schema = dict(KINDS[field.kind][1])
    nullable = not field.required and field.default is None
    if nullable and "type" in schema:
        schema["type"] = [schema["type"], "null"]
    if field.one_of:
        schema["enum"] = [*field.one_of, *([None] if nullable else [])]
    if field.description:
        schema["description"] = field.description
    if field.default is not None:
        schema["default"] = field.default
    return schema
