"""A routing table as a TOML file: read with errors that name line and key, and written to be read and changed by people. Pure.

    [weights]
    high = 8

    [aliases]
    security-analysis = "security"

    [routes.security]
    clone = "beta"
    backoff = { initial_s = 1 }

The keys are the fields of `schemas.RoutingTable`, `Weights`, `Route` and `Backoff`.
"""

import re
import tomllib
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, get_args, get_origin

import msgspec

from clones.conflicts import conflicts, did_you_mean
from ops.toml_lines import line_of
from schemas import Route, RoutingTable, Weights, is_token
from schemas.identifiers import Token

Path = tuple[str, ...]

_NAMES = "1 to 64 of a-z, 0-9, _ and -, beginning with a letter or digit"
_KINDS = {"str": "text", "float": "a number", "int": "a whole number", "array": "a list", "object": "a table"}


class Problem(NamedTuple):
    """What is wrong with a file, where, and what to do."""

    path: Path
    message: str


class InvalidTable(ValueError):
    """A file holds no routing table that could be put into force; the message has a line for each problem."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def read_table(text: str, name: str) -> RoutingTable:
    """Return the table in `text`; `name` is the file's, for the messages.

    Raises:
        InvalidTable: it is no TOML, has keys or values that a table cannot have, or conflicts with itself.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        words = str(error)
        found = re.search(r"line (\d+)", words)
        where = f"{name}:{found[1] if found else text.count(chr(10)) + 1}"
        raise InvalidTable([f"{where}: this is no TOML: {words}"]) from None
    problems: list[Problem] = []
    table = _table(data, problems)
    if table is not None and not problems:
        problems = [Problem(*conflict) for conflict in conflicts(table)]
        if not problems:
            return table
    placed = [(line_of(text, problem.path), problem) for problem in problems]
    placed.sort(key=lambda each: each[0] or 0)
    raise InvalidTable(
        f"{f'{name}:{line}' if line else name}: {'.'.join(problem.path)}: {problem.message}" for line, problem in placed
    )


def _table(data: dict[str, Any], problems: list[Problem]) -> RoutingTable | None:
    known = {field.name: data.get(field.name, {}) for field in msgspec.structs.fields(RoutingTable)}
    problems += [Problem((key,), _unknown(key, known, "a routing table")) for key in data if key not in known]
    for key, value in known.items():
        if not isinstance(value, dict):
            problems.append(Problem((key,), f"is to be a table: write [{key}]"))
            return None
    weights = _struct(Weights, known["weights"], ("weights",), problems)
    aliases = {alias: _value(Token, name, ("aliases", alias), problems) for alias, name in known["aliases"].items()}
    routes = {}
    for task_type, settings in known["routes"].items():
        path = ("routes", task_type)
        if isinstance(settings, dict):
            routes[task_type] = _struct(Route, settings, path, problems)
        else:
            problems.append(Problem(path, f"is to be a table: write [routes.{task_type}] and its settings below"))
    problems += [
        Problem((part, key), f"{key!r} is no name: use {_NAMES}")
        for part in ("aliases", "routes")
        for key in known[part]
        if not is_token(key)
    ]
    if problems:
        return None
    return msgspec.convert({"weights": weights, "aliases": aliases, "routes": routes}, RoutingTable)


def _struct(kind: type[msgspec.Struct], data: dict[str, Any], path: Path, problems: list[Problem]) -> Any:
    """Return the struct that `data` holds; what is wrong with it goes to `problems`."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    what = {Weights: "the weights", Route: "a route"}.get(kind, f"{path[-1]}")
    problems += [Problem((*path, key), _unknown(key, fields, what)) for key in data if key not in fields]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name not in data:
            if field.required:
                problems.append(Problem(path, f"has no {name}, which every route needs"))
        elif isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            if isinstance(data[name], dict):
                values[name] = _struct(field.type, data[name], (*path, name), problems)
            else:
                example = f"{name} = {{ {msgspec.structs.fields(field.type)[0].name} = 1 }}"
                problems.append(Problem((*path, name), f"is to be a table, such as {example}"))
        else:
            values[name] = _value(field.type, data[name], (*path, name), problems)
    return kind(**values) if not problems else None


def _value(kind: Any, value: Any, path: Path, problems: list[Problem]) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problems.append(Problem(path, _in_words(kind, value, str(error))))
        return None


def _in_words(kind: Any, value: Any, problem: str) -> str:
    """Return what msgspec says about a value, for people. TOML has no null: what may be none is left out."""
    if get_origin(kind) is Literal:
        return f"{value!r} is none of {', '.join(get_args(kind))}{did_you_mean(str(value), get_args(kind))}"
    if "matching regex" in problem:
        return f"{value!r} is no name: use {_NAMES}"
    words = problem.split(" - at ", 1)[0]
    return "is wrong: " + re.sub(
        r"`([^`]+)`",
        lambda match: " or ".join(_KINDS.get(each, each) for each in match[1].split(" | ") if each != "null"),
        words,
    ).replace("Expected", "expected", 1)


def _unknown(key: str, known: Iterable[str], what: str) -> str:
    names = list(known)
    return f"there is no such setting{did_you_mean(key, names)}; {what} takes {', '.join(names)}"
