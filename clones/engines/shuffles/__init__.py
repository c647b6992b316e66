"""Flaky and order-dependent tests: the tests run again in other orders, each time from the same files."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clones.engines import isolation
from clones.engines.checks import literal
from clones.engines.contract import NotAnalysed, Progress
from clones.engines.running.by_hand import pytest_line
from clones.engines.shuffles.rounds import Changed, Shuffled, shuffle
from clones.engines.statements import Statement
from clones.engines.triage.running import Ran, Runner

__all__ = ["RECORD", "Shuffled", "in_words", "left_out", "look", "record", "told"]

RECORD = "shuffles.txt"
"""The file with each outcome of the tests that changed theirs: `order=3 failed tests/test_a.py::test_b`, run by run."""
_MOST_NAMES = 50
"""In a statement's command."""
_TRIES = 30


def look(
    root: Path, pristine: Path, arguments: Sequence[str], *, asked: int, runner: Runner, progress: Progress
) -> Shuffled:
    """Run the tests of the copy `root` in `asked` other orders; `pristine` is what it holds at the beginning of each run.

    Raises:
        EngineError: the interpreter cannot be started.
    """

    def run(tests: Sequence[str], seed: int | None) -> Ran:
        isolation.restore(root, pristine)
        if tests:
            return runner.some(root, tests, arguments, most_s=runner.left_s())
        order = "" if seed is None else f"seed:{seed}"
        return runner.tests(root, arguments, most_s=runner.left_s(), order=order)

    return shuffle(run, asked, runner.left_s, lambda message: progress(0.9, message))


def record(found: Shuffled) -> str:
    """Return the text of `RECORD`."""
    lines = []
    for each in found.rounds:
        order = "own" if each.seed is None else each.seed
        for test in (changed.test for changed in found.changed):
            outcome = each.ran.outcome(test)
            if outcome is not None:
                lines.append(f"order={order} {'passed' if outcome else 'failed'} {test}\n")
    return "".join(lines)


def left_out(found: Shuffled, asked: int) -> list[NotAnalysed]:
    """Return what there was no time for."""
    notes = []
    if found.done < asked:
        reason = f"the budget allowed {found.done} of {asked} other orders; allow more time"
        notes.append(NotAnalysed(subject="shuffles", reason=reason))
    undecided = sum(each.cause.verdict == "undecided" for each in found.changed)
    if undecided:
        reason = f"{undecided} tests changed their outcome, and it was not told whether by the order"
        notes.append(NotAnalysed(subject="flaky tests", reason=reason))
    return notes


def told(found: Shuffled, asked: int, root: Path) -> dict[str, Any]:
    """Return it as JSON values, each test with a check."""
    return {
        "asked": asked,
        "done": found.done,
        "seeds": sorted({each.seed for each in found.rounds if each.seed is not None}),
        "runs": len(found.rounds),
        "tests": [_row(each, root) for each in found.changed],
    }


def in_words(data: dict[str, Any]) -> str:
    """Return the end of the summary."""
    verdicts = [row["verdict"] for row in data["tests"]]
    flaky, ordered = verdicts.count("flaky"), verdicts.count("order-dependent")
    more = f", {len(verdicts) - flaky - ordered} undecided" if len(verdicts) > flaky + ordered else ""
    return f"; in {data['done']} other orders {flaky} flaky and {ordered} order-dependent{more}"


def _row(each: Changed, root: Path) -> dict[str, Any]:
    return {
        "test": each.test,
        "verdict": each.cause.verdict,
        "passed": len(each.passed_in),
        "failed": len(each.failed_in),
        "passed_in": [_named(seed) for seed in each.passed_in],
        "failed_in": [_named(seed) for seed in each.failed_in],
        "alone": None if each.cause.alone is None else "passes" if each.cause.alone else "fails",
        "behind": list(each.cause.behind),
        "message": each.message,
        **_statement(each, root),
    }


def _named(seed: int | None) -> str:
    return "own" if seed is None else str(seed)


def _statement(each: Changed, root: Path) -> dict[str, Any]:
    alone = pytest_line(root, [each.test])
    if each.cause.verdict == "order-dependent" and len(each.cause.behind) <= _MOST_NAMES:
        others = f"`{each.cause.behind[0]}`" if len(each.cause.behind) == 1 else f"{len(each.cause.behind)} others"
        does, other = ("passes", "fails") if each.cause.alone else ("fails", "passes")
        return Statement(
            text=f"`{each.test}` {does} by itself and {other} after {others}",
            how_to_check=f"{alone}; {pytest_line(root, [*each.cause.behind, each.test])}",
            expected=f"{does}\n{other}",
        ).plain()
    if each.cause.both_alone:
        return Statement(
            text=f"`{each.test}` is flaky: in {_TRIES} runs of it alone both outcomes are to be seen",
            how_to_check=f"for i in $(seq {_TRIES}); do {alone}; done | sort -u",
            expected="fails\npasses",
        ).plain()
    count = len(each.failed_in)
    runs = count + len(each.passed_in)
    what = {"flaky": "is flaky", "order-dependent": "depends on the order"}.get(
        each.cause.verdict, "changes its outcome"
    )
    statement = Statement(
        text=f"`{each.test}` {what}: it failed in {count} of {runs} runs of all tests",
        how_to_check=f"grep -cxE {shlex.quote(f'order=[a-z0-9]+ failed {literal(each.test)}')} {RECORD}",
        expected=str(count),
    )
    return {"needs_file": RECORD, **statement.plain()}
