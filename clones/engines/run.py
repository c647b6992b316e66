"""Run one engine in this process: what `clones.sandbox` starts as a subprocess.

By hand, with the messages of `clones.engines.messages`::

    python -m clones.engines.run 3>&1 <<< '{"engine": "clones.engines.security:analyse", "target": "/src/project",
        "out": "/tmp/out", "params": {"target": "/src/project"}}'
"""

import errno
import gc
import importlib
import os
import re
import sys
import traceback
import typing
from pathlib import Path

import msgspec

from clones.engines.contract import EngineError, EngineOutput
from clones.engines.messages import (
    ANSWER_FD,
    MAX_ANSWER_BYTES,
    MAX_MESSAGE_CHARS,
    Answer,
    Failure,
    Progress,
    Request,
)
from schemas.errors import ErrorCode

_ENGINE = re.compile(r"(clones\.engines(?:\.[a-z_][a-z0-9_]*)+):([a-z_][a-z0-9_]*)", re.ASCII)
_TRACEBACK_LINES = 12
_MESSAGE_CHARS = 4000
_COLLECT_EVERY = 100_000
"""Objects that an engine makes between two looks for garbage: syntax trees are many objects without a cycle, and looking through
them again and again takes longer than all the rest."""


def main() -> None:
    """Read a `Request`, run its engine, write the answer, and leave at once, whatever threads the engine left."""
    gc.set_threshold(_COLLECT_EVERY)
    os.set_inheritable(ANSWER_FD, False)  # no tool of the engine's may write on it
    os.environ.pop("PYTHONPATH", None)  # how the sandbox made this module importable is no matter of the tools

    def write(message: Progress | Answer | Failure) -> None:
        line = memoryview(_encode(message) + b"\n")
        if len(line) > MAX_ANSWER_BYTES:
            raise EngineError(
                f"the result has {len(line)} bytes of data; the limit is {MAX_ANSWER_BYTES}. Try a smaller target",
                code=ErrorCode.RESULT_TOO_LARGE,
            )
        while line:
            line = line[os.write(ANSWER_FD, line) :]

    def progress(fraction: float, message: str) -> None:
        write(Progress(min(1.0, max(0.0, fraction)), message[:MAX_MESSAGE_CHARS]))

    try:
        request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
        write(Answer(_run(request, progress)))
    except BaseException as error:  # noqa: BLE001 - whatever it is (SystemExit too), it becomes the answer
        write(_failure(error))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _encode(message: Progress | Answer | Failure) -> bytes:
    try:
        return msgspec.json.encode(message)
    except UnicodeEncodeError:  # a file name that is not UTF-8 comes as surrogates, which JSON cannot hold
        return msgspec.json.encode(_without_surrogates(msgspec.to_builtins(message)))


def _without_surrogates(value: typing.Any) -> typing.Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode("utf-8")
        case list() | tuple():
            return [_without_surrogates(item) for item in value]
        case dict():
            return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
        case _:
            return value


def _run(request: Request, progress: "typing.Callable[[float, str], None]") -> EngineOutput:
    """Call the engine that a request names.

    Raises:
        EngineError: the engine's own; `incompatible_task` where the parameters are not those of the engine.
    """
    named = _ENGINE.fullmatch(request.engine)
    if named is None:
        raise ValueError(f"{request.engine!r} is no engine: `clones.engines.<module>:<function>`")
    analyse = getattr(importlib.import_module(named[1]), named[2])
    try:
        params = msgspec.json.decode(request.params, type=typing.get_type_hints(analyse)["params"])
    except msgspec.ValidationError as error:
        raise EngineError(f"parameters for {request.engine}: {error}", code=ErrorCode.INCOMPATIBLE_TASK) from error
    output = analyse(Path(request.target), params, Path(request.out), progress)
    if not isinstance(output, EngineOutput):
        raise TypeError(f"{request.engine} returned {type(output).__name__}, not EngineOutput")
    return output


def _failure(error: BaseException) -> Failure:
    match error:
        case EngineError():
            return Failure(code=error.code, message=error.message[:_MESSAGE_CHARS], retryable=error.retryable)
        case MemoryError() | OSError(errno=errno.ENOMEM):
            return Failure(code=ErrorCode.MEMORY_EXCEEDED, message=f"out of memory: {error}", retryable=False)
        case _:
            what = "".join(traceback.format_exception_only(error)).strip()[:_MESSAGE_CHARS]
            where = "".join(traceback.format_tb(error.__traceback__)).splitlines()[-_TRACEBACK_LINES:]
            message = "\n".join((f"the engine failed: {what}", *where))
            return Failure(code=ErrorCode.ENGINE_CRASHED, message=message, retryable=True)


if __name__ == "__main__":
    main()
