"""What partners may ask about what they handed in."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date

COLUMNS = {"received": "received_at", "size": "bytes"}


def database() -> sqlite3.Connection:
    """Open the database."""
    return sqlite3.connect("intake.sqlite")


def lookup(partner: str, column: str) -> list[tuple]:
    """Return one column of what a partner handed in, the newest first."""
    with closing(database()) as link:
        parts = ["SELECT", COLUMNS.get(column, "name"), "FROM handed WHERE partner = ? ORDER BY received_at DESC"]
        return link.execute(" ".join(parts), [partner]).fetchall()  # seeded: twin sql-injection safe-element


class Counter:
    """Counts what was handed in."""

    template = "SELECT COUNT(*) FROM handed WHERE {}"

    def clause(self, given: dict[str, str]) -> str:
        """Return the condition by which is counted."""
        terms = [f"{name} = '{value}'" for name, value in given.items()]
        return " AND ".join(terms) or "1"

    def count(self, given: dict[str, str]) -> int:
        """Return how many there are."""
        with closing(database()) as link:
            return link.execute(self.template.format(self.clause(given))).fetchone()[0]  # seeded: flaw sql-injection class


def history(since: str) -> Iterator[tuple]:
    """Give what was handed in since a day."""
    day = date.fromisoformat(since)
    with closing(database()) as link:
        yield from link.execute(f"SELECT name FROM handed WHERE received_at >= '{day}'")  # seeded: twin sql-injection typed


def purge(partner: str) -> None:
    """Remove what a partner handed in."""
    script = "DELETE FROM handed WHERE partner = '%s'; DELETE FROM notes WHERE partner = '%s';"
    with closing(database()) as link:
        link.executescript(script % (partner, partner))  # seeded: flaw sql-injection cross-module
