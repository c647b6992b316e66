"""Property tests for functions, drafted from what they say of themselves, and run in a copy of the target."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import isolation
from clones.engines.contract import EngineError, NotAnalysed, OutputFile, Progress
from clones.engines.environment import prepare
from clones.engines.properties import writing
from clones.engines.properties.brought import bring
from clones.engines.properties.drafts import Draft
from clones.engines.properties.ideas import Module, draft, pairs
from clones.engines.properties.trying import Result, Tried, attempt
from clones.engines.running import offline, pytest_config
from clones.engines.running.by_hand import pytest_line, roots
from clones.engines.statements import Statement
from clones.engines.triage.running import Runner

__all__ = ["Drafted", "Module", "draft", "look", "pairs"]

_INSTALL_SHARE, _END_SHARE = 0.5, 0.95
"""Parts of the budget: for the environment, and where the last draft ends."""
_LEAST_S = 10.0
"""With less time left, no further draft is begun."""
_MAX_TOLD = 20


class Drafted(msgspec.Struct, frozen=True, kw_only=True):
    """What came of all drafts."""

    data: dict[str, Any]
    files: tuple[OutputFile, ...] = ()
    notes: tuple[NotAnalysed, ...] = ()


def look(target: Path, drafts: Sequence[Draft], out: Path, progress: Progress, *, deadline: float) -> Drafted:
    """Run the drafts in a copy of the target, without a network, and write those that run to `out`.

    `deadline` is a time of `time.monotonic`. An environment that cannot be made is told and no error.
    """
    begin = time.monotonic()
    budget_s = deadline - begin
    if not drafts:
        return Drafted(data={"asked": 0, "tried": 0, "tests": [], "left_out": []})
    with tempfile.TemporaryDirectory(prefix="sanctuary-properties-") as name:
        scratch = Path(name)
        try:
            if budget_s * _END_SHARE < _LEAST_S:
                raise EngineError("what comes before them took the whole budget; allow more time")
            copied = isolation.copy_target(target, scratch / "copy")
            environment = prepare(target, copied.root, progress, deadline=begin + budget_s * _INSTALL_SHARE)
            if "pytest" not in environment.versions:
                raise EngineError("pytest is not in the target's environment")
            if problem := bring(environment, scratch / "packages"):
                raise EngineError(problem)
            found = pytest_config.find_tests(copied.root)
            runner = Runner(
                environment,
                found,
                scratch,
                begin + budget_s * _END_SHARE,
                network=False,
                packages=scratch / "packages",
            )
            tried = []
            for number, each in enumerate(drafts):
                if runner.left_s() < _LEAST_S:
                    break
                progress(0.9, f"trying made-up values with {each.function} ({number + 1} of {len(drafts)})")
                tried.append(attempt(each, copied.root, runner))
        except EngineError as error:
            data = {"asked": len(drafts), "tried": 0, "reason": error.message, "tests": [], "left_out": []}
            return Drafted(data=data, notes=(NotAnalysed(subject="property tests", reason=error.message),))
        return _told(drafts, tried, copied.root, out)


def _told(drafts: Sequence[Draft], tried: Sequence[Tried], copy: Path, out: Path) -> Drafted:
    rows: list[dict[str, Any]] = []
    files = []
    for each in tried:
        if each.results:
            name = writing.file_name(each.draft)
            text = writing.write(each.draft, [result.item for result in each.results])
            (out / name).write_text(text, encoding="utf-8")
            files.append(OutputFile(name=name, media_type="text/x-python"))
            rows += (_row(each.draft, result, copy) for result in each.results)
    left_out = [
        {"function": each.draft.function, "file": each.draft.file, "line": each.draft.line, "reason": reason}
        for each in tried
        for reason in each.left_out
    ]
    notes = [
        NotAnalysed(subject=f"property tests of {row['function']}", reason=str(row["reason"]))
        for row in left_out[:_MAX_TOLD]
    ]
    if len(tried) < len(drafts):
        reason = f"the budget allowed {len(tried)} of {len(drafts)} functions; allow more time"
        notes.append(NotAnalysed(subject="property tests", reason=reason))
    if problem := offline.why_not():
        reason = f"the functions could reach the network, for this machine does not let us keep them from it: {problem}"
        notes.append(NotAnalysed(subject="network", reason=reason))
    data = {"asked": len(drafts), "tried": len(tried), "tests": rows, "left_out": left_out}
    return Drafted(data=data, files=tuple(files), notes=tuple(notes))


def _row(draft: Draft, result: Result, copy: Path) -> dict[str, Any]:
    item, example = result.item, result.counterexample
    name, test = writing.file_name(draft), writing.name_of_test(draft, item)
    row: dict[str, Any] = {
        "function": draft.function,
        "file": draft.file,
        "line": draft.line,
        "property": item.kind,
        "says": item.says,
        "test": f"{name}::{test}",
        "inferred": [each.name for each in item.inputs if each.inferred],
        "outcome": "holds" if example is None else "fails",
    }
    if example is None:
        says = Statement(
            text=f"{item.says}, for all of {writing.EXAMPLES} made-up inputs",
            how_to_check=f"HYPOTHESIS_STORAGE_DIRECTORY=$(mktemp -d) {pytest_line(copy, [f'{name}::{test}'])}",
            expected="passes",
        )
        return {**row, "needs_file": name, **says.plain()}
    is_wrong = bool(item.holds) and example.error == "AssertionError"
    what = "that is not so" if is_wrong else f"it raises `{example.error}`"
    says = Statement(
        text=f"{item.says}; with `{', '.join(example.arguments)}` {what}",
        how_to_check=writing.check(item, draft.module, example.arguments, roots(copy)),
        expected="False" if is_wrong else example.error,
    )
    return {**row, "arguments": list(example.arguments), "raised": None if is_wrong else example.error, **says.plain()}
