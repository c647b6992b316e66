"""What a target is, as one number: its files, and the history that engines ask git for."""

import hashlib
import os
import stat
from collections.abc import Container, Iterator
from pathlib import Path

import msgspec

from clones.engines import git
from clones.engines.contract import EngineError, EngineOutput, Progress
from clones.engines.own_files import is_report, is_store

CACHES = frozenset({"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"})
"""Directories that tools fill while they look at a project; no engine reads them."""
_GIT = ".git"


class DigestParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`digest` needs nothing but the directory."""


def digest(target: Path, params: DigestParams, out: Path, progress: Progress) -> EngineOutput:
    """Tell targets apart: `data` is `{"digest": hex}`, the same for the same files and history wherever they lie.

    The files are told by path, content and whether they can be executed, links by where they lead. Left out are `CACHES`, and
    what Sanctuary itself wrote. Of git count the commit, how much history there is, the tags and branches, and which files it tracks or
    would: not who has the work tree, nor what lies in the stash.
    """
    found = hashlib.sha256()
    paths = set()
    for path, told in _entries(os.fsencode(target)):
        _add(found, path, told)
        paths.add(path)
    _add(found, *_history(target, paths))
    return EngineOutput(summary="", data={"digest": found.hexdigest()})


def of_files(directory: Path) -> str:
    """Return the digest of the files below a directory."""
    found = hashlib.sha256()
    for path, told in _entries(os.fsencode(directory)):
        _add(found, path, told)
    return found.hexdigest()


def _add(found: "hashlib._Hash", *parts: bytes) -> None:
    for part in parts:
        found.update(len(part).to_bytes(8, "big"))
        found.update(part)


def _entries(top: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield each entry's path with 33 bytes that tell what it is, in an order that is the same everywhere."""
    for directory, directories, files in os.walk(top):
        directories[:] = sorted(name for name in directories if not _is_left_out(directory, name))
        for name in sorted((*directories, *files)):
            if name == _GIT.encode():
                continue  # a submodule's is a file
            path = os.path.join(directory, name)  # noqa: PTH118  names are bytes: they need not be text
            yield os.path.relpath(path, top), _told(path)


def _is_left_out(directory: bytes, name: bytes) -> bool:
    path = Path(os.fsdecode(directory), os.fsdecode(name))
    return path.name == _GIT or path.name in CACHES or is_store(path) or is_report(path)


def _told(path: bytes) -> bytes:
    """Return the kind of an entry as one byte, and the digest of what it holds."""
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            return b"l" + hashlib.sha256(os.readlink(path)).digest()  # noqa: PTH115  as above
        if not stat.S_ISREG(mode):
            return b"o" + hashlib.sha256(str(stat.S_IFMT(mode)).encode()).digest()
        with open(path, "rb") as file:  # noqa: PTH123  as above
            return (b"x" if mode & 0o111 else b"f") + hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        # Unreadable or gone: no engine sees more of it.
        return b"e" + hashlib.sha256(str(error.errno).encode()).digest()


def _history(target: Path, paths: Container[bytes]) -> tuple[bytes, ...]:
    """Return what engines see of git, of the files at `paths`."""
    try:
        commit = git.head(target)
        if commit is None:
            return ()
        listed = git.run(target, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
        return (
            commit.encode(),
            git.run(target, "rev-list", "--count", "HEAD"),
            git.run(target, "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags", "refs/heads"),
            *(name for name in sorted(set(listed.split(b"\0"))) if name in paths),
        )
    except EngineError:
        return ()  # engines that ask git find as little
