"""How a step ended, as `sanctuary_examples` tells it."""

import re

import msgspec

ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+")
"""Another each time."""
_MAX_MESSAGE = 200
_MAX_PRINTED = 20_000
_MAX_TEXT = 8000
_MAX_NAME = 400
_MAX_PARTS = 40
_MAX_LINE = 10**6


class Error(msgspec.Struct, frozen=True, kw_only=True):
    """What a step raised."""

    name: str
    kinds: tuple[str, ...]
    message: str
    line: int | None
    direct: bool
    stated: bool
    where: str
    chain: tuple[str, ...]
    missing: str | None
    near: str | None
    path: str | None
    number: int | None
    reached: bool
    """Whether a connection was tried."""
    started: bool
    """Whether a program was."""

    def says(self) -> str:
        """Return it as Python prints it, on one line and without addresses."""
        message = ADDRESS.sub("0x…", " ".join(self.message.split()))[:_MAX_MESSAGE]
        name = self.name[:_MAX_MESSAGE]
        return f"{name}: {message}" if message else name


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a step ended."""

    number: int
    late: bool
    printed: str
    error: Error | None


def decoded(line: bytes) -> End:
    """Return the end that a line tells of, each of its texts cut short: a step can write such a line itself.

    Raises:
        msgspec.MsgspecError, UnicodeDecodeError: it tells of none.
    """
    end = msgspec.json.decode(line, type=End)
    return msgspec.structs.replace(end, printed=end.printed[:_MAX_PRINTED], error=end.error and _cut(end.error))


def _cut(error: Error) -> Error:
    return msgspec.structs.replace(
        error,
        name=error.name[:_MAX_NAME],
        kinds=tuple(each[:_MAX_NAME] for each in error.kinds[:_MAX_PARTS]),
        message=error.message[:_MAX_TEXT],
        line=error.line if error.line is not None and 0 < error.line <= _MAX_LINE else None,
        where=error.where[-_MAX_NAME:],
        chain=tuple(each[:_MAX_TEXT] for each in error.chain[:_MAX_PARTS]),
        missing=error.missing and error.missing[:_MAX_NAME],
        near=error.near and error.near[:_MAX_NAME],
        path=error.path and error.path[:_MAX_NAME],
    )
