"""The first things that a built-in type's result has found, a line each, for whoever waits for it at a terminal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ops.cli.text import shortened

MAX_ROWS = 5
"""Of one list; that there are more is told."""
MAX_WIDTH = 200
LEAST_SHARE = 0.01
"""Of a profile's time, below which a function is not called hot."""

Row = Mapping[str, Any]


def found(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines about what an engine's `data` lists; none where it lists nothing of what is known here."""
    for path, words in _LISTS.items():
        rows = [row for row in _rows(data, path.split(".")) if words(row)]
        yield from (shortened(words(row), MAX_WIDTH) for row in rows[:MAX_ROWS])
        total = data.get(f"{path}_total")
        more = (total if isinstance(total, int) else len(rows)) - MAX_ROWS
        if more > 0:
            yield f"and {more} more of `{path}`"


def _rows(node: Any, names: Sequence[str]) -> Iterator[Row]:
    """Yield the objects at a path, through every list on the way."""
    if isinstance(node, list):
        for each in node:
            yield from _rows(each, names)
    elif isinstance(node, dict):
        if names:
            yield from _rows(node.get(names[0]), names[1:])
        else:
            yield node


def _statement(row: Row) -> str:
    check = row.get("check")
    return str(row.get("text") or (check.get("text") if isinstance(check, dict) else None) or "")


def _finding(row: Row) -> str:
    new = "new, " if row.get("state") == "new" else ""
    return f"{new}{row.get('severity')}: {row.get('title')} ({row.get('file')}:{row.get('line')})"


def _review(row: Row) -> str:
    return f"to review: {row.get('title')} ({row.get('file')}:{row.get('line')})"


def _failure(row: Row) -> str:
    message = str(row.get("message") or "").strip().partition("\n")[0]
    return f"{row.get('test')} failed" + (f": {message}" if message else "")


def _gate(row: Row) -> str:
    return "" if row.get("verdict") == "passed" else f"gate {row.get('gate')} {row.get('verdict')}: {row.get('reason')}"


def _cycle(row: Row) -> str:
    way = [str(each) for each in row.get("shortest") or ()]
    return f"cycle: {' -> '.join([*way, *way[:1]])}" if way else ""


def _hot(row: Row) -> str:
    share = row.get("self_share")
    if not isinstance(share, float) or share < LEAST_SHARE:
        return ""
    return f"{share:.0%} of the time in {row.get('function')} ({row.get('file')}:{row.get('line')})"


def _property(row: Row) -> str:
    return _statement(row) if row.get("outcome") == "fails" else ""


_LISTS: Mapping[str, Callable[[Row], str]] = {
    "findings": _finding,
    "reviews": _review,
    "gates": _gate,
    "failures": _failure,
    "shuffles.tests": _statement,
    "subjects": _statement,
    "suspects": _statement,
    "cycle_details": _cycle,
    "contracts.declared.violations": _statement,
    "risks": _statement,
    "unused": _statement,
    "duplicates": _statement,
    "hot": _hot,
    "patterns.found": _statement,
    "ranked": _statement,
    "properties.tests": _property,
    "survivors": _statement,
    "breaking": _statement,
    "risky": _statement,
    "entries": _statement,
    "documents.findings": _statement,
    "docstrings.findings": _statement,
    "tests": _statement,
    "reading_order": _statement,
}
"""What each list says in a line; the paths are those of `data` of the built-in types' results."""
