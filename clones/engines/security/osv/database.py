"""The database of advisories on this machine: one SQLite file, by ecosystem and package."""

import datetime as dt
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import platformdirs

from clones.engines.security.osv.record import Advisory
from clones.engines.security.osv.versions import Ecosystem

SCHEMA = """
CREATE TABLE advisory (
    id TEXT, ecosystem TEXT, package TEXT, modified TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (ecosystem, package, id)
) WITHOUT ROWID;
CREATE INDEX advisory_id ON advisory (id);
CREATE TABLE dump (ecosystem TEXT PRIMARY KEY, newest TEXT NOT NULL, imported TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = 1;
"""
VERSION = 1
_MAX_ADVISORIES = 2000
"""Of one package; the most that a package has had so far is a few hundred."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What the database holds of one ecosystem."""

    ecosystem: str
    newest: dt.date
    """Of the newest record in its dump."""
    imported: dt.date
    advisories: int


class DatabaseError(Exception):
    """Why the database cannot be read; what to do stands in the message."""


def path() -> Path:
    """Return where the database is: `$XDG_DATA_HOME/sanctuary/osv.sqlite`, or what the operating system has in its place."""
    return platformdirs.user_data_path("sanctuary") / "osv.sqlite"


def identity(place: Path) -> str:
    """Return what changes when the database does; empty where there is none."""
    try:
        status = place.stat()
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


class Database:
    """An open database; for one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def held(self) -> list[Held]:
        """Return what whole dumps were imported, by ecosystem."""
        rows = self._connection.execute(
            "SELECT ecosystem, newest, imported, (SELECT count(*) FROM advisory AS a WHERE a.ecosystem = d.ecosystem) "
            "FROM dump AS d ORDER BY ecosystem"
        )
        return [
            Held(
                ecosystem=ecosystem,
                newest=dt.date.fromisoformat(newest[:10]),
                imported=dt.date.fromisoformat(imported[:10]),
                advisories=count,
            )
            for ecosystem, newest, imported, count in rows
        ]

    def of(self, ecosystem: Ecosystem, package: str) -> list[Advisory]:
        """Return the advisories on a package, by its normalised name."""
        rows = self._connection.execute(
            "SELECT body FROM advisory WHERE ecosystem = ? AND package = ? ORDER BY id LIMIT ?",
            (ecosystem, package, _MAX_ADVISORIES),
        )
        return [msgspec.msgpack.decode(body, type=Advisory) for (body,) in rows]


@contextmanager
def opened(place: Path) -> Iterator[Database | None]:
    """Open the database read-only; None where there is none.

    Raises:
        DatabaseError: it cannot be read, then or later.
    """
    if not place.is_file():
        yield None
        return
    try:
        # immutable: it is replaced as a whole, never written to, and its directory may be one that we cannot write
        with closing(sqlite3.connect(f"{place.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
                raise DatabaseError(f"{place} is of another version of Sanctuary; remove it and import the dumps again")
            yield Database(connection)
    except (sqlite3.Error, msgspec.MsgspecError, ValueError) as error:
        raise DatabaseError(f"{place} cannot be read ({error}); remove it and import the dumps again") from error
