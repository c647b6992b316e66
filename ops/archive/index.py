"""The index of an archive: in which blocks entries on a kind of subject stand, and those about an id. SQLite.

It is made from the segments, and made anew where it is damaged or lags behind; nothing is true because it stands here. It may name
a block too many, never one too few: whoever looks something up reads the blocks and looks for himself.
"""

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

from ops.archive.blocks import decoded
from ops.archive.directory import Archive
from ops.archive.mentions import may_match, mention
from ops.archive.segment import Segment, damaged, raw_blocks

FILE = "index.sqlite"
_BUSY_S = 60.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS segments (start INTEGER PRIMARY KEY, digest BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS topics (topic TEXT NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (topic, block)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ids (id TEXT NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (id, block)) WITHOUT ROWID;
"""


class Index:
    """An open index; use as a context manager. A block is named by the sequence of its first record."""

    def __init__(self, archive: Archive, *, progress: Callable[[Segment], None] = lambda _: None) -> None:
        """Open the archive's index and bring it up to the segments; `progress` hears of each that is read for it.

        Raises:
            SegmentDamaged: a segment that it lacks is not what was sealed.
            OSError: a segment cannot be read.
        """
        path = None if archive.directory is None else archive.directory / FILE
        try:
            self._connection = _made(path, archive, progress)
        except sqlite3.DatabaseError:
            try:
                if path is not None:
                    path.unlink(missing_ok=True)
                self._connection = _made(path, archive, progress)
            except (OSError, sqlite3.OperationalError):
                # A directory that cannot be written: the index lives as long as this.
                self._connection = _made(None, archive, progress)

    def __enter__(self) -> "Index":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def about(self, ids: Iterable[str]) -> list[int]:
        """Return the blocks in which entries about any of these ids stand, in order."""
        found: set[int] = set()
        for each in ids:
            found.update(row[0] for row in self._connection.execute("SELECT block FROM ids WHERE id = ?", (each,)))
        return sorted(found)

    def on(self, patterns: Iterable[str]) -> list[int]:
        """Return the blocks in which entries on any of these subjects stand, in order: tokens behind the realm, with wildcards."""
        wanted = tuple(patterns)
        known = [row[0] for row in self._connection.execute("SELECT DISTINCT topic FROM topics")]
        found: set[int] = set()
        for topic in known:
            if any(may_match(topic, pattern) for pattern in wanted):
                rows = self._connection.execute("SELECT block FROM topics WHERE topic = ?", (topic,))
                found.update(row[0] for row in rows)
        return sorted(found)


def _made(path: Path | None, archive: Archive, progress: Callable[[Segment], None]) -> sqlite3.Connection:
    """Return the index in a file, brought up to the archive; None: in memory."""
    connection = sqlite3.connect(":memory:" if path is None else path, timeout=_BUSY_S)
    try:
        connection.executescript(_SCHEMA)
        # What a power cut takes of it is made again.
        connection.execute("PRAGMA synchronous = NORMAL")
        known = dict(connection.execute("SELECT start, digest FROM segments"))
        for segment in archive.segments:
            if known.get(segment.start) != segment.digest:
                _add(connection, segment)
                progress(segment)
    except BaseException:
        connection.close()
        raise
    return connection


def _add(connection: sqlite3.Connection, segment: Segment) -> None:
    # A fuller segment has the blocks of the one whose place it takes, and more: what stands here of that stays right.
    with connection:
        for place, raw in raw_blocks(segment):
            topics: set[str] = set()
            ids: set[str] = set()
            try:
                for record in decoded(raw):
                    told = mention(record)
                    topics.add(told.topic)
                    ids.update(told.ids)
            except ValueError as error:
                raise damaged(segment.path, str(error)) from None
            connection.executemany(
                "INSERT OR IGNORE INTO topics VALUES (?, ?)", [(topic, place.first) for topic in topics]
            )
            connection.executemany("INSERT OR IGNORE INTO ids VALUES (?, ?)", [(each, place.first) for each in ids])
        connection.execute("INSERT OR REPLACE INTO segments VALUES (?, ?)", (segment.start, segment.digest))
