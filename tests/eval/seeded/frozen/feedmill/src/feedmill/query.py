"""What the portal's pages ask; partners type the arguments."""

import argparse
import re
import subprocess
from datetime import date

from feedmill.steps import store

REPORTS = {"rows": "SELECT count(*) FROM product", "titles": "SELECT title FROM product ORDER BY title"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of a query."""
    parser.add_argument("--title", help="a part of the title")
    parser.add_argument("--like", help="a regular expression of titles")
    parser.add_argument("--plain", help="a text in titles")
    parser.add_argument("--since", type=date.fromisoformat, help="a day")
    parser.add_argument("--report", choices=sorted(REPORTS))
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--mail", help="where to send the answer")
    parser.add_argument("--printer", choices=["hall", "office"], default="hall")


def run(given: argparse.Namespace) -> int:
    """Print the titles that are asked for."""
    with store.open_database() as database:
        titles = list(answer(database, given))
    if given.like:
        titles = [title for title in titles if re.match(given.like, title)]  # seeded: flaw regex-injection direct
    if given.plain:
        titles = [title for title in titles if mentions(title, given.plain)]
    if given.mail:
        send(given.mail, titles)
    else:
        subprocess.run(f"lp -d {given.printer}", shell=True, input="\n".join(titles).encode(), check=False)  # seeded: twin command-injection allow-list
    return 0


def mentions(title: str, text: str) -> bool:
    """Whether a text stands in a title, in capitals or not."""
    return re.search(re.escape(text), title, re.IGNORECASE) is not None  # seeded: twin regex-injection sanitised


def answer(database, given: argparse.Namespace):
    """Yield the titles that are asked for."""
    if given.report:
        cursor = database.execute(REPORTS[given.report])
    elif given.since:
        cursor = database.execute(f"SELECT title FROM product WHERE day >= '{given.since}' LIMIT {given.limit}")  # seeded: twin sql-injection typed
    else:
        condition = f"title LIKE '%{given.title}%'" if given.title else "1"

        cursor = database.execute("SELECT title FROM product WHERE " + condition + f" LIMIT {given.limit}")  # seeded: flaw sql-injection helper
    for row in cursor:
        yield str(row[0])


def send(address: str, titles: list[str]) -> None:
    """Send titles by mail."""
    pipe = subprocess.Popen(["/bin/sh", "-c", f"mail -s titles {address}"], stdin=subprocess.PIPE)  # seeded: flaw command-injection helper
    pipe.communicate("\n".join(titles).encode())
