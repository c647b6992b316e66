"""The `security` engine's entry: scan a copy of the target, and hand back what was found."""

import datetime as dt
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from clones.engines import git
from clones.engines.contract import EngineError, EngineOutput, NotAnalysed, OutputFile, Progress
from clones.engines.security import accepted, sarif, scanners, scope, told
from clones.engines.security.compare import Compared, compare
from clones.engines.security.findings import Findings, build
from clones.engines.security.reported import Scan
from clones.engines.security.scope import Scope
from clones.params import SecurityParams
from schemas.errors import ErrorCode

_SHARE = 0.85
"""Of the budget, for the scanners: the rest is for merging what they say, and writing it down."""


def analyse(target: Path, params: SecurityParams, out: Path, progress: Progress) -> EngineOutput:
    """Scan `target` for flaws in code, secrets, dependencies and configuration; reads, and runs nothing of it.

    `data`:

    - `findings`: the worst first, at most `told.MAX_LISTED` (`findings_total` counts all), as `findings.Finding`; with
      `since` the new ones before the others
    - `counts`: findings by severity
    - `reviews`: places to review (`reviews_total` counts all), as findings are: a weakness that needs a value from outside, in
      a project that takes requests, where none was followed to the place; they count nowhere as findings
    - `engines`: of each scanner `name`, `version`, `command` (run in the target it prints the same; empty where there is
      none), `findings` (how many it prints), `suppressed` (by comments in the code), `files_analysed`, `not_read`,
      `duration_s`
    - `merging`: where the scanners' findings went: `reported` is `findings` plus `merged_away` (further reports of one
      flaw), `set_aside`, `taken_back` (by a comment that another scanner does not know), `reviews` and `by_files`
    - `set_aside`: by rule, how many results are no findings, and why
    - `suppressed`: what comments in the code take back
    - `by_files`: what files of the target take out (`accepted`), with the file's name and its reason
    - `baseline`: None, or `file`, `entries`, `found_again`, and what is `gone` by now
    - `since`: None, or `revision`, `commit`, how many findings are `new` and the `same`, and the `fixed` ones
    - `settings_not_obeyed`: the target's own settings of scanners
    - `files_analysed`: files that at least one scanner read

    Files: `security.sarif`.

    Raises:
        EngineError: `target_not_found` for the target, the revision or the baseline, or as the scanners do.
    """
    if not target.is_dir():
        raise EngineError(f"{target}: no such directory", code=ErrorCode.TARGET_NOT_FOUND)
    deadline = time.monotonic() + params.budget_s * _SHARE
    earlier = git.since(target, params.since) if params.since is not None else None
    decisions = accepted.read(target, params.baseline)
    with tempfile.TemporaryDirectory(prefix="sanctuary-security-") as name:
        scratch = Path(name).resolve()
        share = 0.5 if earlier is not None else 1.0
        now = _scan(target, scratch / "now", lambda done, text: progress(done * share, text), deadline)
        compared: Compared | str | None = None
        if earlier is not None:
            heard = partial(_second, progress, earlier.revision)
            scan_then = partial(_scan, progress=heard, deadline=deadline)
            compared = _compare(target, earlier, scratch / "earlier", now, scan_then)
    found = compared.findings if isinstance(compared, Compared) else now.findings
    applied = accepted.apply(decisions, found, dt.datetime.now(dt.UTC).date(), is_whole=not now.is_part)
    scans = now.scans
    scanned = told.Scanned(
        scope=now.scope, scans=scans, decisions=decisions, applied=applied, since=earlier, compared=compared
    )
    left_out = told.not_analysed(scanned)
    document = sarif.document(
        scans, applied.findings, left_out, compared.fixed if isinstance(compared, Compared) else ()
    )
    (out / told.SARIF).write_bytes(msgspec.json.encode(document))
    data = told.data(scanned)
    progress(1.0, "done")
    return EngineOutput(
        summary=told.summary(scanned, data),
        data=data,
        files=(OutputFile(name=told.SARIF, media_type="application/sarif+json"),),
        not_analysed=_capped(left_out),
    )


class _Done(msgspec.Struct, frozen=True):
    """A tree that was scanned."""

    scope: Scope
    scans: tuple[Scan, ...]
    findings: Findings

    @property
    def is_part(self) -> bool:
        """Whether the time was up before all scanners had ended."""
        return any(scan.is_part for scan in self.scans)


def _scan(target: Path, scratch: Path, progress: Progress, deadline: float) -> _Done:
    copy = scratch / "target"
    copy.mkdir(parents=True)
    progress(0.0, "listing files")
    surveyed = scope.survey(target, copy)
    progress(0.05, f"scanning {len(surveyed.files)} files, {len(surveyed.python)} of them Python")
    scans = scanners.run_all(
        scanners.scanners(), copy, surveyed, lambda done, text: progress(0.05 + 0.85 * done, text), deadline
    )
    progress(0.95, "merging")
    return _Done(surveyed, scans, build(scans, surveyed, copy))


def _second(progress: Progress, revision: str, done: float, text: str) -> None:
    """Tell the progress of the second half of the work."""
    progress(0.5 + 0.5 * done, f"{revision}: {text}")


def _compare(
    target: Path, earlier: git.Since, before: Path, now: _Done, scan: Callable[[Path, Path], _Done]
) -> Compared | str:
    """Scan the earlier revision as well, in `before`; where either is no more than a part, return why nothing is compared."""
    too_late = f"the time was up before this revision and {earlier.revision} were scanned whole"
    if now.is_part:
        return too_late
    tree = before / "tree"
    tree.mkdir(parents=True)
    try:
        if not git.extract(target, earlier.commit, ("",), tree):
            return f"{earlier.revision} is too large to be written out"
    except EngineError as error:
        # a clone may hold commits whose files it would have to fetch (`git clone --filter`)
        return f"git cannot write out {earlier.revision} ({error.message}); a full clone holds all of it"
    then = scan(tree, before)
    if then.is_part:
        return too_late
    return compare(then.findings, now.findings, frozenset(then.scope.files), frozenset(now.scope.files))


def _capped(left_out: Sequence[NotAnalysed]) -> tuple[NotAnalysed, ...]:
    if len(left_out) <= told.MAX_LISTED:
        return tuple(left_out)
    rest = NotAnalysed(subject=f"{len(left_out) - told.MAX_LISTED} more", reason=f"listed in {told.SARIF}")
    return (*left_out[: told.MAX_LISTED], rest)
