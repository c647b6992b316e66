"""Which versions a range of OSV's schema holds, ordered as each ecosystem orders its versions."""

import re
from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

Ecosystem = Literal["PyPI", "npm", "Go"]

_SEMVER = re.compile(
    r"[v=]?(?P<numbers>\d{1,18}(?:\.\d{1,18}){0,2})(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)
_BEGINNING = "0"
"""An `introduced` that comes before every version."""
_MAX_CHARS = 256


class Event(msgspec.Struct, frozen=True):
    """Where something begins or ends; of its fields one is set."""

    introduced: str | None = None
    fixed: str | None = None
    last_affected: str | None = None
    limit: str | None = None


class Range(msgspec.Struct, frozen=True):
    """A range of versions, or of commits (`GIT`), which no lock file names."""

    type: str
    events: tuple[Event, ...] = ()


def normalised(ecosystem: Ecosystem, name: str) -> str:
    """Return a package's name as the ecosystem compares names."""
    return canonicalize_name(name) if ecosystem == "PyPI" else name


def order(ecosystem: Ecosystem, version: str) -> Any:
    """Return what versions of one ecosystem are ordered by (PEP 440; Semantic Versioning 2.0, section 11).

    Raises:
        ValueError: the ecosystem has no such version.
    """
    if len(version) > _MAX_CHARS:
        raise ValueError("too long")
    if ecosystem == "PyPI":
        try:
            return Version(version)
        except InvalidVersion as error:
            raise ValueError(str(error)) from None
    match = _SEMVER.fullmatch(version.strip())
    if match is None:
        raise ValueError(f"no semantic version: {version}")
    numbers = [int(number) for number in match["numbers"].split(".")]
    # a release comes after all its pre-releases; numbers before words, in the order of their value
    pre = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in (match["pre"] or "").split(".") if part]
    return (*numbers, 0, 0)[:3], not pre, pre


def is_affected(ecosystem: Ecosystem, version: str, ranges: Iterable[Range], versions: Iterable[str]) -> bool:
    """Whether a version is listed or in a range (the schema's own algorithm, section "Evaluation")."""
    if version in set(versions):
        return True
    try:
        at = order(ecosystem, version)
    except ValueError:
        return False
    return _is_listed(ecosystem, at, versions) or any(
        _is_within(ecosystem, at, each) for each in ranges if each.type in {"SEMVER", "ECOSYSTEM"}
    )


def first_fix(ecosystem: Ecosystem, version: str, ranges: Iterable[Range]) -> str | None:
    """Return the lowest version above `version` that a range names as fixed."""
    try:
        at = order(ecosystem, version)
        fixes = [event.fixed for each in ranges if each.type != "GIT" for event in each.events if event.fixed]
        later = [(order(ecosystem, fix), fix) for fix in fixes]
    except ValueError:
        return None
    return min((each for each in later if each[0] > at), default=(None, None))[1]


def _is_listed(ecosystem: Ecosystem, at: Any, versions: Iterable[str]) -> bool:
    """Whether a version is listed in another spelling (`1.0` for `1.0.0`)."""
    for each in versions:
        try:
            if order(ecosystem, each) == at:
                return True
        except ValueError:
            continue
    return False


def _is_within(ecosystem: Ecosystem, at: Any, within: Range) -> bool:
    try:
        limits = [event.limit for event in within.events if event.limit is not None]
        if limits and not any(limit == "*" or at < order(ecosystem, limit) for limit in limits):
            return False
        inside = False
        for _, _, event in sorted(_placed(ecosystem, within), key=lambda each: each[:2]):
            if event.introduced is not None:
                inside = inside or event.introduced == _BEGINNING or at >= order(ecosystem, event.introduced)
            elif event.fixed is not None:
                inside = inside and at < order(ecosystem, event.fixed)
            elif event.last_affected is not None:
                inside = inside and at <= order(ecosystem, event.last_affected)
    except ValueError:
        return False  # a bound that is no version: the record's list of versions holds what its author meant
    return inside


def _placed(ecosystem: Ecosystem, within: Range) -> list[tuple[bool, Any, Event]]:
    """Return the events with their places: the beginning of all first."""
    placed = []
    for event in within.events:
        bound = event.introduced or event.fixed or event.last_affected
        if bound is not None:
            placed.append((bound != _BEGINNING, order(ecosystem, bound), event))
    return placed
