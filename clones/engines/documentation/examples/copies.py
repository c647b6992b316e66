"""The copy that documents are run in: whole again before each that is started there, whatever ran before."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clones.engines import isolation
from clones.engines.contract import EngineError


class Copy:
    """A copy of a target, beside which each run has a home of its own."""

    def __init__(self, root: Path, scratch: Path, kept: Path) -> None:
        """Keep what is in `root`, a directory below `scratch`, in `kept`, for the time that this is used.

        Raises:
            OSError, shutil.Error: it cannot be copied.
        """
        self.root = root
        self.scratch = scratch
        """All that a run is expected to write in, beside its TMPDIR."""
        self._pristine = kept / "pristine"
        shutil.copytree(root, self._pristine, symlinks=True)
        self._whole = _state(root)
        self._given_up = ""

    def give_up(self, why: str) -> None:
        """Have nothing run here any more."""
        self._given_up = why

    @contextmanager
    def prepared(self) -> Iterator[Path]:
        """Have the copy whole, and yield an empty home for one run.

        Raises:
            EngineError: it is given up, or cannot be made whole; that is tried again the next time.
        """
        if self._given_up:
            raise EngineError(self._given_up)
        try:
            if _state(self.root) != self._whole:
                self._restore()
            home = Path(tempfile.mkdtemp(prefix="home-", dir=self.scratch))
        except (OSError, shutil.Error) as error:
            raise EngineError(f"what ran before it left no copy of the project to run in: {error}") from None
        try:
            yield home
        finally:
            isolation.remove(home)

    def _restore(self) -> None:
        for directory in (self.scratch, self.root.parent, self.root):
            if directory.is_symlink() or not directory.is_dir():
                isolation.remove(directory)
        isolation.remove(self.root)
        self.root.mkdir(parents=True)
        isolation.restore(self.root, self._pristine)
        self._whole = _state(self.root)


@contextmanager
def directory(prefix: str) -> Iterator[Path]:
    """Yield a new directory; whatever is made of it meanwhile, its removal raises nothing."""
    path = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield path
    finally:
        isolation.remove(path)


def _state(root: Path) -> int:
    """Return what is another number as soon as `root`, or something below, is another."""
    found: list[tuple[object, ...]] = []
    waiting = [os.fspath(root)]
    while waiting:
        path = waiting.pop()
        try:
            status = os.lstat(path)
            is_directory = stat.S_ISDIR(status.st_mode)
            if is_directory:
                waiting += (os.path.join(path, name) for name in sorted(os.listdir(path)))  # noqa: PTH118, PTH208 -- quick
        except OSError:
            found.append((path,))
            continue
        # a directory's own times change by what is put in it and taken out again; a program can set mtime, and not ctime
        kept = () if is_directory else (status.st_mtime_ns, status.st_ctime_ns, status.st_size)
        found.append((path, status.st_mode, status.st_ino, *kept))
    return hash(tuple(found))
