"""Pack a directory for an upload, so that a clone on another machine can work on it (`artifact:<name>`)."""

import gzip
import hashlib
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from clones.engines.contract import EngineError, NotAnalysed
from clones.engines.own_files import is_store
from clones.engines.process import minimal_env
from schemas.errors import ErrorCode

NOT_PACKED = frozenset({".git", ".venv", "node_modules", "__pycache__"})
"""Directories that stay behind where git does not say what belongs to the project; `.git` always does."""


class ArchiveInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds."""

    files: int
    unpacked_bytes: int
    archive_bytes: int
    sha256: str
    """Of the archive, in hexadecimal; the same files give the same archive."""
    left_out: tuple[NotAnalysed, ...]


def pack(directory: Path, archive: Path) -> ArchiveInfo:
    """Write `directory` as a .tar.gz file to `archive`, everything below one top folder with the directory's name.

    In a git work tree: what is tracked, and what is new and not ignored, as it stands in the directory. Elsewhere:
    everything but `NOT_PACKED`. Symbolic links that lead outside, sockets, devices, and the stores of networks with the keys
    in them are left out.

    Raises:
        EngineError: `target_not_found` where `directory` is none.
        OSError: a file cannot be read, or the archive not written.
    """
    if not directory.is_dir():
        raise EngineError(f"{directory} is no directory", code=ErrorCode.TARGET_NOT_FOUND)
    root = directory.resolve()
    files = unpacked = 0
    left_out = []
    # without a name and a time in the header, the same files give the same bytes
    with (
        archive.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        names = _from_git(root) or set(_from_disk(root))
        stores = {
            each for each in {above for name in names for above in PurePosixPath(name).parents} if is_store(root / each)
        }
        left_out += [
            NotAnalysed(subject=str(each), reason="a network's store, with its keys") for each in sorted(stores)
        ]
        for name in sorted(names):
            if root / name == archive.resolve() or not stores.isdisjoint(PurePosixPath(name).parents):
                continue
            reason = _why_not(root, name)
            if reason is not None:
                left_out.append(NotAnalysed(subject=name, reason=reason))
                continue
            member = tar.gettarinfo(root / name, arcname=f"{root.name or 'project'}/{name}")
            member.uid = member.gid = member.mtime = 0
            member.uname = member.gname = ""
            member.mode = 0o755 if member.mode & 0o100 else 0o644
            files += 1
            if member.isreg():
                unpacked += member.size
                with (root / name).open("rb") as content:
                    tar.addfile(member, content)
            else:
                tar.addfile(member)
    with archive.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    return ArchiveInfo(
        files=files,
        unpacked_bytes=unpacked,
        archive_bytes=archive.stat().st_size,
        sha256=digest,
        left_out=tuple(left_out),
    )


def _from_git(root: Path) -> set[str]:
    """Return what git takes for the project's files below `root`: nothing where git does not know it, or is missing."""
    try:
        listed = subprocess.run(
            [
                *("git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false"),
                *("ls-files", "-z", "--cached", "--others", "--exclude-standard"),
            ],
            cwd=root,
            env=minimal_env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return set()
    if listed.returncode != 0:
        return set()
    names = {os.fsdecode(name) for name in listed.stdout.split(b"\0") if name}
    return {name for name in names if os.path.lexists(root / name)}  # what is deleted and not committed is not there


def _from_disk(root: Path) -> Iterator[str]:
    for directory, directories, files in os.walk(root):
        here = Path(directory)
        links = [name for name in directories if (here / name).is_symlink()]
        directories[:] = [name for name in directories if name not in NOT_PACKED and name not in links]
        for name in (*files, *links):
            if name not in NOT_PACKED:  # a `.git` that is a file belongs to a submodule or a linked work tree
                yield (here / name).relative_to(root).as_posix()


def _why_not(root: Path, name: str) -> str | None:
    path = root / name
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        try:
            inside = path.resolve(strict=True).is_relative_to(root) and not path.readlink().is_absolute()
        except (OSError, RuntimeError):  # dangling, or in a circle (RuntimeError until Python 3.13)
            inside = False
        return None if inside else "symbolic link to nothing inside the directory"
    if stat.S_ISDIR(mode):
        return "a repository of its own within this one (submodule)"
    return None if stat.S_ISREG(mode) else "neither file nor link"
