"""Run an engine in a subprocess of its own, under limits, as one awaitable call.

The program below the launcher (`clones.launching`) is `clones.engines.run`.
"""

import asyncio
import logging
import os
import signal
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import msgspec

import clones
from clones.engines.contract import EngineError, EngineOutput
from clones.engines.messages import MAX_ANSWER_BYTES, Answer, Ended, Failure, Message, Progress, Request
from clones.engines.process import minimal_env
from clones.launching import OUT_OF_MEMORY, READ_BYTES, Limits, Tail, launched
from schemas.errors import ErrorCode

__all__ = ["Limits", "run_engine"]

PROGRESS_INTERVAL_S = 0.25
"""Shortest time between two calls of `on_progress`; in between the latest progress is kept."""

_LOG_TAIL_BYTES = 16 * 1024
_MESSAGE_LINES = 12
_ROOT = Path(clones.__file__).resolve().parents[1]

_log = logging.getLogger(__name__)


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
    answers, tail = _Answers(), Tail(_LOG_TAIL_BYTES)
    # -P: a package named like one of ours in the working directory is not taken for it
    program = (sys.executable, "-P", "-X", "faulthandler", "-m", "clones.engines.run")
    async with launched(
        program, stdin=msgspec.json.encode(request), limits=limits, env=_environment(), log=tail
    ) as output:
        await _read_answers(output, answers, on_progress)
    found = _outcome(answers, bytes(tail), engine, limits)
    for file in found.files:
        _check_file(out, file.name, engine)
    return found


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


def _environment() -> dict[str, str]:
    """`minimal_env()`, with the packages that this daemon runs, from wherever it has them.

    Installed ones are found anyway, and site-packages in PYTHONPATH would come before the standard library.
    """
    installed = Path(sysconfig.get_path("purelib")).resolve()
    return minimal_env() | ({} if installed == _ROOT else {"PYTHONPATH": str(_ROOT)})


async def _read_answers(
    stream: asyncio.StreamReader, answers: _Answers, on_progress: Callable[[float, str], None]
) -> None:
    due = 0.0
    while True:
        patience = max(0.0, due - time.monotonic()) if answers.progress is not None else None
        try:
            async with asyncio.timeout(patience):
                data = await stream.read(READ_BYTES)
            if not data:
                return
            answers.feed(data)
        except TimeoutError:
            pass
        if time.monotonic() >= due and (progress := answers.take_progress()) is not None:
            on_progress(progress.fraction, progress.message)
            due = time.monotonic() + PROGRESS_INTERVAL_S


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
        within = f"{round(limits.timeout_s, 1):g} s"
        message = f"{engine} was stopped: no answer within {within}; allow more time or choose a smaller target"
        raise EngineError(message, code=ErrorCode.ENGINE_TIMEOUT)
    if (passed := limits.passed(ended.reason)) is not None:
        message = f"{engine} was stopped with all that it started: {passed}"
        raise EngineError(message, code=ErrorCode.ENGINE_FAILED)
    if ended.status == -signal.SIGKILL:  # not by the launcher: that has a reason of its own
        raise _memory_exceeded(
            engine, limits, "killed from outside, as the kernel does when the machine has no memory left"
        )
    if ended.status != 0 and any(sign in log for sign in OUT_OF_MEMORY):
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
