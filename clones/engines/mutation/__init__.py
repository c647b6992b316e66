"""Delta's engine `mutation`: would the tests notice a mistake? Small changes to the code, each tried with the tests that run it.

Everything runs in a copy of the target, in its own environment. The changes, and which of them are tried, are the same for
the same target and seed.
"""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from clones.engines import git, isolation
from clones.engines.architecture import churn
from clones.engines.contract import EngineError, EngineOutput, NotAnalysed, Progress
from clones.engines.environment import Environment, prepare
from clones.engines.mutation import telling
from clones.engines.mutation.covering import Covering, cover
from clones.engines.mutation.mutants import Mutant, mutants
from clones.engines.mutation.trying import Trial, Tried, in_order, tests_of
from clones.engines.running import offline, pytest_config
from clones.engines.triage.running import Runner
from clones.params import MutationParams
from schemas.errors import ErrorCode

MAX_FILES = 10
"""Files that are changed where the task names none."""
_INSTALL_SHARE, _COVER_SHARE, _END_SHARE = 0.5, 0.5, 0.95
"""Parts of the budget: for the environment; of what then is left, for the unchanged run; and where the last mutant ends."""


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The files that are changed."""

    how: str
    files: tuple[str, ...]
    sources: dict[str, bytes]
    mutants: dict[str, list[Mutant]]
    left_out: tuple[NotAnalysed, ...] = ()


def analyse(target: Path, params: MutationParams, out: Path, progress: Progress) -> EngineOutput:
    """Change the target's code in small ways and tell which changes no test notices; writes `mutation.md`.

    Raises:
        EngineError: `incompatible_task` for files and arguments that cannot be used, `target_not_found` for a revision that
            the history does not have; the copy or the environment cannot be made.
    """
    pytest_config.check_arguments(params.pytest_args)
    wanted = _wanted(target, params)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sanctuary-mutation-") as name:
        scratch = Path(name)
        progress(0.0, "copying the target")
        copied = isolation.copy_target(target, scratch / "copy")
        found = pytest_config.find_tests(copied.root)
        environment = prepare(
            target, copied.root, progress, deadline=begin + params.budget_s * _INSTALL_SHARE, network=params.network
        )
        shutil.copytree(copied.root, scratch / "pristine", symlinks=True)
        missing = [tool for tool in ("pytest", "coverage") if tool not in environment.versions]
        if missing:
            reason = f"{' and '.join(missing)} cannot be used in the target's environment"
            return _not_run(reason, copied.left_out, environment, out)
        runner = Runner(environment, found, scratch, begin + params.budget_s * _END_SHARE, network=params.network)
        progress(0.1, "running the tests as they are, to see which of them run which line")
        covering = cover(
            copied.root,
            found,
            params.pytest_args,
            environment=environment,
            scratch=scratch,
            budget_s=max(1.0, runner.left_s() * _COVER_SHARE),
            network=params.network,
        )
        if covering.problem:
            return _not_run(covering.problem, copied.left_out, environment, out)
        chosen = _choose(target, scratch / "pristine", wanted, covering)
        everything = [mutant for file in chosen.files for mutant in chosen.mutants[file]]
        covered = [mutant for mutant in everything if tests_of(mutant, covering)]

        def tell(done: int) -> None:
            of = min(params.mutants, len(covered))
            progress(0.2 + 0.7 * done / max(of, 1), f"{done} of {of} changes tried")

        trial = Trial(copied.root, scratch / "pristine", params.pytest_args, covering=covering, runner=runner)
        tried = trial.run(in_order(covered, params.seed), chosen.sources, params.mutants, tell)
        progress(0.95, "writing what was found")
        data: dict[str, Any] = {
            "ran": bool(tried),
            "command": list(covering.command),
            "chosen": chosen.how,
            "seed": params.seed,
            "asked": params.mutants,
            "files": _by_file(chosen, covered, tried),
            "totals": telling.counts(len(everything), len(covered), [each.outcome for each in tried]),
            "failing_tests": covering.failed,
            **telling.told(tried, chosen.sources, copied.root, out),
            "environment": environment.report(),
        }
    notes = [*copied.left_out[:50], *chosen.left_out, *_notes(covered, tried, params, covering)]
    return telling.output(target.resolve().name, data, out, notes)


def _wanted(target: Path, params: MutationParams) -> tuple[str, tuple[str, ...]] | None:
    """Return the files that the task is about and how they were chosen; None where it leaves that to us."""
    if params.files:
        for name in params.files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\0" in name or not (target / path).is_file():
                words = f"params.files: the target has no file {name[:200]!r}; give paths relative to it"
                raise EngineError(words, code=ErrorCode.INCOMPATIBLE_TASK)
        return "named by the task", tuple(PurePosixPath(name).as_posix() for name in params.files)
    if params.since is None:
        return None
    since = git.since(target, params.since)
    if since is None:
        return None
    names = sorted({*git.changed(target, since.commit, gone=False), *git.untracked(target)})
    return f"changed since {since.revision}", tuple(name for name in names if name.endswith(".py"))


def _choose(target: Path, root: Path, wanted: tuple[str, tuple[str, ...]] | None, covering: Covering) -> Chosen:
    measured = [file for file in covering.tests if ".." not in PurePosixPath(file).parts and (root / file).is_file()]
    known = set(measured)
    files = [file for file in wanted[1] if file in known] if wanted is not None else measured
    sources = {file: (root / file).read_bytes() for file in files}
    found = {file: mutants(file, source) for file, source in sources.items()}
    files = [file for file in files if found[file]]
    if wanted is not None:
        reason = "no file of the target's own packages, or none that the tests' run knows"
        left_out = tuple(NotAnalysed(subject=file, reason=reason) for file in wanted[1] if file not in known)
        return Chosen(how=wanted[0], files=tuple(files), sources=sources, mutants=found, left_out=left_out[:50])
    commits = churn.read(target).commits
    risk = {file: len(found[file]) * (1 if commits is None else commits.get(file, 0) + 1) for file in files}
    riskiest = sorted(files, key=lambda file: (-risk[file], file))
    how = "riskiest: most places to change" + ("" if commits is None else " times commits that touch the file")
    left_out = ()
    if len(files) > MAX_FILES:
        reason = f"{len(files) - MAX_FILES} more files have tests; name them (`files`) to have them tried"
        left_out = (NotAnalysed(subject="other files", reason=reason),)
    return Chosen(how=how, files=tuple(riskiest[:MAX_FILES]), sources=sources, mutants=found, left_out=left_out)


def _by_file(chosen: Chosen, covered: Sequence[Mutant], tried: Sequence[Tried]) -> list[dict[str, Any]]:
    reached = Counter(mutant.file for mutant in covered)
    return [
        {
            "file": file,
            **telling.counts(
                len(chosen.mutants[file]), reached[file], [each.outcome for each in tried if each.mutant.file == file]
            ),
        }
        for file in chosen.files
    ]


def _notes(
    covered: Sequence[Mutant], tried: Sequence[Tried], params: MutationParams, covering: Covering
) -> list[NotAnalysed]:
    notes = offline.notes(network=params.network)
    if len(tried) < min(params.mutants, len(covered)):
        reason = f"the budget allowed {len(tried)} of {min(params.mutants, len(covered))} changes; allow more time"
        notes.append(NotAnalysed(subject="mutants", reason=reason))
    if len(covered) > params.mutants:
        reason = f"a sample of {params.mutants} of {len(covered)} changes in lines that tests run"
        notes.append(NotAnalysed(subject="mutants", reason=reason))
    if covering.failed:
        reason = f"{covering.failed} tests fail without a change: they tell nothing of one"
        notes.append(NotAnalysed(subject="failing tests", reason=reason))
    survived = sum(each.outcome == "survived" for each in tried)
    if survived:
        reason = "some changes make no difference to what the program does; no test can notice those"
        notes.append(NotAnalysed(subject="equivalent mutants", reason=reason))
    return notes


def _not_run(reason: str, left_out: Sequence[NotAnalysed], environment: Environment, out: Path) -> EngineOutput:
    data: dict[str, Any] = {
        "ran": False,
        "reason": reason,
        "files": [],
        "totals": telling.counts(0, 0, []),
        "survivors": [],
        "environment": environment.report(),
    }
    return telling.output("", data, out, [*left_out[:50], NotAnalysed(subject="mutants", reason=reason)])
