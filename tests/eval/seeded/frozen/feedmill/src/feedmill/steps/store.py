"""The database of products."""

import contextlib
import hashlib
import re
import sqlite3
from collections.abc import Iterator, Mapping

DATABASE = "/var/lib/feedmill/products.db"
_NAME = re.compile(r"[a-z_]{1,30}")


@contextlib.contextmanager
def open_database() -> Iterator[sqlite3.Connection]:
    """The database; what was written is kept where nothing was raised."""
    database = sqlite3.connect(DATABASE)
    try:
        with database:
            yield database
    finally:
        database.close()


def insert(database: sqlite3.Connection, row: Mapping[str, str]) -> None:
    """Write a row; its columns are as the mapping calls them."""
    names = ", ".join(row)
    values = ", ".join(f":{name}" for name in row)
    database.execute(f"INSERT INTO product ({names}) VALUES ({values})", dict(row))  # seeded: flaw sql-injection cross-module


def upsert(database: sqlite3.Connection, row: Mapping[str, str]) -> None:
    """Write a row or write it anew; columns have plain names."""
    plain = {name: value for name, value in row.items() if _NAME.fullmatch(name)}
    marks = ", ".join("?" for _ in plain)
    database.execute(f"REPLACE INTO product ({', '.join(plain)}) VALUES ({marks})", list(plain.values()))  # seeded: twin sql-injection sanitised


def credentials(database: sqlite3.Connection, row: Mapping[str, str]) -> None:
    """Keep a partner's password for the portal."""
    digest = hashlib.sha256(row["password"].encode()).hexdigest()  # seeded: flaw weak-hash cross-module
    database.execute("UPDATE partner SET digest = ? WHERE name = ?", (digest, row["name"]))  # seeded: twin sql-injection api


def fingerprint(row: Mapping[str, str]) -> str:
    """Two rows that say the same have the same fingerprint."""
    return hashlib.blake2b(repr(sorted(row.items())).encode(), digest_size=16).hexdigest()  # seeded: twin weak-hash api
