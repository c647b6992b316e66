"""A pytest plugin under which tests with made-up inputs change nothing: a function might take any of them for a path.

Loaded with `-p sanctuary_guard`. From collection on, a change of the file system outside the temporary directory, a new
process, a signal and a connection are refused, as far as Python's audit events tell of them (PEP 578); the test during
which that happened fails with a message that begins with `refused: `.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

_NEVER = frozenset(
    {
        *("os.kill", "os.killpg", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"),
        *("subprocess.Popen", "pty.spawn", "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"),
        *("signal.pthread_kill", "syslog.syslog", "resource.setrlimit", "resource.prlimit", "ftplib.connect"),
        *("smtplib.connect", "urllib.Request", "webbrowser.open", "sqlite3.connect", "shutil.chown"),
    }
)
_CHANGED = {
    **dict.fromkeys(("os.remove", "os.rmdir"), ((0,), (1,))),
    "os.mkdir": ((0,), (2,)),
    "os.chmod": ((0,), (2,)),
    "os.chown": ((0,), (3,)),
    "os.utime": ((0,), (3,)),
    **dict.fromkeys(("os.rename", "os.link"), ((0, 1), (2, 3))),
    "os.symlink": ((1,), (2,)),
    **dict.fromkeys(("os.truncate", "os.setxattr", "os.removexattr", "shutil.rmtree"), ((0,), (None,))),
}
"""Which of an event's arguments are paths that are changed, and which tell the open directory that each is relative to."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class RefusedError(PermissionError):
    """What was to be done is not done."""


class _Guard:
    def __init__(self) -> None:
        self.is_on = False
        self.refused: list[str] = []
        # hypothesis keeps a table there, which is to be no change of the project
        os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(Path(tempfile.gettempdir(), "hypothesis"))
        self._free = Path(tempfile.gettempdir()).resolve()

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event in _NEVER:
            self._refuse(event)
        elif event == "open":
            path, _, flags = arguments
            if not isinstance(path, int) and isinstance(flags, int) and flags & _WRITES and not self._is_free(path):
                self._refuse(event)
        elif event in _CHANGED:
            for path, directory in zip(*_CHANGED[event]):  # noqa: B905 -- there is no `strict` before Python 3.10
                if not self._is_free(arguments[path], -1 if directory is None else arguments[directory]):
                    self._refuse(event)

    def _is_free(self, path: Any, directory: int = -1) -> bool:
        if isinstance(path, int):
            return True  # what has a descriptor was opened, and that was looked at
        try:
            above = Path(f"/proc/self/fd/{directory}").resolve() if directory >= 0 else Path.cwd()
            whole = above / os.fsdecode(path)
            return str(whole) == os.devnull or self._free in whole.resolve().parents
        except (TypeError, ValueError, OSError):
            return False

    def _refuse(self, event: str) -> None:
        self.refused.append(event)
        raise RefusedError(f"refused: {event}")


_guard = _Guard()
sys.addaudithook(_guard.hook)


def pytest_collection() -> None:
    """Begin: what a module does when it is imported counts too."""
    _guard.is_on = True


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish() -> None:
    """End: what pytest itself leaves behind is its own."""
    _guard.is_on = False


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    """Fail a test that reached outside, whatever it made of the refusal."""
    before = len(_guard.refused)
    outcome = yield
    if len(_guard.refused) > before:
        outcome.force_exception(RefusedError(f"refused: {_guard.refused[before]}"))  # type: ignore[attr-defined]
