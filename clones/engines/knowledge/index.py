"""The index: an SQLite database with one FTS5 table, to be searched by anything that has SQLite."""

import re
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

FILE = "knowledge.sqlite"
_QUERY = "SELECT file, line, kind, name FROM knowledge WHERE knowledge MATCH ? ORDER BY rank LIMIT 10"
_CAMEL = re.compile(r"\b[A-Za-z]*[a-z][A-Z][A-Za-z]*\b|\b[A-Z]{2,}[a-z][A-Za-z]*\b")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")
SEARCH = " ".join(
    (
        'python3 -c "import sqlite3, sys;',
        "[print(*row, sep=chr(9)) for row in",
        f"sqlite3.connect(sys.argv[1]).execute('{_QUERY}',",
        # Any of the words, each as it stands: dots and hyphens are no operators.
        "[' OR '.join(chr(34) + word.replace(chr(34), '') + chr(34) for word in sys.argv[2].split())])]\"",
        FILE,
        "'words to look for'",
    )
)
"""The command that searches the index, for a shell."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One piece that a search may find: a section of a document, a module, or a class or function."""

    kind: str
    name: str
    file: str
    line: int
    text: str


def write(path: Path, entries: Iterable[Entry]) -> int:
    """Write the index; the same entries give the same bytes. Returns how many there are."""
    count = 0
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        # names count most, then what the piece says; paths are found by their words as well
        connection.execute(
            "CREATE VIRTUAL TABLE knowledge USING fts5(words, text, file, parts, name UNINDEXED, "
            "kind UNINDEXED, line UNINDEXED, "
            "tokenize = 'porter unicode61 remove_diacritics 2')"
        )
        connection.execute("INSERT INTO knowledge(knowledge, rank) VALUES ('rank', 'bm25(8.0, 1.0, 2.0, 0.5)')")
        connection.execute("BEGIN")
        for entry in entries:
            row = (_spelt(entry.name), entry.text, entry.file, _parts(entry.text), entry.name, entry.kind, entry.line)
            connection.execute("INSERT INTO knowledge VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            count += 1
        connection.execute("COMMIT")
        connection.execute("INSERT INTO knowledge(knowledge) VALUES ('optimize')")
        connection.execute("VACUUM")
    finally:
        connection.close()
    return count


def _spelt(name: str) -> str:
    """Return a name with its parts as words behind it, so that `session` finds `SessionInterface` and `open_session`."""
    words = " ".join(split(name))
    return name if words == name else f"{name} ({words})"


def _parts(text: str) -> str:
    """Return the parts of the identifiers in capitals and small letters; those with underscores are words already."""
    return " ".join(sorted({part for name in _CAMEL.findall(text) for part in split(name)}))


def split(name: str) -> list[str]:
    """Return the words that a name is made of: `HTTPError` is of `HTTP` and `Error`."""
    return _WORD.findall(name)
