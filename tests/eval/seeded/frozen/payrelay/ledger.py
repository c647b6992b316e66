"""The ledger: payments in MongoDB, settlements in SQLite."""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from decimal import Decimal

from pymongo import MongoClient

_payments = MongoClient("mongodb://localhost", connect=False).payrelay.payments
SETTLEMENTS = "/var/lib/payrelay/settlements.db"
COLUMNS = frozenset({"day", "amount", "fee", "currency"})


@contextlib.contextmanager
def settlements() -> Iterator[sqlite3.Cursor]:
    """A cursor on the settlements; commits where all went well."""
    with contextlib.closing(sqlite3.connect(SETTLEMENTS)) as db, db:
        yield db.cursor()


def payment(criteria: dict) -> dict | None:
    """The payment that has these values."""
    return _payments.find_one(criteria, {"_id": 0})  # seeded: flaw nosql-injection cross-module


def payment_of(merchant: str, reference: str) -> dict | None:
    """A merchant's payment; both are compared as texts."""
    criteria = {"merchant": f"{merchant}", "reference": f"{reference}"}
    return _payments.find_one(criteria, {"_id": 0})  # seeded: twin nosql-injection typed


def matching(merchant: str, expression: str) -> list[dict]:
    """A merchant's payments that fulfil an expression, say `amount > 100`."""
    return list(_payments.find({"merchant": merchant, "$where": f"function() {{ with (this) return {expression} }}"}))  # seeded: flaw nosql-injection cross-module


def above(merchant: str, amount: Decimal) -> list[dict]:
    """A merchant's payments above an amount."""
    return list(_payments.find({"merchant": merchant, "amount": {"$gt": float(amount)}}))  # seeded: twin nosql-injection typed


def record(event: dict) -> None:
    """Keep what a provider tells of a payment; each key only where it is a plain value."""
    plain = {key: value for key, value in event.items() if isinstance(value, (str, int, float)) and not key.startswith("$")}
    _payments.replace_one({"reference": str(plain.get("reference"))}, plain, upsert=True)  # seeded: twin nosql-injection sanitised


def settled(day: str, columns: Iterable[str]) -> list[tuple]:
    """Some columns of a day's settlements."""
    wanted = [column for column in columns if column in COLUMNS] or ["day"]
    with settlements() as cursor:
        return cursor.execute(f"SELECT {', '.join(wanted)} FROM settled WHERE day = ?", (day,)).fetchall()  # seeded: twin sql-injection allow-list


def totals(**only: str) -> list[tuple]:
    """Amounts by currency, of the settlements with these values."""
    conditions = " AND ".join(f"{name} = '{value}'" for name, value in only.items()) or "1 = 1"
    with settlements() as cursor:
        cursor.execute(f"SELECT currency, sum(amount) FROM settled WHERE {conditions} GROUP BY currency")  # seeded: flaw sql-injection cross-module
        return cursor.fetchall()


def write_off(references: list[str]) -> int:
    """Write payments off; return how many there were."""
    marks = ",".join("?" * len(references))
    with settlements() as cursor:
        cursor.execute("DELETE FROM open WHERE reference IN (%s)" % marks, references)  # seeded: twin sql-injection sanitised
        return cursor.rowcount
