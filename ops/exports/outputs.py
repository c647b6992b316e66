"""Where an export goes: lines in a file, whole up to a mark, whatever happens behind it."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from bus.errors import SanctuaryError
from ops.entries import Entry
from ops.exports.marks import Mark, partial_file

READ_BYTES = 1024 * 1024
WAITING_BYTES = 1024 * 1024
"""So much is held in memory before it is written."""


class LineFormat(Protocol):
    """Makes lines of entries."""

    follows: bool
    """Whether lines depend on entries before: then all are taken in again after an interruption, and what is written is left out."""

    def take(self, entry: Entry) -> Iterable[bytes]:
        """Return the lines that the next entry brings, without their ends."""


class Output(Protocol):
    """Takes an export in."""

    entries: int
    """As in the mark, like the next two: what is durable."""
    pieces: int
    size_bytes: int

    def begin(self, mark: Mark) -> int:
        """Take up what is written up to `mark`, and return the first entry that is wanted.

        Raises:
            SanctuaryError: it is not there any more.
        """

    def take(self, entry: Entry) -> None:
        """Take in the next entry."""

    def commit(self, following: int) -> int | None:
        """Make durable what was taken in; `following` is the entry behind it.

        Returns the first entry that would have to be taken in again after an interruption; None: nothing new is durable.
        """

    def finish(self) -> str:
        """Make the whole durable in the partial file, and return its SHA-256 in hex."""

    def close(self) -> None:
        """Let go of the files; what is not committed is lost."""


class LinesOutput:
    """As Output: a line each, in one file."""

    def __init__(self, file: Path, form: LineFormat) -> None:
        self.entries = 0
        self.pieces = 0
        self.size_bytes = 0
        self._path = partial_file(file)
        self._form = form
        self._skip = 0
        self._digest = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0

    def begin(self, mark: Mark) -> int:
        """As in Output."""
        self._path.touch()
        self._file = self._path.open("r+b")
        left = mark.size_bytes
        while left and (part := self._file.read(min(left, READ_BYTES))):
            self._digest.update(part)
            left -= len(part)
        if left:
            raise SanctuaryError(
                f"{self._path} is shorter than it was: remove it and {self._path.stem}.resume to begin anew"
            )
        self._file.seek(mark.size_bytes)
        self._file.truncate()
        self.pieces, self.size_bytes = mark.pieces, mark.size_bytes
        if self._form.follows:
            self._skip = mark.pieces
            return mark.first
        self.entries = mark.entries
        return mark.next

    def take(self, entry: Entry) -> None:
        """As in Output."""
        self.entries += 1
        for line in self._form.take(entry):
            if self._skip:
                self._skip -= 1
            else:
                self._waiting.append(line)
                self._waiting_bytes += len(line)
        if self._waiting_bytes >= WAITING_BYTES:
            self._write()

    def commit(self, following: int) -> int | None:
        """As in Output."""
        if self._skip:
            return None
        self._sync()
        return following

    def finish(self) -> str:
        """As in Output."""
        self._sync()
        return self._digest.hexdigest()

    def close(self) -> None:
        """As in Output."""
        self._file.close()

    def _write(self) -> None:
        data = b"".join(line + b"\n" for line in self._waiting)
        self._file.write(data)
        self._digest.update(data)
        self.pieces += len(self._waiting)
        self.size_bytes += len(data)
        self._waiting, self._waiting_bytes = [], 0

    def _sync(self) -> None:
        self._write()
        self._file.flush()
        os.fsync(self._file.fileno())
