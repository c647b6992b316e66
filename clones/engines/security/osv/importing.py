"""Take dumps of osv.dev, which somebody has downloaded, into the database.

A record replaces an older one of its id, and a withdrawn one removes it; the database is replaced at one stroke at the end,
so a scan sees it as it was or as it is.
"""

import contextlib
import datetime as dt
import os
import shutil
import sqlite3
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from clones.engines.security.osv import database, severity
from clones.engines.security.osv.record import Advisory, Affected, Record, RecordError, packages, read
from clones.engines.security.osv.versions import Ecosystem

MAX_RECORD_BYTES = 16 * 1024 * 1024
MAX_REFUSED = 10
_SUMMARY_CHARS = 300


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What an import has done."""

    records: int
    by_ecosystem: dict[str, int]
    """Records taken, for each ecosystem."""
    withdrawn: int
    others: int
    """Records of ecosystems that are not known here."""
    older: int
    """Records of which the database held the same state, or a later one."""
    refused: tuple[str, ...]
    """The first few that are no records of OSV, and why."""
    refused_total: int


class DumpError(Exception):
    """Why nothing was imported; the message says what to do."""


def update(source: Path, place: Path, now: dt.datetime) -> Imported:
    """Take `source` into the database at `place`, which is made where there is none.

    `source` is a dump of osv.dev (`all.zip`), a record (`.json`), or a directory of either.

    Raises:
        DumpError: there is nothing to import, or it cannot be read or written.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".osv-", dir=place.parent) as scratch:
            fresh = Path(scratch) / "osv.sqlite"
            if place.is_file():
                shutil.copyfile(place, fresh)
            with contextlib.closing(sqlite3.connect(fresh)) as connection:
                taken = _take(source, connection, is_new=not place.is_file(), now=now)
            os.replace(fresh, place)  # noqa: PTH105  the two are files, and this name says that it is one stroke
    except (OSError, zipfile.BadZipFile, sqlite3.Error) as error:
        raise DumpError(f"{source} cannot be imported into {place}: {error}") from error
    return taken


def _take(source: Path, connection: sqlite3.Connection, *, is_new: bool, now: dt.datetime) -> Imported:
    if is_new:
        connection.executescript(database.SCHEMA)
    elif connection.execute("PRAGMA user_version").fetchone()[0] != database.VERSION:
        raise DumpError("the database there is of another version of Sanctuary; remove it and import all dumps again")
    counts: Counter[str] = Counter()
    by_ecosystem: Counter[str] = Counter()
    newest: dict[Ecosystem, dt.datetime] = {}
    alone: set[Ecosystem] = set()
    refused: list[str] = []
    with connection:
        for name, content in _contents(source):
            counts["read"] += 1
            try:
                record = read(content)
            except RecordError as error:
                counts["refused"] += 1
                if len(refused) < MAX_REFUSED:
                    refused.append(f"{name}: {error}")
                continue
            ecosystems = {ecosystem for ecosystem, _ in packages(record)}
            if len({each.package.ecosystem for each in record.affected or () if each.package}) == 1:
                alone |= ecosystems
            for ecosystem in ecosystems:
                newest[ecosystem] = max(record.modified, newest.get(ecosystem, record.modified))
            outcome = _store(connection, record)
            counts[outcome] += 1
            if outcome == "taken":
                by_ecosystem.update(ecosystems)
        # what affects several ecosystems is in the dump of each: only a dump of an ecosystem has what affects it alone
        for ecosystem in sorted(alone):
            connection.execute(
                "INSERT INTO dump VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET "
                "newest = max(newest, excluded.newest), imported = excluded.imported",
                (ecosystem, _utc(newest[ecosystem]), _utc(now)),
            )
    if counts["read"] == counts["refused"]:
        why = f": {refused[0]}" if refused else ""
        raise DumpError(
            f"{source} holds no record of OSV{why}; it takes an `all.zip` of osv.dev, or a directory of JSON"
        )
    if counts["read"] == counts["refused"] + counts["other"]:
        raise DumpError(f"{source} holds no record of PyPI, npm or Go")
    connection.execute("VACUUM")
    return Imported(
        records=counts["read"],
        by_ecosystem=dict(sorted(by_ecosystem.items())),
        withdrawn=counts["withdrawn"],
        others=counts["other"],
        older=counts["older"],
        refused=tuple(refused),
        refused_total=counts["refused"],
    )


def _store(connection: sqlite3.Connection, record: Record) -> str:
    modified = _utc(record.modified)
    (held,) = connection.execute("SELECT max(modified) FROM advisory WHERE id = ?", (record.id,)).fetchone()
    if held is not None and held >= modified:
        return "older"
    connection.execute("DELETE FROM advisory WHERE id = ?", (record.id,))
    if record.withdrawn is not None:
        # kept without a package: an older dump that is taken in later must not bring it back
        connection.execute("INSERT INTO advisory VALUES (?, '', '', ?, x'')", (record.id, modified))
        return "withdrawn"
    affected = packages(record)
    connection.executemany(
        "INSERT INTO advisory VALUES (?, ?, ?, ?, ?)",
        [
            (record.id, ecosystem, package, modified, msgspec.msgpack.encode(_advisory(record, parts)))
            for (ecosystem, package), parts in affected.items()
        ],
    )
    return "taken" if affected else "other"


def _advisory(record: Record, parts: list[Affected]) -> Advisory:
    told = record.database_specific or {}
    ratings = record.severity or next((part.severity for part in parts if part.severity), None) or ()
    rated, vector = severity.rate(((each.type, each.score) for each in ratings), told)
    summary = " ".join((record.summary or (record.details or "").strip().partition("\n")[0]).split())
    return Advisory(
        id=record.id,
        modified=record.modified,
        aliases=tuple(sorted(set(record.aliases or ()) - {record.id})),
        summary=summary[:_SUMMARY_CHARS],
        severity=rated,
        vector=vector,
        cwes=severity.cwes(told),
        ranges=tuple(each for part in parts for each in part.ranges or ()),
        versions=tuple(dict.fromkeys(version for part in parts for version in part.versions or ())),
    )


def _utc(moment: dt.datetime) -> str:
    """Return a moment as a text that is ordered as moments are."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return moment.astimezone(dt.UTC).isoformat(timespec="microseconds")


def _contents(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each file that should be a record, in an order that does not depend on the machine."""
    if source.is_dir():
        for place, directories, names in os.walk(source):
            directories.sort()
            for name in sorted(names):
                if name.endswith((".json", ".zip")):
                    yield from _contents(Path(place) / name)
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for member in sorted(archive.infolist(), key=lambda each: each.filename):
                if member.filename.endswith(".json"):
                    with archive.open(member) as opened:
                        yield member.filename, _bounded(opened.read(MAX_RECORD_BYTES + 1))
    else:
        with source.open("rb") as opened:
            yield source.name, _bounded(opened.read(MAX_RECORD_BYTES + 1))


def _bounded(content: bytes) -> bytes:
    """Return nothing in place of what is too large, which no record is."""
    return content if len(content) <= MAX_RECORD_BYTES else b""
