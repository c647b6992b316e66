"""Delta's engine `strategy`: what is risky and untested, ranked, with the cases to write and property tests that run."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clones.engines import properties
from clones.engines.architecture import churn, discovery, sizes
from clones.engines.architecture.survey import Survey, survey, title
from clones.engines.contract import EngineOutput, NotAnalysed, OutputFile, Progress
from clones.engines.design.names import trees
from clones.engines.statements import Lines, Statement, commits_command, complexity_command, quoted
from clones.engines.strategy import page
from clones.engines.strategy.cases import Case
from clones.engines.strategy.drafting import drafts_for
from clones.engines.strategy.ranking import Ranked, rank
from clones.engines.strategy.tests_of import places_of_tests, words, words_command
from clones.params import CoveredFile, StrategyParams

COVERAGE_FILE = "coverage.xml"
_FORMULA = "risk = cyclomatic complexity * commits that touch the file * untested share of the function"


def analyse(target: Path, params: StrategyParams, out: Path, progress: Progress) -> EngineOutput:
    """Rank the target's functions by risk, with cases for each, and try drafted property tests; writes `strategy.md`.

    Raises:
        EngineError: the interpreter of the target's environment cannot be started.
    """
    begin = time.monotonic()
    progress(0.0, "looking for code and tests")
    surveyed = survey(target)
    sources = _sources(surveyed)
    places = places_of_tests(surveyed.found.python, surveyed.units)
    named = words(target, surveyed.found.python, places)
    progress(0.2, "measuring complexity")
    measured, unmeasured = sizes.measure(target, sources, lambda share, words: progress(0.2 + 0.3 * share, words))
    progress(0.5, "reading the git history")
    history = churn.read(target)
    coverage = _by_file(params.coverage, sources) if params.coverage is not None else None
    progress(0.55, "ranking")
    parsed, _ = trees(target, {file: file for file in sources}, lambda: False)
    ranked = rank(measured, parsed, history, named, coverage)
    drafts = drafts_for(target, units=surveyed.subjects, trees=parsed, ranked=ranked, words=named, most=params.drafts)
    drafted = properties.look(
        target,
        drafts,
        out,
        lambda share, words: progress(0.6 + 0.35 * share, words),
        deadline=begin + params.budget_s,
    )
    lines = Lines(target)
    data: dict[str, Any] = {
        "project": title(target, surveyed.subjects),
        "measured": coverage is not None,
        "formula": _FORMULA,
        "churn": history.commits is not None,
        "functions": sum(len(size.functions) for size in measured),
        "tests_in": places,
        "ranked": [
            _row(number, item, places, lines, measured=coverage is not None) for number, item in enumerate(ranked, 1)
        ],
        "properties": drafted.data,
    }
    summary = _summary(data)
    (out / "strategy.md").write_text(page.write(data, summary), encoding="utf-8")
    left_out = [*surveyed.found.left_out, *unmeasured, *_notes(history, coverage, places), *drafted.notes]
    if params.drafts and not drafts:
        reason = "no function that is ranked, or undone by another, says of itself what made-up values could show"
        left_out.append(NotAnalysed(subject="property tests", reason=reason))
    files = (OutputFile(name="strategy.md", media_type="text/markdown"), *drafted.files)
    return EngineOutput(summary=summary, data=data, files=files, not_analysed=tuple(left_out))


def _sources(surveyed: Survey) -> list[str]:
    """Return the Python files whose functions are to be tested."""
    return sorted(file for unit in surveyed.subjects for file in unit.files if discovery.role_of_path(file) != "test")


def _by_file(coverage: Sequence[CoveredFile], sources: Sequence[str]) -> dict[str, CoveredFile]:
    """Return coverage by the target's own paths, of files that are still there."""
    known = set(sources)
    return {item.file: item for item in coverage if item.file in known}


def _row(number: int, item: Ranked, places: Sequence[str], lines: Lines, *, measured: bool) -> dict[str, Any]:
    text = f"`{item.function}` ({item.file}:{item.line}) has a cyclomatic complexity of {item.complexity}"
    commands, expected = [complexity_command(item.file, item.line)], [str(item.complexity)]
    if item.commits is not None:
        text += f"; {item.commits} commits touch its file"
        commands.append(commits_command(item.file))
        expected.append(str(item.commits))
    if places:
        text += f"; its name stands in {item.named_in} test files"
        commands.append(words_command(item.name, places))
        expected.append(str(item.named_in))
    row: dict[str, Any] = {
        "rank": number,
        "function": item.function,
        "file": item.file,
        "line": item.line,
        "end_line": item.end_line,
        "complexity": item.complexity,
        "commits": item.commits,
        "named_in_tests": item.named_in,
        "statements": item.statements,
        "missing": list(item.missing) if item.missing is not None else None,
        "untested": round(item.untested, 3),
        "risk": round(item.risk, 2),
        **Statement(text=text, how_to_check="; ".join(commands), expected="\n".join(expected)).plain(),
        "cases": [_case(case, item, lines) for case in item.cases],
    }
    if measured and item.missing:
        row["coverage"] = _coverage(item)
    return row


def _case(case: Case, item: Ranked, lines: Lines) -> dict[str, Any]:
    command, expected = lines.shown([(item.file, case.line)])
    missing = set(item.missing or ()).intersection(case.covers)
    reaches = f", and reaches {len(missing)} statements that no test ran" if missing else ""
    text = f"{item.file}:{case.line} asks for `{case.name}`, given {case.given}{reaches}"
    return {
        "name": case.name,
        "line": case.line,
        "given": case.given,
        "reaches": sorted(missing),
        **Statement(text=text, how_to_check=command, expected=expected).plain(),
    }


def _coverage(item: Ranked) -> dict[str, Any]:
    """Return what was measured, to be checked in the testing task's `coverage.xml`."""
    missing = item.missing or ()
    code = (
        "import sys, xml.etree.ElementTree as E; f, *wanted = sys.argv[1:]; "
        f"print(len({{l.get('number') for c in E.parse('{COVERAGE_FILE}').iter('class') "
        "if ('/' + f).endswith('/' + c.get('filename')) for l in c.iter('line') if l.get('hits') == '0'} & set(wanted)))"
    )
    statement = Statement(
        text=f"{len(missing)} of the {item.statements} statements of `{item.function}` ran in no test",
        how_to_check=f'python3 -c "{code}" {quoted(item.file)} {" ".join(map(str, missing))}',
        expected=str(len(missing)),
    )
    return {"needs_file": COVERAGE_FILE, **statement.plain()}


def _summary(data: Mapping[str, Any]) -> str:
    ranked = data["ranked"]
    basis = "measured coverage" if data["measured"] else "whether tests name a function (no coverage was given)"
    if not ranked:
        text = f"None of {data['functions']:,} functions is both branched and untested, by {basis}"
    else:
        first = ranked[0]
        cases = sum(len(item["cases"]) for item in ranked)
        text = (
            f"{len(ranked)} of {data['functions']:,} functions are worth tests first, with {cases} cases to write; at the "
            f"top `{first['function']}` ({first['file']}:{first['line']}), complexity {first['complexity']}; untested by {basis}"
        )
    tests = data["properties"]["tests"]
    failing = sum(test["outcome"] == "fails" for test in tests)
    drafted = f"; {len(tests)} property tests drafted and run, {failing} with a counterexample" if tests else ""
    return f"{text}{drafted}."


def _notes(
    history: churn.Churn, coverage: Mapping[str, CoveredFile] | None, places: Sequence[str]
) -> list[NotAnalysed]:
    notes = []
    if history.note:
        notes.append(NotAnalysed(subject="churn", reason=history.note))
    if coverage is None:
        reason = "none was given: what the tests name stands for it; give a testing task's `files` for what they run"
        notes.append(NotAnalysed(subject="coverage", reason=reason))
    if not places:
        notes.append(NotAnalysed(subject="tests", reason="no test was found in the target"))
    return notes
