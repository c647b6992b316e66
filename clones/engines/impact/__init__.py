"""Gamma's engine `impact`: which modules and tests a change reaches, by the imports between them.

What imports a changed module, directly or by way of others, may behave otherwise; what does not, cannot, but for what is
loaded by name, read from files or reached over a network.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from clones.engines import git, markdown
from clones.engines.architecture.discovery import role_of_path
from clones.engines.architecture.graph import Import, ancestors
from clones.engines.architecture.survey import Survey, survey
from clones.engines.contract import EngineError, EngineOutput, NotAnalysed, OutputFile, Progress
from clones.engines.isolation import NOT_COPIED
from clones.engines.prose import sentence, statement
from clones.engines.statements import Lines, Statement, quoted
from clones.params import ImpactParams
from schemas.errors import ErrorCode

_MAX_ROWS = 400
_MAX_ON_PAGE = 60


def analyse(target: Path, params: ImpactParams, out: Path, progress: Progress) -> EngineOutput:
    """Follow the imports back from what was changed; writes `impact.md`.

    Raises:
        EngineError: `incompatible_task` where neither files nor a history say what was changed, or a file is outside the
            target; `target_not_found` for a revision or a file that is not there.
    """
    progress(0.0, "looking for what was changed")
    since = None if params.files else git.since(target, params.since)
    if since is None and not params.files:
        words = "params: give files, or a target with a git history and `since`; there is no tag before HEAD"
        raise EngineError(words, code=ErrorCode.INCOMPATIBLE_TASK)
    new = _untracked(target) if since is not None else frozenset()
    if since is not None:
        changed = sorted({*git.changed(target, since.commit, gone=True), *new})
    else:
        changed = [_checked(target, name) for name in params.files]
    progress(0.2, "building the import graph, tests included")
    surveyed = survey(target, everything=True)
    module_of = {file: module for module, file in surveyed.graph.files.items()}
    tests = _tests(surveyed)
    lines = Lines(target)
    reached = _reached(surveyed, [module_of[file] for file in changed if file in module_of])
    progress(0.8, "writing")
    rows = [_row(module, way, surveyed.graph.files, lines) for module, way in reached.items() if way]
    data: dict[str, Any] = {
        "since": {"revision": since.revision, "commit": since.commit, "how": since.how} if since else None,
        "changed": [
            _changed_row(file, module_of.get(file), since.commit if since else None, is_new=file in new)
            for file in changed[:_MAX_ROWS]
        ],
        "modules": [row for row in rows if row["file"] not in tests][:_MAX_ROWS],
        "tests": [row for row in rows if row["file"] in tests][:_MAX_ROWS],
        "changed_tests": [file for file in changed if file in tests],
        "totals": {
            "changed": len(changed),
            "modules": sum(row["file"] not in tests for row in rows),
            "tests": sum(row["file"] in tests for row in rows),
            "all_modules": sum(file not in tests for file in module_of),
            "all_tests": sum(file in tests for file in module_of),
        },
        "run": _run(rows, changed, tests),
    }
    summary = _summary(data)
    (out / "impact.md").write_text(_page(target.resolve().name, data, summary), encoding="utf-8")
    files = (OutputFile(name="impact.md", media_type="text/markdown"),)
    return EngineOutput(
        summary=summary, data=data, files=files, not_analysed=tuple(_notes(surveyed, changed, module_of, len(rows)))
    )


def _untracked(target: Path) -> frozenset[str]:
    """Return the files that git does not know yet; environments and caches that nobody told it to ignore left out."""
    return frozenset(name for name in git.untracked(target) if NOT_COPIED.isdisjoint(PurePosixPath(name).parts))


def _checked(target: Path, name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise EngineError(f"params.files: {name!r} is outside the target", code=ErrorCode.INCOMPATIBLE_TASK)
    if not (target / path).is_file():
        raise EngineError(f"params.files: the target has no file {name!r}", code=ErrorCode.TARGET_NOT_FOUND)
    return path.as_posix()


def _tests(surveyed: Survey) -> set[str]:
    units = {file for unit in surveyed.units if unit.role == "test" for file in unit.files}
    return units | {file for file in surveyed.found.python if role_of_path(file) == "test"}


def _reached(surveyed: Survey, begin: Sequence[str]) -> dict[str, tuple[Import, ...]]:
    """Return every module that imports one of `begin`, with a shortest way of imports down to it, nearest modules first.

    Who imports a module of a package runs the package's `__init__` too, so that a change of the latter reaches them.
    """
    importers: dict[str, list[Import]] = {}
    for edge in surveyed.graph.imports:
        if not edge.typing_only:
            for imported in (edge.imported, *ancestors(edge.imported)):
                if imported != edge.importer and imported in surveyed.graph.files:
                    importers.setdefault(imported, []).append(edge)
    ways: dict[str, tuple[Import, ...]] = dict.fromkeys(sorted(begin), ())
    queue = deque(ways)
    while queue:
        module = queue.popleft()
        for edge in sorted(importers.get(module, ()), key=lambda edge: edge.importer):
            if edge.importer not in ways:
                ways[edge.importer] = (edge, *ways[module])
                queue.append(edge.importer)
    return ways


def _row(module: str, way: Sequence[Import], files: Mapping[str, str], lines: Lines) -> dict[str, Any]:
    places = []
    for edge in way:
        line = min(edge.lines, key=lambda line: (line.typing_only, line.deferred, line.line))
        places.append((files[edge.importer], line.line))
    command, expected = lines.shown(places)
    by = "directly" if len(way) == 1 else f"in {len(way)} steps"
    steps = ", ".join(f"{file}:{line} imports {edge.imported}" for (file, line), edge in zip(places, way, strict=True))
    return {
        "module": module,
        "file": files[module],
        "distance": len(way),
        "way": [{"file": file, "line": line} for file, line in places],
        "deferred": any(edge.deferred for edge in way),
        **Statement(
            text=f"`{module}` depends on `{way[-1].imported}` {by}: {steps}", how_to_check=command, expected=expected
        ).plain(),
    }


def _changed_row(file: str, module: str | None, commit: str | None, *, is_new: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"file": file, "module": module}
    if commit is None:
        return row
    check = f"git diff --no-renames --relative --name-only {commit} -- {quoted(file)}"
    text = f"{file} differs from what it was at {commit[:12]}"
    if is_new:
        check = f"git ls-files --others --exclude-standard -- {quoted(file)}"
        text = f"{file} is not tracked by git"
    return {**row, **Statement(text=text, how_to_check=check, expected=file).plain()}


def _run(rows: Sequence[Mapping[str, Any]], changed: Sequence[str], tests: set[str]) -> list[str]:
    """Return the test files to run for the change, those with names of tests only."""
    found = {str(row["file"]) for row in rows} | set(changed)
    names = ((file, PurePosixPath(file).name) for file in found & tests)
    return sorted(file for file, name in names if name.startswith("test_") or name.endswith("_test.py"))


def _summary(data: Mapping[str, Any]) -> str:
    totals = data["totals"]
    since = f" since {data['since']['revision']}" if data["since"] else ""
    if not totals["changed"]:
        return f"Nothing was changed{since}."
    word, verb = ("file", "reaches") if totals["changed"] == 1 else ("files", "reach")
    return (
        f"{totals['changed']} changed {word}{since} {verb} {totals['modules']} of {totals['all_modules']} modules and "
        f"{totals['tests']} of {totals['all_tests']} files of tests; {len(data['run'])} test files are to be run."
    )


def _notes(surveyed: Survey, changed: Sequence[str], module_of: Mapping[str, str], reached: int) -> list[NotAnalysed]:
    notes = [*surveyed.found.left_out, *surveyed.graph.unreadable]
    reason = "what is loaded by a name in a string, read from a file or reached over a network is not followed"
    notes.append(NotAnalysed(subject="other dependencies", reason=reason))
    others = [file for file in changed if file not in module_of]
    notes += [
        NotAnalysed(subject=file, reason="changed, and no module of the import graph: nothing is followed from it")
        for file in others[:_MAX_ON_PAGE]
    ]
    if len(others) > _MAX_ON_PAGE:
        reason = f"{len(others) - _MAX_ON_PAGE} more changed files are no modules: nothing is followed from them"
        notes.append(NotAnalysed(subject="other files", reason=reason))
    if len(changed) > _MAX_ROWS:
        reason = f"the first {_MAX_ROWS} of {len(changed)} are told, by name; all were followed"
        notes.append(NotAnalysed(subject="changed files", reason=reason))
    if reached > _MAX_ROWS:
        notes.append(NotAnalysed(subject="modules", reason=f"the first {_MAX_ROWS} of each kind are told, by distance"))
    return notes


def _page(project: str, data: Mapping[str, Any], summary: str) -> str:
    parts = [f"# What the change of {markdown.line(project)} reaches", sentence(summary), "## Changed"]
    parts.append(
        "\n".join(
            statement(row) if "how_to_check" in row else f"- {markdown.code(row['file'])}"
            for row in data["changed"][:_MAX_ON_PAGE]
        )
    )
    for title, rows in (("Modules that depend on it", data["modules"]), ("Tests that depend on it", data["tests"])):
        more = f"\n- and {len(rows) - _MAX_ON_PAGE} more" if len(rows) > _MAX_ON_PAGE else ""
        said = "\n".join(statement(row) for row in rows[:_MAX_ON_PAGE]) + more
        parts += [f"## {title}", said or "None, by the imports."]
    if data["run"]:
        command = f"python3 -m pytest {' '.join(map(quoted, data['run']))}"
        parts += ["## Tests to run", markdown.fence(command, "sh")]
    return "\n\n".join(parts) + "\n"
