"""How a step ended, as `sanctuary_examples` tells it."""

import re

import msgspec

ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+")
"""Another each time."""
_MAX_MESSAGE = 200


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
