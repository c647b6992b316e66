"""How often each file was changed, from git."""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError

_MAX_COMMITS = 20_000
_TIMEOUT_S = 120.0
# The target's own git configuration is not trusted: no signature checks (which start a program it may name), no file
# system monitor, no pager, and no fetching of missing objects.
_GIT = ("git", "--no-pager", "-c", "core.fsmonitor=false", "-c", "log.showSignature=false", "-c", "core.pager=cat")
_ENV = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
}


class Churn(msgspec.Struct, frozen=True, kw_only=True):
    """Commits by file, or why there are none."""

    commits: Mapping[str, int] | None
    """File, relative to the target, to the number of commits that touch it under this name; merges do not count."""
    note: str
    """Why `commits` is None, or in what way it is incomplete; empty where it is whole."""


def read(target: Path) -> Churn:
    """Count the commits touching each file of `target`, where that is in a git work tree."""
    try:
        inside = _git(target, "rev-parse", "--is-inside-work-tree", "--is-shallow-repository")
        log = _git(
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


def _git(target: Path, *arguments: str) -> bytes:
    """Return what git prints; where it fails, raise EngineError with its own words."""
    env = process.minimal_env() | _ENV
    finished = process.run((*_GIT, *arguments), cwd=target, timeout_s=_TIMEOUT_S, env=env)
    if finished.exit_status != 0:
        words = finished.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise EngineError(words or f"git ended with status {finished.exit_status}")
    return finished.stdout
