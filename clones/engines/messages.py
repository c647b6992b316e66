"""What passes between a clone daemon and the subprocess of an engine: JSON, one message a line.

In on standard input: `Request`. Out on descriptor 3 (`ANSWER_FD`): any number of `Progress`, then one `Answer` or
`Failure`; the launcher's `Ended` closes it (`clones.launcher`).
"""

import msgspec

from clones.engines.contract import EngineOutput

ANSWER_FD = 3
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Limit for one line, so for an engine's whole `data`; larger things are files."""
MAX_MESSAGE_CHARS = 500
"""Limit for the message of a `Progress`."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine is to do."""

    engine: str
    """`module:function`, the module below `clones.engines`."""
    target: str
    out: str
    params: msgspec.Raw
    """JSON of the struct that the function's `params` is annotated with."""


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """As in `contract.Progress`."""

    fraction: float
    message: str


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """The engine did its work."""

    output: EngineOutput


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag="failure"):
    """The engine could not: an `EngineError` by its parts."""

    code: str
    message: str
    retryable: bool


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """The launcher's last word; the fields are told there."""

    reason: str
    status: int
    left: int


Message = Progress | Answer | Failure | Ended
