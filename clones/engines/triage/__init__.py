"""Delta's engine `triage`: a failure run again, its place, the commits that touched it, and the one that brought it.

All runs are in copies of the target, in its own environment; the target's history is read and never changed.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from clones.engines import git, isolation
from clones.engines.architecture import tree
from clones.engines.contract import EngineError, EngineOutput, NotAnalysed, OutputFile, Progress
from clones.engines.environment import Environment, prepare
from clones.engines.running import offline, pytest_config
from clones.engines.statements import Lines
from clones.engines.triage import page, telling
from clones.engines.triage.bisecting import Bisected, bisect, commits, first_parents
from clones.engines.triage.frames import frames
from clones.engines.triage.reproducing import Reproduced, after_others, reproduce
from clones.engines.triage.running import Ran, Runner, check_tests
from clones.params import TriageParams

MAX_SUBJECTS = 5
"""Tests that are looked into; the others that fail are named."""
MAX_SUSPECTS = 20
MAX_FILES = 50
"""Files of the commit that brought it."""
_INSTALL_SHARE, _LOOK_SHARE = 0.5, 0.4
"""Parts of the budget for the environment, and of what then is left for the first run of all tests."""
_BISECTED = ("always", "unknown")


def analyse(target: Path, params: TriageParams, out: Path, progress: Progress) -> EngineOutput:
    """Run what fails again and look for where it comes from; writes `triage.md`.

    Raises:
        EngineError: `incompatible_task` for tests and commands that cannot be run here, `target_not_found` for a revision
            that the history does not have; the copy or the environment cannot be made.
    """
    check_tests(params.tests)
    pytest_config.check_arguments(params.tests)
    if params.tests and params.argv:
        raise EngineError("params: give tests or a command, not both", code="incompatible_task")
    has_history = git.head(target) is not None
    since = git.since(target, params.since) if has_history or params.since else None
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sanctuary-triage-") as name:
        scratch = Path(name)
        progress(0.0, "copying the target")
        copied = isolation.copy_target(target, scratch / "copy")
        environment = prepare(
            target, copied.root, progress, deadline=begin + params.budget_s * _INSTALL_SHARE, network=params.network
        )
        if not params.argv and "pytest" not in environment.versions:
            raise EngineError("pytest is not installed in the target's environment, and no command is given")
        runner = Runner(
            environment,
            pytest_config.find_tests(copied.root),
            scratch,
            begin + params.budget_s * 0.95,
            network=params.network,
        )
        progress(0.3, "running what fails again")
        found, more = _reproduced(copied.root, params, runner, progress)
        known = frozenset(tree.walk(target).files)
        lines = Lines(target)
        told = [telling.subject(item, copied.root, params.argv, known, lines) for item in found]
        files = _files(found, copied.root, known)
        progress(0.6, "reading the history")
        suspects = _suspects(target, since, files) if has_history else []
        bisected = None
        wanted = next((item for item in found if item.verdict in _BISECTED and item.failure is not None), None)
        if since is not None and wanted is not None:
            line = first_parents(target, since.commit)
            probe = _probe(target, copied.root, wanted.test, params.argv, runner)
            longest = [0.0]

            def passes(commit: str) -> bool | None:
                started = time.monotonic()
                progress(0.65, f"trying commit {commit[:12]}")
                outcome = probe(commit)
                longest[0] = max(longest[0], time.monotonic() - started)
                return outcome

            bisected = bisect(line, passes, has_time=lambda: runner.left_s() > longest[0] * 1.5)
        if bisected is not None and bisected.good and bisected.bad and not bisected.between:
            guilty = _whole(target, bisected.bad, known)
            suspects = [*guilty, *(row for row in suspects if row["commit"] != bisected.bad)]
        progress(0.95, "writing what was found")
        data: dict[str, Any] = {
            "subjects": told,
            "other_failures": more,
            "history": telling.history(since, has_history),
            "suspects": suspects,
            "bisect": telling.bisected(bisected, wanted, target, copied.root, params.argv)
            if bisected and wanted
            else None,
            "environment": environment.report(),
        }
        notes = (
            *_notes(copied.left_out, environment, data, has_history, bisected),
            *offline.notes(network=params.network),
        )
    summary = telling.summary(data)
    (out / "triage.md").write_text(page.write(target.resolve().name, data, summary), encoding="utf-8")
    files_out = (OutputFile(name="triage.md", media_type="text/markdown"),)
    return EngineOutput(summary=summary, data=data, files=files_out, not_analysed=notes)


def _reproduced(
    root: Path, params: TriageParams, runner: Runner, progress: Progress
) -> tuple[list[Reproduced], list[str]]:
    """Return what was looked into, and the names of further tests that fail."""
    if params.argv:

        def run_command(seed: int) -> Ran:
            return runner.command(root, params.argv, seed=seed)

        return [reproduce("", run_command, params.repeats, runner.left_s)], []
    first = runner.tests(root, params.tests, most_s=runner.left_s() * _LOOK_SHARE)
    failing = [test for test in first.order if test in first.failed]
    failing += sorted(set(first.failed) - set(failing))  # modules that fail at collection were never begun
    named = [test for test in params.tests if "::" in test and test not in failing]
    wanted = [*failing, *named]
    found = []
    for at, test in enumerate(wanted[:MAX_SUBJECTS]):
        progress(0.3 + 0.3 * at / MAX_SUBJECTS, f"running {test} again")
        item = reproduce(test, _alone(test, root, runner), params.repeats, runner.left_s)
        if item.verdict == "never":
            item = after_others(item, root, runner, _before(test, first.order, root, runner))
        found.append(item)
    return found, wanted[MAX_SUBJECTS:]


def _alone(test: str, root: Path, runner: Runner) -> Callable[[int], Ran]:
    return lambda seed: runner.tests(root, [test], seed=seed)


def _before(test: str, order: Sequence[str], root: Path, runner: Runner) -> Sequence[str]:
    """Return the tests that ran before `test`: where it was run alone, those of its own file."""
    if test in order and order.index(test):
        return order[: order.index(test)]
    alone = runner.tests(root, [test.partition("::")[0]])
    return alone.order[: alone.order.index(test)] if test in alone.order else ()


def _files(found: Sequence[Reproduced], root: Path, known: frozenset[str]) -> list[str]:
    """Return the files on the way to the failures, and those of the tests."""
    places = [
        frame.file
        for item in found
        if item.failure is not None
        for frame in frames(item.failure.said, str(root), known)
    ]
    own = [item.test.partition("::")[0] for item in found if item.failure is not None]
    return [file for file in dict.fromkeys((*places, *own)) if file in known]


def _suspects(target: Path, since: git.Since | None, files: Sequence[str]) -> list[dict[str, Any]]:
    if not files:
        return []
    span = f"{since.commit}..HEAD" if since is not None else "HEAD"
    found = commits(target, "--no-merges", f"--max-count={MAX_SUSPECTS}", span, "--", *files)
    return [telling.suspect(commit, files, _touched(target, commit.commit, files)) for commit in found]


def _whole(target: Path, revision: str, known: frozenset[str]) -> list[dict[str, Any]]:
    """Return the commit that brought it with the files it changed, which need not be on the way; none for a merge."""
    names = _touched(target, revision, ["."]).strip(b"\n").split(b"\0")
    files = [name for name in (each.decode(errors="replace") for each in names) if name in known][:MAX_FILES]
    if not files:
        return []
    (commit,) = commits(target, "-1", revision)
    return [telling.suspect(commit, files, _touched(target, revision, files))]


def _touched(target: Path, revision: str, files: Sequence[str]) -> bytes:
    """Return which of `files` a commit changed, as git names them, by NUL."""
    return git.run(
        target, "show", "--no-renames", "--relative", "--format=", "--name-only", "-z", revision, "--", *files
    )


def _probe(
    target: Path, copy: Path, test: str, command: tuple[str, ...], runner: Runner
) -> Callable[[str], bool | None]:
    """Return what says whether it passes at a commit, with the test itself as it is today."""
    test_file = test.partition("::")[0]

    def passes(commit: str) -> bool | None:
        root = runner.scratch / "at" / commit / copy.name
        root.mkdir(parents=True)
        try:
            if not git.extract(target, commit, ("",), root):
                return None
            runner.prepared(root)
            if command:
                return runner.command(root, command).outcome("")
            if test_file and (copy / test_file).is_file():
                (root / test_file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(copy / test_file, root / test_file)
            return runner.tests(root, [test]).outcome(test)
        except EngineError:
            return None  # the command's script is not there yet
        finally:
            shutil.rmtree(root.parent, ignore_errors=True)

    return passes


def _notes(
    left_out: Sequence[NotAnalysed],
    environment: Environment,
    data: dict[str, Any],
    has_history: bool,
    bisected: Bisected | None,
) -> tuple[NotAnalysed, ...]:
    notes = [*left_out[:50]]
    notes += [
        NotAnalysed(subject=f"requirement {item.requirement}", reason=f"did not install: {item.reason}")
        for item in environment.missing[:50]
    ]
    if data["other_failures"]:
        reason = f"{len(data['other_failures'])} more fail; the first {MAX_SUBJECTS} were looked into"
        notes.append(NotAnalysed(subject="other failures", reason=reason))
    if not has_history:
        notes.append(NotAnalysed(subject="suspects", reason="the target has no git history"))
    elif data["history"] is None:
        reason = "no tag before HEAD: give `since`, a revision at which it passed"
        notes.append(NotAnalysed(subject="bisection", reason=reason))
    elif bisected is not None and bisected.note:
        notes.append(NotAnalysed(subject="bisection", reason=bisected.note))
    return tuple(notes)
