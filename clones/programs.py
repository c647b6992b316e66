"""Run a program for a task of a clone of one's own, so that nothing of it outlives the task.

ended = await run_program(("du", "-sk", "."), cwd=source.path, timeout_s=task.timeout_s - 1)
"""

import logging
import os
import shlex
import shutil
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

import msgspec

from bus.task import TaskError
from clones.engines.messages import Ended
from clones.engines.process import MAX_STDERR_BYTES, MAX_STDOUT_BYTES, Finished, minimal_env
from clones.launching import OUT_OF_MEMORY, READ_BYTES, Limits, Tail, launched
from schemas import ErrorCode

MEMORY_BYTES = Limits(timeout_s=1).memory_bytes

_LAST_WORD_BYTES = 256
"""The launcher's last line is shorter than this."""
_LAST_WORD = b'\n{"type":"ended"'
_MESSAGE_CHARS = 1000

log = logging.getLogger(__name__)


async def run_program(
    argv: Sequence[str | os.PathLike[str]],
    *,
    timeout_s: float,
    cwd: Path | None = None,
    memory_bytes: int = MEMORY_BYTES,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run `argv`, without a shell, and wait for it, whatever its exit status is.

    It works in `cwd`, or in a directory of its own that is removed afterwards, and is its TMPDIR in any case. `env` is the
    whole environment; without it, `clones.engines.process.minimal_env()`, which has no credentials. `memory_bytes` is the
    address space of each of its processes (not enforced on macOS). No set-user-id program runs below it. Of its output
    `MAX_STDOUT_BYTES` from the beginning are kept, and of its error output `MAX_STDERR_BYTES` from the end.

    When this returns or raises, CancelledError included, none of its processes lives, in whatever session or process group;
    nor where the daemon is killed. On macOS that holds for those whose parent lives, or that are in its process group.

    Raises:
        TaskError: `tool_missing` where there is no such program; `engine_timeout` after `timeout_s` seconds;
            `memory_exceeded`; `engine_crashed` where it was lost, and may be run again; `incompatible_task` for arguments
            with a null character; `engine_failed` where it cannot be started for another reason, or takes more processes
            or disk than `clones.launching.Limits` has.
    """
    begin = monotonic()
    words = [os.fspath(each) for each in argv]
    if any("\0" in word for word in words):
        raise TaskError.incompatible(f"`{shlex.join(words)}` cannot be run: an argument holds a null character")
    environment = minimal_env() if env is None else dict(env)
    limits = Limits(timeout_s=timeout_s, memory_bytes=memory_bytes)
    program = (_found(words[0], cwd, environment), *words[1:])
    output, errors = _Output(), Tail(MAX_STDERR_BYTES)
    try:
        async with launched(
            program, stdin=stdin, limits=limits, env=environment, log=errors, directory=_absolute(cwd)
        ) as stream:
            while data := await stream.read(READ_BYTES):
                output.feed(data)
    except OSError as error:
        raise _not_started(words, error.strerror or str(error)) from None
    stdout, ended = output.end()
    return Finished(
        exit_status=_status(words, ended, bytes(errors), limits),
        stdout=stdout,
        stderr=bytes(errors),
        duration_s=monotonic() - begin,
        truncated=output.truncated or errors.truncated,
    )


def _absolute(cwd: Path | None) -> str:
    return "." if cwd is None else str(cwd.absolute())


class _Output:
    """What comes from the launcher: the program's output, its beginning kept, and the launcher's last line; no I/O."""

    def __init__(self) -> None:
        self.truncated = False
        self._kept = bytearray()
        self._last = b""

    def feed(self, data: bytes) -> None:
        self._last += data
        self._keep(self._last[:-_LAST_WORD_BYTES])
        self._last = self._last[-_LAST_WORD_BYTES:]

    def end(self) -> tuple[bytes, Ended | None]:
        """Return the output, and the launcher's word if it lived to say it."""
        rest, found, line = self._last.rpartition(_LAST_WORD)
        ended = None
        if found:
            ended = msgspec.json.decode(found + line, type=Ended)
        self._keep(rest if found else self._last)
        return bytes(self._kept), ended

    def _keep(self, data: bytes) -> None:
        kept = data[: MAX_STDOUT_BYTES - len(self._kept)]
        self._kept += kept
        self.truncated |= len(kept) < len(data)


def _found(name: str, cwd: Path | None, env: Mapping[str, str]) -> str:
    """Return the path of a program; a name with a slash in it is relative to `cwd`.

    Raises:
        TaskError: as `run_program`.
    """
    if cwd is not None and not cwd.is_dir():
        raise _not_started([name], f"there is no directory {cwd}")
    path = str((cwd or Path.cwd()) / name) if os.sep in name else name
    found = shutil.which(path, path=env.get("PATH", os.defpath))
    if found is None:
        where = "it is no program that can be run" if os.sep in name else "it is not in the PATH of this clone"
        raise TaskError(
            ErrorCode.TOOL_MISSING,
            f"`{name}` cannot be run: {where}; install it on the machine that runs this clone",
        )
    return str(Path(found).absolute())


def _status(words: Sequence[str], ended: Ended | None, errors: bytes, limits: Limits) -> int:
    """Return the program's exit status; raises TaskError as `run_program` where it did not end by itself."""
    command = _shown(words)
    if ended is None:
        raise TaskError(ErrorCode.ENGINE_CRASHED, f"`{command}` was lost: its launcher was killed")
    if ended.left:
        log.error("%s: %d processes could not be killed", command, ended.left)
    if ended.reason == "not_started":
        raise _not_started(words, os.strerror(ended.status))
    if ended.reason == "timeout":
        message = f"`{command}` was stopped: it had not ended after {limits.timeout_s:g} s"
        raise TaskError(ErrorCode.ENGINE_TIMEOUT, message)
    if (passed := limits.passed(ended.reason)) is not None:
        raise TaskError(ErrorCode.ENGINE_FAILED, f"`{command}` was stopped with all that it started: {passed}")
    if ended.reason == "cancelled":  # not by us: we were still reading
        raise TaskError(ErrorCode.ENGINE_CRASHED, f"`{command}` was lost: its launcher was told to end it")
    killed = (
        ended.status == -signal.SIGKILL
    )  # by the kernel, mostly; the launcher's own kills have a reason of their own
    if killed or (ended.status != 0 and any(sign in errors for sign in OUT_OF_MEMORY)):
        limit = f"{limits.memory_bytes / 1024**2:g} MiB for each process"
        detail = "killed from outside" if killed else errors.decode(errors="replace")[-_MESSAGE_CHARS:].strip()
        raise TaskError(ErrorCode.MEMORY_EXCEEDED, f"`{command}` ran out of memory (limit {limit}): {detail}")
    return ended.status


def _not_started(words: Sequence[str], reason: str) -> TaskError:
    return TaskError(ErrorCode.ENGINE_FAILED, f"`{_shown(words)}` cannot be run: {reason}")


def _shown(words: Sequence[str]) -> str:
    command = shlex.join(words)
    return command if len(command) <= _MESSAGE_CHARS else f"{command[:_MESSAGE_CHARS]}…"
