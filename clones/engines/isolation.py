"""A copy of a target to run its code in, so that nothing a test or a script writes reaches the target itself."""

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import msgspec

from clones.engines import git, process
from clones.engines.contract import EngineError, NotAnalysed

MAX_COPY_BYTES = 4 * 1024**3
"""A larger target is refused: the disk is shared with the server's store."""

NOT_COPIED = frozenset(
    {
        *(".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".nox"),
        *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".eggs"),
    }
)
"""Directories without which a project is still whole: version control, environments, caches."""

_NOT_PLAIN = re.compile(r"[^\w .+@-]")
_GIT_TIMEOUT_S = 60.0
_REMOVE_TIMEOUT_S = 60.0
# a target's own git configuration may name programs to run; none of these commands needs one
_GIT = ("git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy holds."""

    root: Path
    files: int
    bytes: int
    left_out: tuple[NotAnalysed, ...] = ()


def copy_target(target: Path, parent: Path) -> Copied:
    """Copy `target` to `parent/<name of target>`, without what has a meaning in lists of paths, and return what was copied.

    In a git checkout the files that git tracks and those it does not ignore; anywhere else all but `NOT_COPIED` and
    virtual environments. Symbolic links stay links where they stay inside the target; others, sockets, pipes,
    devices, and Python files whose name is not UTF-8 are left out and named.

    Raises:
        EngineError: the target is larger than `MAX_COPY_BYTES`, or cannot be read.
    """
    target = target.resolve()
    root = parent / (_NOT_PLAIN.sub("_", target.name) or "target")
    root.mkdir(parents=True)
    left_out: list[NotAnalysed] = []
    count = size = 0
    for relative in _files(target):
        source, destination = target / relative, root / relative
        try:
            status = source.lstat()
            if stat.S_ISLNK(status.st_mode):
                if why_not := _copy_link(source, destination, target):
                    left_out.append(_left_out(relative, why_not))
                continue
            if not stat.S_ISREG(status.st_mode):
                left_out.append(_left_out(relative, "not a regular file"))
                continue
            if relative.suffix == ".py" and not _is_unicode(relative):
                # coverage ends with an error over such a name, and counts no file that the tests do not import
                left_out.append(_left_out(relative, "its name is not UTF-8"))
                continue
            size += status.st_size
            if size > MAX_COPY_BYTES:
                message = f"{target} holds more than {MAX_COPY_BYTES // 1024**2} MiB; name a smaller directory"
                raise EngineError(message)
            destination.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, destination)
            count += 1
        except FileNotFoundError:  # tracked by git, deleted in the checkout
            continue
        except PermissionError:
            left_out.append(_left_out(relative, "no permission to read it"))
    return Copied(root=root, files=count, bytes=size, left_out=tuple(left_out))


def restore(root: Path, pristine: Path) -> None:
    """Make a copy what it was when `pristine` was copied from it, whatever has run there."""
    remove(root)
    shutil.copytree(pristine, root, symlinks=True, dirs_exist_ok=True)


def remove(path: Path) -> None:
    """Remove what is at `path`, a file or a tree of any depth and permissions, as far as it can be; raises nothing."""
    with contextlib.suppress(EngineError, OSError):
        if path.is_symlink() or not path.is_dir():
            path.unlink()
            return
        # shutil.rmtree ends with a RecursionError in a deep tree, and its paths may be too long for the kernel
        for argv in (["rm", "-rf"], ["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
            process.run([*argv, "--", str(path)], cwd=path.parent, timeout_s=_REMOVE_TIMEOUT_S)
            if not os.path.lexists(path):
                return


def git_tag(target: Path) -> str | None:
    """Return the last tag that `target`'s checkout descends from, for builds that take their version from git."""
    found = _git(target, "describe", "--tags", "--abbrev=0")
    return found.decode(errors="replace").strip() or None if found else None


def _files(target: Path) -> Iterator[PurePosixPath]:
    tracked = _git(target, "ls-files", "-z", "--cached") or b""
    others = _git(target, "ls-files", "-z", "--others", "--exclude-standard") or b""
    names = [os.fsdecode(part) for part in tracked.split(b"\0") if part]
    names += [
        name
        for name in (os.fsdecode(part) for part in others.split(b"\0") if part)
        if NOT_COPIED.isdisjoint(PurePosixPath(name).parts)
    ]
    # a directory that the repository around it ignores lists nothing: it is then a plain directory
    if not names:
        yield from _walk(target, target)
        return
    for name in filter(git.is_below, dict.fromkeys(names)):
        path = target / name
        if path.is_dir() and not path.is_symlink():  # a submodule
            yield from _walk(path, target)
        else:
            yield PurePosixPath(name)


def _walk(directory: Path, target: Path) -> Iterator[PurePosixPath]:
    for place, directories, files in os.walk(directory):
        here = Path(place)
        links = [name for name in directories if (here / name).is_symlink()]
        directories[:] = sorted(
            name
            for name in directories
            if name not in NOT_COPIED and name not in links and not (here / name / "pyvenv.cfg").exists()
        )
        for name in sorted([*files, *links]):
            yield PurePosixPath((here / name).relative_to(target).as_posix())


def _git(target: Path, *arguments: str) -> bytes | None:
    """Return what git says, None where there is no git, no repository, or git fails."""
    if git.why_not(target):
        return None
    env = process.minimal_env() | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = process.run([*_GIT, *arguments], cwd=target, timeout_s=_GIT_TIMEOUT_S, env=env)
    except EngineError:
        return None
    return done.stdout if done.exit_status == 0 and not done.truncated else None


def _is_unicode(relative: PurePosixPath) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in str(relative))


def _copy_link(source: Path, destination: Path, target: Path) -> str | None:
    """Copy a link that stays inside the target, as a relative one: an absolute one would lead back into the target.

    Returns why it is left out, None where it is copied.
    """
    end = Path(os.path.realpath(source))  # Path.resolve() raises RuntimeError at a circle until Python 3.13
    if end.is_symlink():
        return "symbolic links in a circle"
    if not end.is_relative_to(target):
        return "a symbolic link to outside the target"
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.symlink_to(os.path.relpath(end, os.path.realpath(source.parent)))
    return None


def _left_out(relative: PurePosixPath, reason: str) -> NotAnalysed:
    return NotAnalysed(subject=relative.as_posix(), reason=f"left out of the copy that is run: {reason}")
