"""One version of one package, where a file names it."""

import msgspec


class Pin(msgspec.Struct, frozen=True):
    """A package whose version is settled."""

    name: str
    version: str
    line: int


class PinnedFile(msgspec.Struct, frozen=True):
    """What one file names."""

    pins: tuple[Pin, ...]
    open_ended: int = 0
    """Packages that it names with a range of versions or none, so which one is installed is not known."""
