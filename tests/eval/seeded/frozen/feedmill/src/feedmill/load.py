"""Loading a feed: its format's reader, its mapping's steps, then the database."""

import itertools
import json
import smtplib
from collections.abc import Iterator
from pathlib import Path

from feedmill.steps import mapping, readers, store

READERS = {
    ".csv": readers.table,
    ".html": readers.page,
    ".pod": readers.podcast,
    ".rss": readers.syndication,
    ".xml": readers.document,
}


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a feed, whatever its format."""
    yield from READERS.get(path.suffix, readers.lines)(path)


def beside(path: Path) -> Path:
    """The mapping that a partner has sent with a feed."""
    return next(filter(Path.exists, map(path.with_suffix, (".map", ".yml", ".pickle"))), path.with_suffix(".map"))


def load(path: Path, with_mapping: Path | None) -> int:
    """Load a feed; return 1 where rows were left out."""
    wanted = mapping.Mapping.read(with_mapping or beside(path))
    left_out = 0
    seen: set[str] = set()
    first = mapping.checkpoint(path.name).get("rows", 0)
    with store.open_database() as database:
        for row in itertools.islice(rows(path), first, None):
            try:
                made = wanted.apply(row)
                if store.fingerprint(made) in seen:
                    continue
                seen.add(store.fingerprint(made))
                if "password" in made:
                    store.credentials(database, made)
                elif "id" in made:
                    store.upsert(database, made)
                else:
                    store.insert(database, made)
            except (KeyError, ValueError):
                left_out += 1
                report(row.get("title", ""), row.get("contact", ""))
    summary(path)
    return int(left_out > 0)


def report(title: str, contact: str) -> None:
    """Tell a partner that a row was left out."""
    text = f"To: {contact}\nSubject: {title} was left out\n\nPlease look at your feed.\n"
    with smtplib.SMTP("localhost") as relay:
        relay.sendmail("feeds@mill.example", "partners@mill.example", text)  # seeded: flaw header-injection helper


def summary(path: Path) -> None:
    """Tell ourselves how many rows a feed has."""
    number = sum(1 for _ in rows(path))
    text = f"Subject: {number} rows\n\n{json.dumps(path.name)}\n"
    with smtplib.SMTP("localhost") as relay:
        relay.sendmail("feeds@mill.example", "feeds@mill.example", text)  # seeded: twin header-injection typed
