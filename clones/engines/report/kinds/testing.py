"""What a run of the tests says beside its counts: gates, what was changed, and tests that change their outcome."""

import msgspec

from clones.engines.report.blocks import Block, Row, code, figure, prose, table
from clones.engines.report.checks import Stated
from clones.engines.report.full import full_data
from clones.engines.report.model import Section
from clones.engines.report.wording import covered

_MAX_ROWS = 25


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A limit."""

    gate: str
    limit: float | None = None
    verdict: str
    reason: str = ""


class ChangedFile(Stated, frozen=True, kw_only=True):
    """How much of a file's changed lines the tests ran."""

    file: str
    percent: float | None = None
    missing: tuple[str, ...] = ()


class DiffCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """Of the lines changed since a revision."""

    since: str = ""
    percent: float | None = None
    files: tuple[ChangedFile, ...] = ()


class UnsteadyTest(Stated, frozen=True, kw_only=True):
    """A test with both outcomes."""

    test: str
    verdict: str
    passed: int
    failed: int
    behind: tuple[str, ...] = ()


class Shuffles(msgspec.Struct, frozen=True, kw_only=True):
    """The tests in other orders."""

    done: int = 0
    tests: tuple[UnsteadyTest, ...] = ()


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Of `testing`, beside what `shapes.TestingData` has."""

    gates: tuple[Gate, ...] = ()
    diff_coverage: DiffCoverage | None = None
    shuffles: Shuffles | None = None


def blocks(section: Section, data: Data) -> tuple[Block, ...]:
    """Return what there is of the three."""
    diff, shuffles = data.diff_coverage or DiffCoverage(), data.shuffles or Shuffles()
    full = full_data(section, "")
    gates = [
        Row(
            cells=(
                code(each.gate),
                figure("" if each.limit is None else f"{each.limit:g}"),
                prose(each.verdict),
                prose(each.reason),
            )
        )
        for each in data.gates
    ]
    unsteady = [
        Row(
            cells=(
                code(each.test),
                prose(each.verdict),
                prose(f"{each.passed} : {each.failed}"),
                code(" ".join(each.behind[:3])),
            ),
            check=each.check,
        )
        for each in shuffles.tests
    ]
    changed = [
        Row(cells=(code(each.file), figure(covered(each.percent)), prose(", ".join(each.missing))), check=each.check)
        for each in diff.files
    ]
    return (
        *table("Gates", ("gate", "limit", "verdict", "why"), gates, limit=_MAX_ROWS, what="gates", full=full),
        *table(
            "Tests that change their outcome",
            ("test", "verdict", "passed : failed", "depends on"),
            unsteady,
            limit=_MAX_ROWS,
            what="tests",
            full=full,
            note=f"In their own order and {shuffles.done} others; some orders were run twice.",
        ),
        *table(
            "Coverage of what was changed",
            ("file", "of changed lines", "lines that no test ran"),
            changed,
            limit=_MAX_ROWS,
            what="files",
            full=full,
            note=f"Since {diff.since}: {covered(diff.percent)} of the changed lines.",
        ),
    )
