"""What every engine is: a plain function of a target, with no NATS in it.

An engine module exposes one function::

    def analyse(target: Path, params: SomeParams, out: Path, progress: Progress) -> EngineOutput

`target` is a directory that may be read and must not be changed, `params` one of the structs of `clones.params`, `out` an
empty directory for the files it produces, `progress` tells a person what it is doing. It runs in a subprocess of its own
(`clones.engines.run`) under limits on time and memory, so it may block, and it may be killed at any line.
"""

from collections.abc import Callable
from typing import Any

import msgspec

Progress = Callable[[float, str], None]
"""`progress(fraction, message)`: fraction of the work that is done, 0.0 to 1.0, and what is being done now."""


class OutputFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that an engine wrote below its `out` directory."""

    name: str
    """Path relative to `out`, with forward slashes."""
    media_type: str


class NotAnalysed(msgspec.Struct, frozen=True, kw_only=True):
    """Something that an engine left out, so that no report claims more than was looked at."""

    subject: str
    """A path relative to the target, or the name of the check."""
    reason: str


class EngineOutput(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine found."""

    summary: str
    """One sentence for a person, with the figures that matter."""
    data: dict[str, Any]
    """The findings as JSON values; a few hundred kilobytes at most, larger things are files."""
    files: tuple[OutputFile, ...] = ()
    not_analysed: tuple[NotAnalysed, ...] = ()


class EngineError(Exception):
    """The engine cannot do what it was asked; the message is for the person who asked, and says what to do.

    `code` is one of the stable codes of `schemas.errors`; `retryable` says whether the same task may succeed later.
    """

    def __init__(self, message: str, *, code: str = "engine_failed", retryable: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.retryable = retryable
