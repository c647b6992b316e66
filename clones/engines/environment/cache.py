"""Where environments are kept: a directory for each digest of what it was built from, a lock, an age limit."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs

from clones.engines.contract import EngineError

UNUSED_S = 30 * 24 * 3600.0
"""Environments that nobody used for so long are removed when another one is looked up."""

_POLL_S = 0.2
_DECLARATIONS = ("pyproject.toml", "setup.py", "setup.cfg", "tox.ini", "MANIFEST.in", "Cargo.toml", "meson.build")
# where builds look for a version, and what they compile: an environment built from other ones would be stale
_VERSIONS = frozenset({"__version__.py", "_version.py", "version.py", "__about__.py", "VERSION", "version.txt"})
_COMPILED = frozenset({".c", ".cc", ".cpp", ".h", ".hpp", ".pyx", ".pxd", ".rs", ".f90", ".lock"})
_MAX_DIGEST_BYTES = 64 * 1024 * 1024


def environments_path() -> Path:
    """Return `$XDG_CACHE_HOME/sanctuary/environments`, or what the operating system has in its place."""
    return platformdirs.user_cache_path("sanctuary") / "environments"


def key_of(root: Path, *facts: str) -> str:
    """Digest what decides an environment's content: `facts`, and the files under `root` that a build depends on."""
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(fact.encode() + b"\0")
    left = _MAX_DIGEST_BYTES
    for path in sorted(_build_inputs(root)):
        content = path.read_bytes()
        left -= len(content)
        if left < 0:
            break
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()[:24]


def _build_inputs(root: Path) -> set[Path]:
    found = {root / name for name in _DECLARATIONS}
    found.update(root.glob("*requirements*.txt"))
    found.update((root / "requirements").rglob("*.txt"))
    for pattern in ("*/__init__.py", "src/*/__init__.py"):
        found.update(root.glob(pattern))
    for place, directories, files in os.walk(root):
        directories[:] = [name for name in directories if not name.startswith(".")]
        found.update(Path(place, name) for name in files if name in _VERSIONS or Path(name).suffix in _COMPILED)
    return {path for path in found if path.is_file() and not path.is_symlink()}


@contextlib.contextmanager
def locked(directory: Path, *, deadline: float, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of the environment at `directory`; engines side by side build it once.

    `deadline` is a time of `time.monotonic`; `on_wait` is called once where somebody else holds the lock. The lock
    goes with its holder, however that ends.

    Raises:
        EngineError: `engine_timeout` at the deadline; the same task may succeed later.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory.with_name(directory.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        waited = False
        while not _try_lock(descriptor):
            if not waited:
                on_wait()
                waited = True
            if time.monotonic() > deadline:
                message = f"another engine was still building the target's environment in {directory}"
                raise EngineError(message, code="engine_timeout", retryable=True)
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def remove_unused(parent: Path, *, now: float) -> None:
    """Remove the environments below `parent` that were last used `UNUSED_S` before `now` (seconds since the epoch)."""
    for used in parent.glob("*/used"):
        with contextlib.suppress(OSError):
            if now - used.stat().st_mtime < UNUSED_S:
                continue
            descriptor = os.open(used.parent.with_name(used.parent.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
            try:
                if _try_lock(descriptor):
                    shutil.rmtree(used.parent)
            finally:
                os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
