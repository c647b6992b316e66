"""What came of the mutants, as JSON values, each statement with its check, and as a page."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clones.engines import markdown
from clones.engines.contract import EngineOutput, NotAnalysed, OutputFile
from clones.engines.mutation.trying import Outcome, Tried
from clones.engines.prose import sentence, statement
from clones.engines.running.by_hand import pytest_line
from clones.engines.running.coverage_report import percent
from clones.engines.statements import Statement

MAX_SURVIVORS = 50
"""Survivors that are told one by one."""
RECORD = "mutants.txt"
"""The file with a line for each mutant that was tried: `survived src/a.py:12 comparison`."""
_MOST_NAMES = 20


def counts(mutants: int, covered: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the figures; `score_percent` is the noticed share of the tried ones, None where none was tried."""
    noticed = sum(outcome != "survived" for outcome in outcomes)
    return {
        "mutants": mutants,
        "no_tests": mutants - covered,
        "tried": len(outcomes),
        "killed": outcomes.count("killed"),
        "timeout": outcomes.count("timeout"),
        "survived": outcomes.count("survived"),
        "score_percent": percent(noticed, len(outcomes)),
    }


def told(tried: Sequence[Tried], sources: Mapping[str, bytes], copy: Path, out: Path) -> dict[str, Any]:
    """Return the survivors and what can be checked of all; writes `RECORD` and a diff for each survivor to `out`."""
    by_place = sorted(tried, key=lambda each: (each.mutant.file, each.mutant.begin, each.mutant.new))
    lines = [f"{each.outcome} {each.mutant.file}:{each.mutant.line} {each.mutant.operator}\n" for each in by_place]
    (out / RECORD).write_text("".join(lines), encoding="utf-8", errors="replace")
    survivors = [each for each in by_place if each.outcome == "survived"]
    count = len(survivors)
    whole = Statement(
        text=f"{count} of {len(tried)} changes were noticed by no test",
        how_to_check=f"grep -c '^survived ' {RECORD}",
        expected=str(count),
    )
    return {
        "survivors": [_survivor(number, each, sources, copy, out) for number, each in enumerate(survivors, 1)][
            :MAX_SURVIVORS
        ],
        "survivors_total": count,
        "statements": [{"needs_file": RECORD, **whole.plain()}] if tried else [],
    }


def _survivor(number: int, tried: Tried, sources: Mapping[str, bytes], copy: Path, out: Path) -> dict[str, Any]:
    mutant = tried.mutant
    name = f"survivor-{number}.diff"
    diff = mutant.diff(sources[mutant.file])
    row = {"number": number, "file": mutant.file, "line": mutant.line, "operator": mutant.operator, "diff": diff}
    if number > MAX_SURVIVORS:
        return row
    (out / name).write_text(diff, encoding="utf-8")
    names = tried.tests
    if len(names) > _MOST_NAMES:
        names = tuple(dict.fromkeys(test.partition("::")[0] for test in names))
    many = f"all {len(tried.tests)} tests that run" if len(tried.tests) > 1 else "the one test that runs"
    passes = "pass" if len(tried.tests) > 1 else "passes"
    says = Statement(
        text=f"{many} {mutant.file}:{mutant.line} {passes} with the change of {name} ({mutant.operator})",
        how_to_check=f't=$(mktemp -d) && cp -R . "$t/copy" && patch -s "$t/copy/"{shlex.quote(mutant.file)} {name} && '
        f'(cd "$t/copy" && {pytest_line(copy, names)}); rm -rf "$t"',
        expected="passes",
    )
    return {
        **row,
        "tests": list(tried.tests[:_MOST_NAMES]),
        "tests_total": len(tried.tests),
        "needs_file": name,
    } | says.plain()


def output(project: str, data: dict[str, Any], out: Path, notes: Sequence[NotAnalysed]) -> EngineOutput:
    """Return the engine's output; writes `mutation.md`."""
    summary = _summary(data)
    (out / "mutation.md").write_text(_page(project, data, summary), encoding="utf-8", errors="replace")
    diffs = sorted(path.name for path in out.glob("survivor-*.diff"))
    files = [OutputFile(name="mutation.md", media_type="text/markdown")]
    files += [OutputFile(name=RECORD, media_type="text/plain")] if (out / RECORD).is_file() else []
    files += [OutputFile(name=name, media_type="text/x-diff") for name in diffs]
    return EngineOutput(summary=summary, data=data, files=tuple(files), not_analysed=tuple(notes))


def _summary(data: Mapping[str, Any]) -> str:
    totals = data["totals"]
    if "reason" in data:
        return f"No change was tried: {data['reason']}."
    if not data["ran"]:
        return f"No change was tried: tests run {totals['mutants'] - totals['no_tests']} of {totals['mutants']} places."
    return (
        f"The tests noticed {totals['killed'] + totals['timeout']} of {totals['tried']} changes tried "
        f"({totals['score_percent']:.1f} %); {totals['survived']} survived, and {totals['no_tests']} of "
        f"{totals['mutants']} possible changes are in lines that no test runs."
    )


def _page(project: str, data: Mapping[str, Any], summary: str) -> str:
    parts = [f"# Changes that the tests of {markdown.line(project)} notice", sentence(summary)]
    if data["files"]:
        parts.append("## Files")
        rows = [
            f"| {markdown.cell_code(row['file'])} | {row['tried']} | {row['killed']} | {row['timeout']} | {row['survived']} "
            f"| {row['no_tests']} |"
            for row in data["files"]
        ]
        head = "| file | tried | killed | timeout | survived | without tests |\n| --- | --: | --: | --: | --: | --: |"
        parts.append("\n".join((head, *rows)))
    if data["survivors"]:
        parts.append("## Survivors")
        for row in data["survivors"]:
            place = f"{row['file']}:{row['line']}"
            parts += [
                f"### {row['number']}. {markdown.code(place)}",
                markdown.fence(row["diff"], "diff"),
            ]
            parts.append(statement(row))
    return "\n\n".join(parts) + "\n"
