"""From what a person says on the command line to a workflow's definition and its input, checked as Omega will check them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from clones.workflows.inputs import filled
from clones.workflows.problems import InvalidInput, InvalidWorkflow, Problem, dotted
from clones.workflows.reading import read
from ops.assignments import absolute
from schemas import InputField, WorkflowDefinition

TARGET = "target"
"""The field of an input that names what is worked on, as in tasks' parameters: a relative directory is made absolute."""


def is_file(name: str) -> bool:
    """Tell whether a person means a file by this, and not the name of a workflow."""
    return "/" in name or name.endswith((".toml", ".json"))


def read_definition(path: Path) -> WorkflowDefinition:
    """Return the definition in a file (TOML or JSON, by its name).

    Raises:
        ValueError: it holds none that could be used; the message has a line for each problem.
        OSError: it cannot be read.
    """
    try:
        # What else it refers to is Omega's to know.
        return read(path.read_bytes(), str(path))
    except InvalidWorkflow as error:
        raise ValueError("\n".join(told(path, problem) for problem in error.problems)) from None


def told(path: Path, problem: Problem) -> str:
    """Return a problem as compilers tell one: `file:line: where: what`."""
    where = f"{path}:{problem.line}" if problem.line else str(path)
    return ": ".join(part for part in (where, dotted(problem.path), problem.message) if part)


def read_input(
    definition: WorkflowDefinition, pairs: Iterable[str], file: Path | None, target: str | None
) -> dict[str, Any]:
    """Return a workflow's input from a file of JSON and `key=value` pairs, which count where both have a field.

    Values are read by the kinds of the definition's fields: text as it is, all else as JSON.

    Raises:
        ValueError: it does not fit the definition; the message says what and where.
        OSError: the file cannot be read.
    """
    given = {} if file is None else _from_file(file)
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not key or not separator:
            raise ValueError(f"--input {pair!r} is no key=value")
        given[key] = _value(key, text, definition.input.get(key))
    if target is not None:
        if TARGET in given:
            raise ValueError("the target is named twice: by --target and in the input")
        given[TARGET] = target
    if isinstance(given.get(TARGET), str):
        given[TARGET] = absolute(given[TARGET])
    try:
        filled(definition, given)
    except InvalidInput as error:
        raise ValueError(error.message) from None
    return given


def _from_file(file: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except msgspec.ValidationError:
        raise ValueError(f"{file} holds no JSON object") from None
    except msgspec.DecodeError as error:
        raise ValueError(f"{file} is not JSON: {error}") from None


def _value(key: str, text: str, field: InputField | None) -> Any:
    if field is None or field.kind == "string":
        return text
    try:
        return json.loads(text)
    except ValueError:
        if field.kind == "any":
            return text
        example = {"list": '["a", "b"]', "object": '{"a": 1}', "boolean": "true"}.get(field.kind, "1")
        raise ValueError(
            f"--input {key}={text}: a {field.kind} is written as JSON, such as {key}='{example}'"
        ) from None
