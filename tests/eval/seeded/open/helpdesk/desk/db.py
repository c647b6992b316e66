"""The ticket database (SQLite)."""

import sqlite3

from flask import current_app, g

SORTABLE = {"date": "created_at", "state": "state", "subject": "subject COLLATE NOCASE"}
PAGE = 50


def connection() -> sqlite3.Connection:
    """Return the request's connection, opening it the first time."""
    if "db" not in g:
        g.db = sqlite3.connect(current_app.config["DATABASE"])
        g.db.row_factory = sqlite3.Row
    return g.db


def close(_error=None) -> None:
    """Close the request's connection, if it was opened."""
    held = g.pop("db", None)
    if held is not None:
        held.close()


def tickets_of(customer, state):
    """Return a customer's tickets in a state, the newest first."""
    statement = "SELECT id, subject, state, created_at FROM tickets WHERE customer = '" + customer + "'"
    if state:
        statement += " AND state = '%s'" % state
    statement += " ORDER BY created_at DESC"
    return connection().execute(statement).fetchall()  # seeded: flaw sql-injection cross-module


def sorted_tickets(order):
    """Return a page of tickets in the order that was asked for, or by date."""
    column = SORTABLE.get(order, "created_at")
    return connection().execute(f"SELECT * FROM tickets ORDER BY {column} LIMIT {PAGE}").fetchall()  # seeded: twin sql-injection allow-list


def ticket(number):
    """Return one ticket or None."""
    number = int(number)
    return connection().execute("SELECT * FROM tickets WHERE id = %d" % number).fetchone()  # seeded: twin sql-injection typed


def several(numbers):
    """Return the tickets with these numbers; the statement has as many placeholders as there are numbers."""
    marks = ",".join("?" * len(numbers))
    return connection().execute(f"SELECT * FROM tickets WHERE id IN ({marks})", list(numbers)).fetchall()  # seeded: twin sql-injection sanitised


class Search:
    """A search that is put together word by word."""

    def __init__(self) -> None:
        self.conditions: list[str] = ["deleted = 0"]

    def containing(self, word: str) -> "Search":
        """Add a word that the subject must contain."""
        self.conditions.append(f"subject LIKE '%{word}%'")
        return self

    def run(self):
        """Return what the search finds."""
        where = " AND ".join(self.conditions)
        cursor = connection().cursor()
        cursor.execute(f"SELECT id, subject FROM tickets WHERE {where}")  # seeded: flaw sql-injection class
        return cursor.fetchall()


def log_visit(path: str) -> None:
    """Count a visit to a page."""
    connection().execute("INSERT INTO visits (path, at) VALUES (?, datetime('now'))", (path,))  # seeded: twin sql-injection api
    connection().commit()
