"""Definitions as files: TOML or JSON to the structs, with problems that point at the line. Pure."""

import json
import re
import tomllib
from collections.abc import Container, Iterable, Mapping
from datetime import date, datetime, time
from typing import Any, TypeVar

import msgspec

from clones.workflows.checking import problems
from clones.workflows.lines import Lines, json_lines, toml_lines
from clones.workflows.problems import InvalidWorkflow, Path, Problem, did_you_mean, placed
from schemas import Approval, Compensation, InputField, SchemaError, Step, Wait, WorkflowDefinition, convert, is_token
from schemas.identifiers import PATTERNS, TOKEN_PATTERN

MAX_BYTES = 1_000_000
"""A stored definition must fit into a message."""
MOST_MISFITS = 20
"""So many fields of one part that do not fit are told; each takes another look at it."""

NAMES = PATTERNS[TOKEN_PATTERN]
NESTED: Mapping[str | int, type[msgspec.Struct]] = {"decision": Approval, "wait": Wait, "compensate": Compensation}
"""What a step's fields are that have fields themselves."""

_Part = TypeVar("_Part", InputField, Step, WorkflowDefinition)


def read(data: bytes, source: str) -> WorkflowDefinition:
    """Return the definition in a file, checked in itself; `source` is the file's name, which ends in `.toml` or `.json`.

    Raises:
        InvalidWorkflow: it is none; the problems are in the order of their lines.
    """
    definition, found = examined(data, source)
    if definition is None or found:
        raise InvalidWorkflow(found)
    return definition


def examined(
    data: bytes,
    source: str,
    *,
    task_types: Container[str] | None = None,
    workflows: Mapping[str, WorkflowDefinition] | None = None,
) -> tuple[WorkflowDefinition | None, tuple[Problem, ...]]:
    """Return the definition in a file and all that is wrong with it, in the order of the lines; None: it could not be read.

    `task_types` and `workflows` are as of `checking.problems`. Of a definition that can be read in part, the rest is checked
    all the same.
    """
    try:
        plain, lines = _parsed(data, source)
    except InvalidWorkflow as error:
        return None, error.problems
    found: list[Problem] = []
    definition = _definition(plain, found)
    if definition is not None:
        partly = {problem.path[:2] for problem in found if problem.path[:1] in {("input",), ("steps",)}}
        found += problems(definition, task_types=task_types, workflows=workflows, partly=partly)
    return definition, _placed(found, lines)


def _parsed(data: bytes, source: str) -> tuple[Any, Lines]:
    if len(data) > MAX_BYTES:
        raise InvalidWorkflow(
            (Problem((), f"the file has {len(data):,} bytes; a definition has {MAX_BYTES:,} at most"),)
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidWorkflow((Problem((), "the file is not UTF-8", line),)) from None
    kind = source.rsplit(".", 1)[-1].lower()
    if kind not in {"toml", "json"}:
        raise InvalidWorkflow((Problem((), f"{source}: a definition is a file that ends in .toml or .json"),))
    return _toml(text) if kind == "toml" else _json(text)


def _toml(text: str) -> tuple[Any, Lines]:
    text = text.replace("\r\n", "\n")
    try:
        return _without_moments(tomllib.loads(text)), toml_lines(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r" ?\(at (?:line (\d+), column (\d+)|end of document)\)$", str(error))
        words = str(error)[: place.start()] if place else str(error)
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        raise InvalidWorkflow((Problem((), f"this is no TOML: {words}", line),)) from None
    except RecursionError:
        raise InvalidWorkflow((Problem((), "it is nested too deeply"),)) from None


def _json(text: str) -> tuple[Any, Lines]:
    try:
        return json.loads(text, object_pairs_hook=_no_twins, parse_constant=_no_constant), json_lines(text)
    except json.JSONDecodeError as error:
        raise InvalidWorkflow((Problem((), f"this is no JSON: {error.msg}", error.lineno),)) from None
    except _Twins as error:
        again = re.compile(rf"{re.escape(json.dumps(error.key, ensure_ascii=False))}\s*:")
        places = [found.start() for found in again.finditer(text)]
        line = text.count("\n", 0, places[-1]) + 1 if places else None
        raise InvalidWorkflow((Problem((), f"an object has {error.key} twice", line),)) from None
    except ValueError as error:
        raise InvalidWorkflow((Problem((), f"this is no JSON: {error}"),)) from None
    except RecursionError:
        raise InvalidWorkflow((Problem((), "it is nested too deeply"),)) from None


class _Twins(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise _Twins(key)
        made[key] = value
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _without_moments(value: Any) -> Any:
    """Return a TOML value as JSON has it: dates and times are text."""
    if isinstance(value, dict):
        return {key: _without_moments(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_without_moments(part) for part in value]
    return value.isoformat() if isinstance(value, (datetime, date, time)) else value


def _definition(plain: Any, found: list[Problem]) -> WorkflowDefinition | None:
    """Return a definition without what does not fit, and add that to `found`; None: too little is left of it.

    Its parts are looked at one by one, to name each.
    """
    if not isinstance(plain, dict):
        found.append(Problem((), "a definition is an object"))
        return None
    parts: dict[str, Any] = {}
    around = dict(plain)
    fillers: tuple[tuple[str, type[InputField] | type[Step], Any], ...] = (
        ("input", InputField, {}),
        ("steps", Step, {"task": "x"}),
    )
    for field, kind, filler in fillers:
        given = plain.get(field)
        if isinstance(given, dict):
            found += [Problem((field, name), f"a name is {NAMES}") for name in given if not is_token(name)]
            parts[field] = {name: _part(kind, part, (field, name), found) for name, part in given.items()}
            # What does not fit is told by now; the rest is looked at with parts in their places that do.
            around[field] = dict.fromkeys((name for name in given if is_token(name)), filler)
    whole = _part(WorkflowDefinition, around, (), found)
    if whole is None or None in parts.get("steps", {}).values() or None in parts.get("input", {}).values():
        return None
    return msgspec.structs.replace(whole, **parts)


def _part(kind: type[_Part], plain: Any, at: Path, found: list[Problem]) -> _Part | None:
    """Return a part without the fields of it that do not fit, each of which is told; None: it cannot be without one."""
    required = {field.encode_name for field in msgspec.structs.fields(kind) if field.required}
    for _ in range(MOST_MISFITS):
        try:
            return convert(kind, plain)
        except SchemaError as error:
            problem = _in_place(kind, at, error.message)
        found.append(problem)
        field = problem.path[len(at)] if len(problem.path) > len(at) else None
        if not isinstance(plain, dict) or field not in plain or field in required:
            break
        plain = {name: value for name, value in plain.items() if name != field}
    return None


def _in_place(kind: type[msgspec.Struct], at: Path, message: str) -> Problem:
    """Return msgspec's message as a problem at the place that it names."""
    inner, words = placed(message)
    unknown = re.search(r"unknown field `([^`]+)`", words)
    if unknown is None:
        return Problem((*at, *inner), words)
    known = msgspec.structs.fields(NESTED.get(inner[0], kind) if inner else kind)
    near = did_you_mean(unknown[1], [field.encode_name for field in known])
    return Problem((*at, *inner, unknown[1]), f"there is no such field{near}")


def _placed(found: Iterable[Problem], lines: Lines) -> tuple[Problem, ...]:
    placed = [problem if problem.line else problem._replace(line=lines.of(problem.path)) for problem in found]
    return tuple(sorted(placed, key=lambda problem: problem.line or 0))
