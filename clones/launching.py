"""Run one program below `clones.launcher`, and see it and everything that it started to its end.

Daemon -> launcher -> program -> whatever that starts. Whatever way it ends (by itself, limit, error, cancellation, death of
the daemon), every process below the launcher is killed.
"""

import asyncio
import contextlib
import logging
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from clones import launcher
from clones.scratch import TIDY_S

OUT_OF_MEMORY = (b"MemoryError", b"memory allocation", b"bad_alloc", b"Cannot allocate memory", b"ut of memory")
"""What programs say on standard error when they get no more of it."""
READ_BYTES = 64 * 1024

_PATIENCE_S = launcher.GIVE_UP_AFTER_S + 20.0
"""What the launcher gets to kill everything, before it is killed itself."""

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of a program may take."""

    timeout_s: float
    """Wall-clock time from start to end."""
    memory_bytes: int = 8 * 1024**3
    """Address space of each single process (RLIMIT_AS; not enforced on macOS, whose kernel has no such limit)."""
    processes: int = 1000
    """At once, itself and all that it started (Linux)."""
    disk_bytes: int = 16 * 1024**3
    """In its scratch directory, which is its TMPDIR; and the size of each file that it writes anywhere."""

    def passed(self, reason: str) -> str | None:
        """Say which of these the launcher's `reason` means; None for another reason."""
        match reason:
            case "processes":
                return f"it had more than {self.processes} processes at once"
            case "disk":
                return f"it filled more than {self.disk_bytes / 1024**2:g} MiB of its temporary directory, or the disk was nearly full"
        return None


class Tail:
    """The last bytes of what a program writes."""

    def __init__(self, limit_bytes: int) -> None:
        self.truncated = False
        """Whether there were more."""
        self._limit_bytes = limit_bytes
        self._kept = bytearray()

    def __bytes__(self) -> bytes:
        return bytes(self._kept)

    def feed(self, data: bytes) -> None:
        """Add what was written next."""
        self._kept += data
        self.truncated |= len(self._kept) > self._limit_bytes
        del self._kept[: -self._limit_bytes]


@asynccontextmanager
async def launched(
    program: Sequence[str],
    *,
    stdin: bytes,
    limits: Limits,
    env: Mapping[str, str],
    log: Tail,
    directory: str | None = None,
) -> AsyncIterator[asyncio.StreamReader]:
    """Start a program and yield the launcher's standard output, whose last line is a `clones.engines.messages.Ended`.

    `program[0]` is a path, and `directory` as the launcher's `--in`: without it the output before that line is the program's
    descriptor 3. `log` gets the launcher's standard error. When this is left, by an exception or CancelledError too, none of
    the program's processes lives; the launcher may be busy removing the files that they left in its scratch directory.

    Raises:
        OSError, ValueError: the launcher cannot be started with these arguments.
    """
    scratch = _scratch(stdin)
    placed = () if directory is None else ("--in", directory)
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-S", launcher.__file__),
            *(repr(limits.timeout_s), str(limits.memory_bytes), str(limits.processes), str(limits.disk_bytes)),
            *(str(scratch), *placed, *program),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
            start_new_session=True,  # a Ctrl-C at the terminal is the daemon's to handle
        )
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    control, output = _pipe(process.stdin), _pipe(process.stdout)
    tail = asyncio.create_task(_read(_pipe(process.stderr), log))
    try:
        yield output
    finally:
        control.close()  # from here on the launcher ends everything, whatever happens to this task
        await asyncio.shield(_finish(process, output, tail, scratch))


def _scratch(stdin: bytes) -> Path:
    scratch = Path(tempfile.mkdtemp(prefix="sanctuary-engine-"))
    (scratch / "request").write_bytes(stdin)
    return scratch


async def _finish(
    process: asyncio.subprocess.Process, output: asyncio.StreamReader, tail: "asyncio.Task[None]", scratch: Path
) -> None:
    """Wait until the launcher has killed everything, and a little for it to clean up and end."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while await output.read(READ_BYTES):
                pass
    except TimeoutError:
        _log.error("the launcher (process %d) did not end its processes in %g s", process.pid, _PATIENCE_S)
        process.kill()
    # Without its launcher, a process that escaped may hold the log open for as long as it lives.
    await asyncio.wait((tail,), timeout=TIDY_S)
    tail.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(TIDY_S):
            if await process.wait() != 0:  # killed, so it has not cleaned up
                await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)


def _pipe(pipe: _T | None) -> _T:
    if pipe is None:
        raise RuntimeError("the launcher was started without a pipe")
    return pipe


async def _read(stream: asyncio.StreamReader, log: Tail) -> None:
    while data := await stream.read(READ_BYTES):
        log.feed(data)
