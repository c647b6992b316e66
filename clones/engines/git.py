"""What engines ask git about a target: read-only, and nothing that the target's own configuration names is run.

No signature checks (which start a program it may name), no file system monitor, no hooks, no pager, no filters, no
external diff, and no fetching of missing objects. Paths are relative to the target, which may be below the work tree's top.
"""

import functools
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError
from schemas.errors import ErrorCode

SHORT = 12
"""Characters of a hash that are told: unique in histories of any size."""

_TIMEOUT_S = 120.0
_GIT = (
    *("git", "--no-pager", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"),
    *("-c", "log.showSignature=false", "-c", "core.pager=cat", "-c", "core.quotePath=false"),
)
_ENV = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C.UTF-8",
}
_WORKTREE = re.compile(r"^\s*worktree\s*=\s*(.+)$", re.MULTILINE)
_MAX_SETTING_BYTES = 64 * 1024
_PLAIN_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*")
_FILE_MODES = (b"100644", b"100755")
_MAX_TREE_BYTES = 512 * 1024 * 1024
"""What is written out of a revision."""
_MAX_READ_BYTES = 48 * 1024 * 1024
"""What is read of its files at once, below the bound on a tool's output; a larger file is left out."""


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """Where a range of commits begins; its commit itself is not in the range."""

    revision: str
    """As a reader would type it: the tag, or what was asked for."""
    name: str
    """What commands call it: the tag, or the beginning of the hash, which means the same tomorrow. Plain to a shell."""
    commit: str
    """The full hash."""
    how: str
    """In words, how it was chosen."""


def run(target: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    """Return what `git <arguments>` prints in `target`.

    Raises:
        EngineError: with git's own words, where it fails; `tool_missing` where there is no git.
    """
    if (problem := why_not(target)) is not None:
        raise EngineError(problem)
    env = process.minimal_env() | _ENV
    finished = process.run((*_GIT, *arguments), cwd=target, timeout_s=_TIMEOUT_S, env=env, stdin=stdin)
    if finished.exit_status != 0:
        words = finished.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise EngineError(words or f"git {arguments[0]} ended with status {finished.exit_status}")
    return finished.stdout


@functools.cache
def why_not(target: Path) -> str | None:
    """Return why git is not asked about `target`: it would wait for a pipe, or read a history that is another project's."""
    if (pipe := _waits_for(target)) is not None:
        return f"{pipe} is a pipe: git would wait for what comes out of it; remove it"
    if (elsewhere := _leads_to(target)) is not None:
        return f".git leads to {elsewhere}, which does not belong to this directory: the history there is not read"
    return None


def _leads_to(target: Path) -> Path | None:
    """Return where git would find a history that is not the target's own; None where it is.

    A file `.git` (gitrepository-layout(5)) may name any repository on this machine. One of a linked work tree or a submodule
    is told by the repository's pointing back, which who made the target could not write.
    """
    place = next((place for place in (target, *target.parents) if os.path.lexists(place / ".git")), None)
    if place is None:
        return None
    entry = place / ".git"
    named = _named_in(entry, "gitdir:") if entry.is_file() else None
    # Path.resolve() raises RuntimeError at links in a circle until Python 3.13
    directory = Path(os.path.realpath(place / named if named is not None else entry))
    if named is not None and _points_back(directory, entry):
        return None
    if not directory.is_relative_to(place.resolve()):
        return directory
    common = _named_in(directory / "commondir")
    shared = Path(os.path.realpath(directory / common)) if common is not None else directory
    return None if shared.is_relative_to(place.resolve()) else shared


def _points_back(directory: Path, entry: Path) -> bool:
    linked = _named_in(directory / "gitdir")
    if linked is not None and os.path.realpath(directory / linked) == os.path.realpath(entry):
        return True
    module = _WORKTREE.search(_text(directory / "config"))
    if module is None:
        return False
    return os.path.realpath(directory / module[1].strip().strip('"')) == os.path.realpath(entry.parent)


def _named_in(file: Path, word: str = "") -> str | None:
    """Return the path that a file of git's holds behind `word`; None where there is no such file."""
    text = _text(file)
    return text.removeprefix(word).strip() if text.startswith(word) and text.strip() else None


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return os.fsdecode(opened.read(_MAX_SETTING_BYTES).partition(b"\0")[0])  # git reads no further, either
    except OSError:
        return ""


def _waits_for(target: Path) -> str | None:
    """Return a pipe in `target` that git would open and so wait for: settings of its own, in whatever directory."""
    for place, directories, files in os.walk(target):
        inside = ".git" in PurePosixPath(place).parts
        directories[:] = [name for name in directories if not (inside and name == "objects")]
        for name in files:
            path = Path(place, name)
            if (inside or name.startswith((".git", ".mailmap"))) and path.is_fifo():
                return path.relative_to(target).as_posix()
    return None


def commit_of(target: Path, revision: str) -> str | None:
    """Return the full hash of the commit that `revision` names; None where it names none, or there is no history."""
    try:
        found = run(target, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except EngineError as error:
        if error.code == ErrorCode.TOOL_MISSING:
            raise
        return None
    return found.decode("ascii").strip() or None


def _no_revision(target: Path, asked: str) -> str:
    if (reason := why_not(target)) is not None:
        return f"the target has no revision {asked!r}: {reason}"
    if commit_of(target, "HEAD") is None:
        return f"the target has no revision {asked!r}, for it has no git history"
    return f"the target has no revision {asked!r}; `git tag` and `git log --oneline` list those that it has"


def head(target: Path) -> str | None:
    """Return the commit that `target` stands at; None where git tracks none of its files."""
    commit = commit_of(target, "HEAD")
    return commit if commit and run(target, "ls-files", "-z", "--", ".") else None


def since(target: Path, asked: str | None) -> Since | None:
    """Return where the changes to be looked at begin: `asked`, or the newest tag before HEAD.

    A tag on HEAD itself is the release that is looked at, so the one before it counts. None where there is no history,
    or no such tag.

    Raises:
        EngineError: `target_not_found`, where `asked` names no commit of the target's history.
    """
    if asked is not None:
        commit = commit_of(target, asked)
        if commit is None:
            raise EngineError(_no_revision(target, asked), code=ErrorCode.TARGET_NOT_FOUND)
        is_tag = commit_of(target, f"refs/tags/{asked}") is not None
        return Since(revision=asked, name=asked if is_tag else commit[:SHORT], commit=commit, how="asked for")
    try:
        tag = run(target, "describe", "--tags", "--abbrev=0", "HEAD^").decode(errors="replace").strip()
    except EngineError as error:
        if error.code == ErrorCode.TOOL_MISSING:
            raise
        return None
    commit = commit_of(target, f"refs/tags/{tag}")
    if commit is None:
        return None
    # git allows `v1;reboot` and `$(reboot)`
    name = tag if _PLAIN_TAG.fullmatch(tag) else commit[:SHORT]
    return Since(revision=tag, name=name, commit=commit, how="the newest tag before HEAD")


def changed(target: Path, commit: str, *, gone: bool) -> list[str]:
    """Return the tracked files below the target that differ from `commit`, with `gone` those that are there no more too."""
    differs = () if gone else ("--diff-filter=d",)
    said = run(
        target, "diff", "--no-ext-diff", "--no-renames", "--relative", "--name-only", "-z", *differs, commit, "--", "."
    )
    return sorted(name.decode(errors="replace") for name in said.split(b"\0") if name)


def untracked(target: Path) -> list[str]:
    """Return the files below the target that git does not track and does not ignore."""
    said = run(target, "ls-files", "-z", "--others", "--exclude-standard", "--", ".")
    return sorted(name.decode(errors="replace") for name in said.split(b"\0") if name)


def extract(target: Path, commit: str, suffixes: Sequence[str], into: Path) -> bool:
    """Write the files of `commit` below the target's directory that end in one of `suffixes` to `into`.

    Their content as git stores it: no filter, no attribute. Links are left out. Returns False where there was more than
    `_MAX_TREE_BYTES` or a file larger than `_MAX_READ_BYTES`, and that was left out.
    """
    listed = run(target, "ls-tree", "-r", "-z", "-l", commit, "--", ".")
    batches: list[list[tuple[str, str]]] = [[]]
    size = batch_size = 0
    is_whole = True
    for entry in filter(None, listed.split(b"\0")):
        # git-ls-tree(1): <mode> SP <type> SP <object> SP <size, padded> TAB <file>
        fields, _, name = entry.partition(b"\t")
        mode, _, found, length = fields.split()
        path = os.fsdecode(name)
        if mode not in _FILE_MODES or not path.endswith(tuple(suffixes)) or not is_below(path):
            continue
        if size + int(length) > _MAX_TREE_BYTES or int(length) > _MAX_READ_BYTES:
            is_whole = False
            continue
        size += int(length)
        batch_size += int(length)
        if batch_size > _MAX_READ_BYTES:
            batches.append([])
            batch_size = int(length)
        batches[-1].append((path, found.decode("ascii")))
    for batch in batches:
        _write_out(target, batch, into)
    return is_whole


def _write_out(target: Path, wanted: Sequence[tuple[str, str]], into: Path) -> None:
    """Write files, given as path and object."""
    blobs = run(target, "cat-file", "--batch", stdin="".join(f"{found}\n" for _, found in wanted).encode())
    at = 0
    for path, _ in wanted:
        # git-cat-file(1), --batch: <object> SP <type> SP <size> LF <content> LF
        line_end = blobs.index(b"\n", at)
        begin = line_end + 1
        end = begin + int(blobs[at:line_end].split()[2])
        file = into / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(blobs[begin:end])
        at = end + 1


def prefix(target: Path) -> str:
    """Return the target's place below the work tree's top, empty or with a slash at its end."""
    return os.fsdecode(run(target, "rev-parse", "--show-prefix")).rstrip("\n")


def is_below(path: str) -> bool:
    """Tell whether a path that git tells is one inside the directory: who made a repository can write others into it."""
    parts = PurePosixPath(path)
    return not parts.is_absolute() and ".." not in parts.parts and ".git" not in parts.parts
