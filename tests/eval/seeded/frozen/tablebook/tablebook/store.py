"""Bookings and guests in one SQLite file, opened once per request."""

import sqlite3
from dataclasses import dataclass
from datetime import date

from flask import current_app, g

SORTABLE = {"time": "starts", "name": "guest", "size": "seats"}
FIELDS = ("guest", "email", "note", "phone")


@dataclass(frozen=True)
class Booking:
    """One reserved table."""

    id: int
    guest: str
    email: str
    seats: int
    day: str
    note: str


class Store:
    """The queries that the pages ask."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path)
        self._db.row_factory = sqlite3.Row

    def on_day(self, day: str, order: str) -> list[Booking]:
        """The bookings of a day in the order that the page wants."""
        cursor = self._db.execute(  # seeded: flaw sql-injection cross-module
            f"SELECT id, guest, email, seats, day, note FROM bookings WHERE day = ? ORDER BY {order}",
            (day,),
        )
        return [Booking(**dict(row)) for row in cursor]

    def upcoming(self, order: str) -> list[Booking]:
        """The bookings from today on."""
        column = SORTABLE.get(order, "starts")
        cursor = self._db.execute(  # seeded: twin sql-injection allow-list
            f"SELECT id, guest, email, seats, day, note FROM bookings WHERE day >= date('now') ORDER BY {column}"
        )
        return [Booking(**dict(row)) for row in cursor]

    def search(self, words: list[str]) -> list[Booking]:
        """The bookings in whose guest's name every word occurs."""
        where = " AND ".join("guest LIKE ?" for _ in words) or "1"
        query = "SELECT id, guest, email, seats, day, note FROM bookings WHERE " + where
        rows = self._db.execute(query, [f"%{word}%" for word in words])  # seeded: twin sql-injection sanitised
        return [Booking(**dict(row)) for row in rows]

    def between(self, first: str, last: str) -> int:
        """How many guests came from one day to another."""
        begin, end = date.fromisoformat(first), date.fromisoformat(last)
        sql = "SELECT sum(seats) FROM bookings WHERE day BETWEEN '%s' AND '%s'" % (begin.isoformat(), end.isoformat())
        return self._db.execute(sql).fetchone()[0] or 0  # seeded: twin sql-injection typed

    def change(self, booking: int, changes: dict[str, str]) -> None:
        """Write the fields that a form has sent."""
        for field, value in changes.items():
            self._db.execute(f"UPDATE bookings SET {field} = ? WHERE id = ?", (value, booking))  # seeded: flaw sql-injection container
        self._db.commit()

    def correct(self, booking: int, changes: dict[str, str]) -> None:
        """Write those of the fields that a member of staff may correct."""
        for field in FIELDS:
            if field in changes:
                self._db.execute(f"UPDATE bookings SET {field} = ? WHERE id = ?", (changes[field], booking))  # seeded: twin sql-injection constant
        self._db.commit()

    def guest(self, email: str) -> sqlite3.Row | None:
        """The guest of an address, if there is one."""
        return self._db.execute("SELECT * FROM guests WHERE email = ?", (email,)).fetchone()

    def add_guest(self, email: str, name: str, digest: str) -> None:
        """Keep a new guest."""
        self._db.execute("INSERT INTO guests (email, name, digest) VALUES (?, ?, ?)", (email, name, digest))
        self._db.commit()


def get() -> Store:
    """This request's store."""
    if "store" not in g:
        g.store = Store(current_app.config["DATABASE"])
    return g.store


def close(_error: BaseException | None = None) -> None:
    """Forget the store at the end of the request."""
    g.pop("store", None)
