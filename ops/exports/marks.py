"""How far an export is: a small file beside what is written, replaced whole each time, so that the next run goes on from there."""

import glob
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from bus.errors import SanctuaryError


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What is exported, and how much of it is written for good."""

    what: dict[str, Any]
    """The format, the realm and the filter, times aside: another export into the same file is refused."""
    since: datetime | None
    until: datetime | None
    """As the export began; what `2h` ago means has changed since."""
    first: int
    last: int
    """Between which entries of the ledger the export lies, the last one at its beginning."""
    next: int
    """The first entry that is not taken in yet."""
    entries: int = 0
    """How many entries were written, or taken into what will be."""
    pieces: int = 0
    """How many lines are written, or parts of a Parquet file."""
    size_bytes: int = 0
    """How long the file is up to there."""


def mark_file(file: Path) -> Path:
    """Return where the mark of an export into `file` is."""
    return file.with_name(f"{file.name}.resume")


def partial_file(file: Path) -> Path:
    """Return where an export is written before it is whole."""
    return file.with_name(f"{file.name}.partial")


def part_file(file: Path, number: int) -> Path:
    """Return where a part is of an export that is put together at its end."""
    return file.with_name(f"{file.name}.partial-{number:05}")


def read_mark(file: Path) -> Mark | None:
    """Return how far an export into `file` is that was interrupted; None: none was begun.

    Raises:
        SanctuaryError: the mark cannot be read.
    """
    path = mark_file(file)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Mark)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise SanctuaryError(f"{path} does not say how far an export is ({error}): remove it to begin anew") from None


def write_mark(file: Path, mark: Mark) -> None:
    """Make a mark durable, in place of the one before."""
    path = mark_file(file)
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as stream:
        stream.write(msgspec.json.encode(mark))
        stream.flush()
        os.fsync(stream.fileno())
    fresh.rename(path)


def clear(file: Path) -> None:
    """Remove what helped an export into `file` that is whole now: its parts, and then the mark."""
    for part in file.parent.glob(f"{glob.escape(file.name)}.partial-*"):
        part.unlink()
    mark_file(file).unlink(missing_ok=True)
