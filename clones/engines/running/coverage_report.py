"""Figures from coverage.py's JSON report. Pure."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import msgspec

MAX_MISSING = 40
"""Missing lines given for each file, as ranges."""
MAX_FILES = 300


class FileCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """One file; branches are None where it has none."""

    file: str
    lines_covered: int
    lines_total: int
    branches_covered: int
    branches_total: int
    missing: tuple[str, ...]
    """Ranges of lines that no test ran: `"12"`, `"40-45"`."""
    executed: tuple[int, ...] = ()
    not_executed: tuple[int, ...] = ()
    """Every line with a statement is in one of the two."""


def files_of(report: Mapping[str, Any]) -> tuple[FileCoverage, ...]:
    """Return the files of `coverage json`, by path; empty ones have no statement and are left out."""
    found = []
    for name, entry in report["files"].items():
        summary = entry["summary"]
        if summary["num_statements"]:
            found.append(
                FileCoverage(
                    file=PurePosixPath(name).as_posix(),
                    lines_covered=summary["covered_lines"],
                    lines_total=summary["num_statements"],
                    branches_covered=summary.get("covered_branches", 0),
                    branches_total=summary.get("num_branches", 0),
                    missing=tuple(ranges(entry["missing_lines"])[:MAX_MISSING]),
                    executed=tuple(entry["executed_lines"]),
                    not_executed=tuple(entry["missing_lines"]),
                )
            )
    return tuple(sorted(found, key=lambda item: item.file))


def totals(files: tuple[FileCoverage, ...]) -> dict[str, Any] | None:
    """Return the sums over `files` and their percentages; None where nothing was measured."""
    if not files:
        return None
    lines_covered, lines_total = sum(f.lines_covered for f in files), sum(f.lines_total for f in files)
    branches_covered, branches_total = sum(f.branches_covered for f in files), sum(f.branches_total for f in files)
    return {
        "line_percent": percent(lines_covered, lines_total),
        "branch_percent": percent(branches_covered, branches_total),
        "lines_covered": lines_covered,
        "lines_total": lines_total,
        "branches_covered": branches_covered,
        "branches_total": branches_total,
    }


def by_file(files: tuple[FileCoverage, ...]) -> list[dict[str, Any]]:
    """Return the table of files, those with the most missing lines first, at most `MAX_FILES`."""
    ordered = sorted(files, key=lambda item: (item.lines_covered - item.lines_total, item.file))
    return [
        {
            "file": item.file,
            "line_percent": percent(item.lines_covered, item.lines_total),
            "branch_percent": percent(item.branches_covered, item.branches_total),
            "lines_covered": item.lines_covered,
            "lines_total": item.lines_total,
            "missing": list(item.missing),
        }
        for item in ordered[:MAX_FILES]
    ]


def percent(part: int, whole: int) -> float | None:
    """Return `part` of `whole` in percent, rounded down to two places so that 100 means all; None of nothing."""
    return part * 10000 // whole / 100 if whole else None


def ranges(lines: list[int]) -> list[str]:
    """Write sorted line numbers as ranges.

    >>> ranges([3, 7, 8, 9])
    ['3', '7-9']
    """
    spans: list[list[int]] = []
    for line in sorted(lines):
        if spans and line == spans[-1][1] + 1:
            spans[-1][1] = line
        else:
            spans.append([line, line])
    return [str(first) if first == last else f"{first}-{last}" for first, last in spans]
