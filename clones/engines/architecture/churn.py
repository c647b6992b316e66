"""How often each file was changed, from git."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec

from clones.engines import git
from clones.engines.contract import EngineError

_MAX_COMMITS = 20_000


class Churn(msgspec.Struct, frozen=True, kw_only=True):
    """Commits by file, or why there are none."""

    commits: Mapping[str, int] | None
    """File, relative to the target, to the number of commits that touch it under this name; merges do not count."""
    note: str
    """Why `commits` is None, or in what way it is incomplete; empty where it is whole."""


def read(target: Path) -> Churn:
    """Count the commits touching each file of `target`, where that is in a git work tree."""
    try:
        inside = git.run(target, "rev-parse", "--is-inside-work-tree", "--is-shallow-repository")
        log = git.run(
            target,
            *("log", "--no-show-signature", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-merges"),
            *("--relative", "--name-only", "-z", f"--max-count={_MAX_COMMITS}", "--format=%x01", "--", "."),
        )
    except EngineError as error:
        return Churn(commits=None, note=f"no git history: {error.message}")
    # records are separated by NUL; the mark of a commit precedes its files
    names = (name.lstrip(b"\x01\n") for name in log.split(b"\0"))
    commits = Counter(name.decode(errors="replace") for name in names if name)
    if not commits:
        return Churn(commits=None, note="no git history: git tracks no file of the target")
    if log.count(b"\x01") >= _MAX_COMMITS:
        return Churn(commits=commits, note=f"only the last {_MAX_COMMITS} commits were counted")
    shallow = b"true" in inside.splitlines()[1:]
    return Churn(commits=commits, note="the git history is shallow: older commits are not counted" if shallow else "")
