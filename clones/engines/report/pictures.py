"""Pictures of the engines as `data:` addresses: a browser shows an SVG in an `<img>` without running or loading anything."""

from base64 import b64encode
from pathlib import Path

import msgspec

MAX_PICTURE_BYTES = 1_500_000
"""A larger picture stays in its file, so that the report stays readable."""


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """An SVG file; `address` is empty and `problem` says why when it is not in the report."""

    name: str
    address: str = ""
    problem: str = ""
    adaptive: bool = False
    """Whether it follows the reader's light or dark scheme by itself; one that does not needs light paper under it."""


def picture(files: dict[str, Path | None], name: str) -> Picture | None:
    """Return the picture `name`; None when the task left none."""
    if name not in files:
        return None
    path = files[name]
    if path is None:
        return Picture(name=name, problem="it is not at hand here")
    try:
        size = path.stat().st_size
        if size > MAX_PICTURE_BYTES:
            return Picture(name=name, problem=f"it is too large for this page ({size:,} bytes)")
        content = path.read_bytes()
    except OSError as error:
        return Picture(name=name, problem=f"it could not be read: {error.strerror or error}")
    if b"<svg" not in content[:4096]:
        return Picture(name=name, problem="it is not an SVG picture")
    address = f"data:image/svg+xml;base64,{b64encode(content).decode()}"
    return Picture(name=name, address=address, adaptive=b"prefers-color-scheme" in content)
