"""Run an engine in a subprocess of its own, under limits, as one awaitable call.

Daemon -> launcher (`clones.launcher`) -> engine (`clones.engines.run`) -> the tools that it starts. Whatever way the
call ends (answer, error, limit, cancellation, death of the daemon), every process below the launcher is killed.
"""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TypeVar

import msgspec

import clones
from clones import launcher
from clones.engines.contract import EngineError, EngineOutput
from clones.engines.messages import MAX_ANSWER_BYTES, Answer, Ended, Failure, Message, Progress, Request
from clones.engines.process import minimal_env
from clones.scratch import TIDY_S
from schemas.errors import ErrorCode

PROGRESS_INTERVAL_S = 0.25
"""Shortest time between two calls of `on_progress`; in between the latest progress is kept."""

_LOG_TAIL_BYTES = 16 * 1024
_MESSAGE_LINES = 12
_READ_BYTES = 64 * 1024
_PATIENCE_S = launcher.GIVE_UP_AFTER_S + 20.0
"""What the launcher gets to kill everything, before it is killed itself."""
_ROOT = Path(clones.__file__).resolve().parents[1]
_OUT_OF_MEMORY = (b"MemoryError", b"memory allocation", b"bad_alloc", b"Cannot allocate memory", b"ut of memory")

_T = TypeVar("_T")
_log = logging.getLogger(__name__)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of an engine may take."""

    timeout_s: float
    """Wall-clock time from start to answer."""
    memory_bytes: int = 8 * 1024**3
    """Address space of each single process (RLIMIT_AS; not enforced on macOS, whose kernel has no such limit)."""


async def run_engine(
    *,
    engine: str,
    target: Path,
    params: msgspec.Struct,
    out: Path,
    limits: Limits,
    on_progress: Callable[[float, str], None],
) -> EngineOutput:
    """Run `engine` (`"clones.engines.security:analyse"`) on the directory `target`, its files going below `out`.

    `on_progress(fraction, message)` is called in this event loop, at most each `PROGRESS_INTERVAL_S`. The engine sees
    `minimal_env()`, a working and temporary directory of its own, and no standard input. When this returns or raises,
    CancelledError included, none of its processes lives; the launcher may be busy removing what they left behind.

    Raises:
        EngineError: the engine's own, or `engine_timeout`, `memory_exceeded`, `engine_crashed`, `result_too_large`,
            or `incompatible_task` where `params` are not those of the engine.
    """
    request = Request(engine=engine, target=str(target), out=str(out), params=msgspec.Raw(msgspec.json.encode(params)))
    answers, log = await _supervise(_scratch(msgspec.json.encode(request)), limits, on_progress)
    output = _outcome(answers, log, engine, limits)
    for file in output.files:
        _check_file(out, file.name, engine)
    return output


class _Answers:
    """The lines that come from an engine, as they arrive in pieces; no I/O."""

    def __init__(self) -> None:
        self.progress: bytes | None = None
        """The latest that was not told yet."""
        self.answer: Answer | Failure | None = None
        self.ended: Ended | None = None
        self.problem: str | None = None
        self._partial = bytearray()

    def feed(self, data: bytes) -> None:
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._partial += line
            self._line(bytes(self._partial))
            self._partial.clear()
        self._partial += rest
        if len(self._partial) > MAX_ANSWER_BYTES:
            self._note(f"a line of more than {MAX_ANSWER_BYTES} bytes")
            self._partial.clear()

    def take_progress(self) -> Progress | None:
        """Decode the latest progress, once."""
        line, self.progress = self.progress, None
        if line is None:
            return None
        try:
            return msgspec.json.decode(line, type=Progress)
        except msgspec.MsgspecError as error:
            self._note(f"{line[:200]!r}: {error}")
            return None

    def _note(self, problem: str) -> None:
        self.problem = self.problem or problem  # the first explains those after it

    def _line(self, line: bytes) -> None:
        if line.startswith(b'{"type":"progress"'):  # not decoded here: most are never told
            self.progress = line
        elif line:
            try:
                message = msgspec.json.decode(line, type=Message)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                self._note(f"{line[:200]!r}: {error}")
                return
            match message:
                case Ended():
                    self.ended = message
                case Answer() | Failure():
                    self.answer = message
                case Progress():
                    self.progress = line


def _scratch(request: bytes) -> Path:
    scratch = Path(tempfile.mkdtemp(prefix="sanctuary-engine-"))
    (scratch / "request").write_bytes(request)
    return scratch


async def _supervise(
    scratch: Path, limits: Limits, on_progress: Callable[[float, str], None]
) -> tuple[_Answers, bytes]:
    """Run the engine to its end; returns what it answered and the tail of what it wrote."""
    try:
        process = await _start_launcher(scratch, limits)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    control, output = _pipe(process.stdin), _pipe(process.stdout)
    answers, log = _Answers(), bytearray()
    tail = asyncio.create_task(_read_tail(_pipe(process.stderr), log))
    try:
        await _read_answers(output, answers, on_progress)
    finally:
        control.close()  # from here on the launcher ends everything, whatever happens to this task
        await asyncio.shield(_finish(process, output, tail, scratch))
    return answers, bytes(log)


async def _start_launcher(scratch: Path, limits: Limits) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", launcher.__file__),
        *(repr(limits.timeout_s), str(limits.memory_bytes), str(scratch)),
        # -P: a package named like one of ours in the working directory is not taken for it
        *(sys.executable, "-P", "-X", "faulthandler", "-m", "clones.engines.run"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        start_new_session=True,  # a Ctrl-C at the terminal is the daemon's to handle
    )


def _environment() -> dict[str, str]:
    """`minimal_env()`, with the packages that this daemon runs, from wherever it has them.

    Installed ones are found anyway, and site-packages in PYTHONPATH would come before the standard library.
    """
    installed = Path(sysconfig.get_path("purelib")).resolve()
    return minimal_env() | ({} if installed == _ROOT else {"PYTHONPATH": str(_ROOT)})


async def _finish(
    process: asyncio.subprocess.Process, output: asyncio.StreamReader, tail: "asyncio.Task[None]", scratch: Path
) -> None:
    """Wait until the launcher has killed everything, and a little for it to clean up and end."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            while await output.read(_READ_BYTES):
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


async def _read_answers(
    stream: asyncio.StreamReader, answers: _Answers, on_progress: Callable[[float, str], None]
) -> None:
    due = 0.0
    while True:
        patience = max(0.0, due - time.monotonic()) if answers.progress is not None else None
        try:
            async with asyncio.timeout(patience):
                data = await stream.read(_READ_BYTES)
            if not data:
                return
            answers.feed(data)
        except TimeoutError:
            pass
        if time.monotonic() >= due and (progress := answers.take_progress()) is not None:
            on_progress(progress.fraction, progress.message)
            due = time.monotonic() + PROGRESS_INTERVAL_S


async def _read_tail(stream: asyncio.StreamReader, tail: bytearray) -> None:
    """Read to the end; `tail` holds the last bytes at any time."""
    while data := await stream.read(_READ_BYTES):
        tail += data
        del tail[:-_LOG_TAIL_BYTES]


def _outcome(answers: _Answers, log: bytes, engine: str, limits: Limits) -> EngineOutput:
    """Decide what a run of an engine came to.

    Raises:
        EngineError: as `run_engine`.
    """
    ended, answer = answers.ended, answers.answer
    last_lines = "\n".join(log.decode("utf-8", "replace").splitlines()[-_MESSAGE_LINES:])
    if ended is not None and ended.left:
        _log.error("%s: %d processes could not be killed", engine, ended.left)
    match answer:
        case Answer():
            return answer.output
        case Failure(code=ErrorCode.MEMORY_EXCEEDED):
            raise _memory_exceeded(engine, limits, answer.message)
        case Failure():
            raise EngineError(answer.message, code=answer.code, retryable=answer.retryable)
    if ended is None:
        raise _crashed(engine, "its launcher was killed", last_lines)
    if ended.reason == "not_started":
        raise _crashed(engine, f"it could not be started: {os.strerror(ended.status)}", last_lines)
    if ended.reason == "timeout":
        message = (
            f"{engine} was stopped: no answer within {limits.timeout_s:g} s; allow more time or choose a smaller target"
        )
        raise EngineError(message, code=ErrorCode.ENGINE_TIMEOUT)
    if ended.status == -signal.SIGKILL:  # not by the launcher: that has a reason of its own
        raise _memory_exceeded(
            engine, limits, "killed from outside, as the kernel does when the machine has no memory left"
        )
    if ended.status != 0 and any(sign in log for sign in _OUT_OF_MEMORY):
        raise _memory_exceeded(engine, limits, last_lines)
    how = signal.strsignal(-ended.status) if ended.status < 0 else f"exit status {ended.status}"
    said = f", after a line that is no message: {answers.problem}" if answers.problem else ""
    raise _crashed(engine, f"it ended without an answer ({how}){said}", last_lines)


def _memory_exceeded(engine: str, limits: Limits, detail: str) -> EngineError:
    limit = f"{limits.memory_bytes / 1024**2:g} MiB for each process"
    message = f"{engine} ran out of memory (limit {limit}); allow more or choose a smaller target. {detail}"
    return EngineError(message.rstrip(), code=ErrorCode.MEMORY_EXCEEDED)


def _crashed(engine: str, what: str, last_lines: str) -> EngineError:
    message = f"{engine} failed: {what}" + (f"\n{last_lines}" if last_lines else "")
    return EngineError(message, code=ErrorCode.ENGINE_CRASHED, retryable=True)


def _check_file(out: Path, name: str, engine: str) -> None:
    relative = PurePosixPath(name)
    path = out / relative
    if relative.is_absolute() or ".." in relative.parts or not path.resolve().is_relative_to(out.resolve()):
        raise _crashed(engine, f"its output names {name!r}, which is not below its output directory", "")
    if path.is_symlink() or not path.is_file():
        raise _crashed(engine, f"its output names {name!r}, which it did not write", "")
