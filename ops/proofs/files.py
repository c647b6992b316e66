"""Files that must be whole and on the disk before anything follows from them."""

import os
from pathlib import Path


def write_whole(path: Path, data: bytes, *, mode: int, temporary: Path | None = None) -> None:
    """Write a file, whole or not at all, and on the disk before this returns. One writer at a time.

    It is written as `temporary` first, in the same file system; by default beside it, with a dot before its name.

    Raises:
        OSError: it cannot be written; what was there before is there still.
    """
    temporary = temporary or path.with_name(f".{path.name}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
