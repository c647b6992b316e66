"""What a run of the tests found, as statements: by the files that it left, and by running what failed once more."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clones.engines.running.by_hand import pytest_line
from clones.engines.running.offline import wants_network, why_not
from clones.engines.statements import Statement

MAX_FAILURES = 30
"""Failures with a command of their own."""
_HEAD_BYTES = 4096
_TOTALS = r'errors="([0-9]+)" failures="([0-9]+)" skipped="([0-9]+)" tests="([0-9]+)"'
_LINES = r'lines-valid="([0-9]+)" lines-covered="([0-9]+)"'


def totals(out: Path) -> list[dict[str, Any]]:
    """Return what `junit.xml` and `coverage.xml` in `out` say at their beginning; each statement needs its file."""
    found: list[dict[str, Any]] = []
    if (told := _first(out / "junit.xml", _TOTALS)) is not None:
        errors, failures, skipped, tests = told.groups()
        text = (
            f"pytest's own record counts {tests} tests with {failures} failures and {errors} errors, {skipped} skipped"
        )
        found.append(_of_file("junit.xml", text, _TOTALS, told[0]))
    if (told := _first(out / "coverage.xml", _LINES)) is not None:
        valid, covered = told.groups()
        text = f"coverage's own record counts {covered} of {valid} lines as run"
        found.append(_of_file("coverage.xml", text, _LINES, told[0]))
    return found


def failures(found: Sequence[Mapping[str, Any]], copy: Path, *, network: bool) -> list[dict[str, Any]]:
    """Return the failures, the first of them with `check`: the test run once more, by itself.

    `network` is whether the tests were given one.
    """
    return [
        {**each, "check": _failure(each, copy, network=network).plain()} if place < MAX_FAILURES else dict(each)
        for place, each in enumerate(found)
    ]


def _failure(failure: Mapping[str, Any], copy: Path, *, network: bool) -> Statement:
    test = str(failure["test"])
    without = not network and not why_not() and wants_network(str(failure["message"]))
    text = f"`{test}` fails" + (" without a network" if without else "")
    return Statement(text=text, how_to_check=pytest_line(copy, [test], network=not without), expected="fails")


def _first(file: Path, pattern: str) -> re.Match[str] | None:
    try:
        with file.open("rb") as opened:
            return re.search(pattern, opened.read(_HEAD_BYTES).decode(errors="replace"))
    except OSError:
        return None


def _of_file(name: str, text: str, pattern: str, expected: str) -> dict[str, Any]:
    plain = pattern.replace("(", "").replace(")", "")
    statement = Statement(text=text, how_to_check=f"grep -oE '{plain}' {name} | head -n 1", expected=expected)
    return {"needs_file": name, **statement.plain()}
