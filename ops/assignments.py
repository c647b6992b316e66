"""From what a person says on the command line to the task that is sent, checked as its clone will check it. Pure but for paths."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from clones.misfits import describe_misfit
from clones.params import PARAMS
from clones.routing import known_types, type_of
from schemas import SEQUENCE_PREFIX, RoutingTable, SchemaError, TaskAssignment, convert, is_task_id

_ELSEWHERE = re.compile(r"artifact:|[A-Za-z][A-Za-z0-9+.-]*(://|::)|[\w.-]+@[\w.-]+:")
"""What `clones.targets` takes for something else than a directory."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A task as a person describes it."""

    task_type: str
    """A type or an alias."""
    target: str | None = None
    params: str = "{}"
    """JSON."""
    labels: Iterable[str] = ()
    """`key=value` each."""
    id: str | None = None
    timeout_s: float | None = None
    retries: int | None = None
    cache: bool | None = None
    """Whether an earlier result will do; False: not, and this one is what later tasks may have; None: neither."""


def known_type(table: RoutingTable, name: str) -> str:
    """Return the task type that a type or an alias names.

    Raises:
        ValueError: nobody serves it; the message names the known ones.
    """
    task_type = type_of(table, name)
    if task_type is None:
        raise ValueError(f"no clone serves {name!r}. Known: {known_types(table)}")
    return task_type


def build(table: RoutingTable, wanted: Wanted) -> tuple[str, TaskAssignment]:
    """Return the task type and the task, with a relative target made absolute.

    Parameters are checked where they are known here: those of users' own types are not.

    Raises:
        ValueError: something of it cannot be sent or served; the message says what and where.
    """
    task_type = known_type(table, wanted.task_type)
    if wanted.id is not None and (not is_task_id(wanted.id) or wanted.id.startswith(SEQUENCE_PREFIX)):
        raise ValueError(
            f"--id {wanted.id!r} is no task id: use 1 to 64 of A-Z a-z 0-9 _ -, and none that begins with {SEQUENCE_PREFIX!r}"
        )
    params = _params(wanted)
    if (kind := PARAMS.get(task_type)) is not None:
        if "target" not in params:
            raise ValueError("there is no target: name one with --target, --upload, or in --params")
        try:
            convert(kind, params)
        except SchemaError as error:
            raise ValueError(describe_misfit(task_type, kind, error.message)) from None
    fields: dict[str, Any] = {"params": params, "labels": labels(wanted.labels)}
    fields |= {"id": wanted.id, "timeout_s": wanted.timeout_s, "retries": wanted.retries}
    fields["cache"] = {True: "use", False: "refresh", None: None}[wanted.cache]
    try:
        return task_type, convert(TaskAssignment, fields)
    except SchemaError as error:
        raise ValueError(f"the task cannot be sent: {error.message}") from None


def _params(wanted: Wanted) -> dict[str, Any]:
    try:
        params = msgspec.json.decode(wanted.params, type=dict[str, Any])
    except msgspec.ValidationError:
        raise ValueError('--params is no JSON object, such as \'{"target": "."}\'') from None
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise ValueError(f"--params is not JSON: {error}") from None
    if wanted.target is not None:
        if "target" in params:
            raise ValueError("the target is named twice: by --target or --upload, and in --params")
        params["target"] = wanted.target
    if isinstance(params.get("target"), str):
        params["target"] = absolute(params["target"])
    return params


def absolute(target: str) -> str:
    """Return a relative directory as seen from here; other targets as they are.

    Raises:
        ValueError: there is no such directory here.
    """
    if not target or _ELSEWHERE.match(target) or Path(target).is_absolute():
        return target
    path = Path(target).resolve()
    if not path.is_dir():
        raise ValueError(
            f"there is no directory {target!r} here, and it is no git URL; give one on the clone's machine as an absolute path"
        )
    return str(path)


def labels(pairs: Iterable[str]) -> Mapping[str, str]:
    """Return `key=value` texts as a mapping.

    Raises:
        ValueError: one is none.
    """
    found = {}
    for pair in pairs:
        key, separator, value = pair.partition("=")
        if not key or not separator:
            raise ValueError(f"--label {pair!r} is no key=value")
        found[key] = value
    return found
