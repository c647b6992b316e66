"""Coverage of the lines that were changed since a revision."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clones.engines import git
from clones.engines.contract import EngineError
from clones.engines.running.coverage_report import FileCoverage, percent, ranges
from clones.engines.statements import Statement

MAX_FILES = 100
_MAX_CHECKED_LINES = 40
_HUNK = re.compile(rb"^@@ -[0-9,]+ \+([0-9]+)(?:,([0-9]+))? @@", re.MULTILINE)
_PLAIN_NAME = re.compile(r"[\w./-]+", re.ASCII)


def diff_coverage(target: Path, files: Sequence[FileCoverage], asked: str | None) -> dict[str, Any]:
    """Return how much of what was changed since a revision, or since the newest tag before HEAD, the tests ran.

    Lines count that hold a statement, in the files that were measured; those that git does not know yet are new as a
    whole. Where it cannot be told, the result has a `reason` and no figures.

    Raises:
        EngineError: `target_not_found`, where the history has no such revision.
    """
    since = git.since(target, asked) if git.head(target) is not None else None
    if since is None:
        if asked is not None:
            raise EngineError(f"params.since: {asked!r}, but the target has no git history", code="incompatible_task")
        return {"reason": "the target has no git history, or no tag before HEAD: give `since`"}
    if not files:
        return {"reason": "no coverage was measured", "since": since.revision}
    found = []
    for each in files:
        changed = changed_lines(target, since.commit, each.file)
        counted = [line for line in (*each.executed, *each.not_executed) if changed is None or line in changed]
        if counted:
            missing = sorted(set(counted) & set(each.not_executed))
            found.append(_row(each.file, len(counted), missing))
    total, covered = sum(row["lines_total"] for row in found), sum(row["lines_covered"] for row in found)
    worst = sorted(found, key=lambda row: (row["lines_covered"] - row["lines_total"], row["file"]))
    return {
        "since": since.revision,
        "commit": since.commit,
        "how": since.how,
        "lines_covered": covered,
        "lines_total": total,
        "percent": percent(covered, total),
        "files": worst[:MAX_FILES],
        "files_total": len(found),
    }


def changed_lines(target: Path, commit: str, file: str) -> set[int] | None:
    """Return the lines of `file` that are new or other than at `commit`; None for all of a file that git does not track."""
    pathspec = f":(literal){file}"
    if not git.run(target, "ls-files", "-z", "--", pathspec):
        return None
    said = git.run(
        target, "diff", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-color", "-U0", commit, "--", pathspec
    )
    lines: set[int] = set()
    for hunk in _HUNK.finditer(said):
        first, count = int(hunk[1]), int(hunk[2]) if hunk[2] is not None else 1
        lines.update(range(first, first + count))
    return lines


def _row(file: str, total: int, missing: list[int]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "file": file,
        "lines_covered": total - len(missing),
        "lines_total": total,
        "percent": percent(total - len(missing), total),
        "missing": ranges(missing),
    }
    if not missing or not _PLAIN_NAME.fullmatch(file):
        return row
    checked = missing[:_MAX_CHECKED_LINES]
    numbers = "|".join(map(str, checked))
    program = (
        f'index($0, "filename=\\"{file}\\"") {{on = 1}} /<\\/class>/ {{on = 0}} '
        f'on && /<line number="({numbers})" hits="0"/ {{n++}} END {{print n + 0}}'
    )
    statement = Statement(
        text=f"{len(missing)} of {total} changed lines of {file} were run by no test: {', '.join(ranges(missing))}",
        how_to_check=f"awk '{program}' coverage.xml",
        expected=str(len(checked)),
    )
    return {**row, "needs_file": "coverage.xml", **statement.plain()}
