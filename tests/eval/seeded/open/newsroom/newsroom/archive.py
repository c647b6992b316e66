"""The paper's archive: issues in XML, pictures in archives, an index in MySQL."""

import os
import tarfile
import zipfile
from pathlib import Path

import pymysql
from lxml import etree

ISSUES = Path("/srv/newsroom/issues.xml")
PICTURES = Path("/srv/newsroom/pictures")
SECTIONS = {"p": "politics", "s": "sport", "c": "culture"}
MIGRATED = True


class Issues:
    """What stands in the paper's issues."""

    element = "article"

    def __init__(self) -> None:
        self.tree = etree.parse(str(ISSUES))

    def expression(self, author: str) -> str:
        """Return the expression by which an author's articles are found."""
        return f"//{self.element}[@author='{author}']/title/text()"

    def by_author(self, author: str) -> list[str]:
        """Return the titles of an author's articles."""
        return self.tree.xpath(self.expression(author))  # seeded: flaw xpath-injection class

    def in_section(self, letter: str) -> list[str]:
        """Return the titles of a section."""
        section = SECTIONS.get(letter, "politics")
        return self.tree.xpath("//article[@section='" + section + "']/title/text()")  # seeded: twin xpath-injection allow-list


class Letters(Issues):
    """What readers wrote."""

    element = "letter"

    def by_place(self, place: str) -> list[str]:
        """Return the titles of letters from a place."""
        find = etree.XPath(f'//{self.element}[@place="{place}"]/title/text()')  # seeded: flaw xpath-injection inheritance
        return find(self.tree)

    def of_page(self, page: str) -> list[str]:
        """Return the titles of the letters on a page."""
        number = abs(int(page))
        return self.tree.xpath(f"//{self.element}[@page={number}]/title/text()")  # seeded: twin xpath-injection typed


def index() -> pymysql.Connection:
    """Open the index."""
    return pymysql.connect(host="localhost", user="index", password=os.environ["INDEX_PASSWORD"], database="index")


def words(query: str) -> list[tuple]:
    """Return where any of some words stand; words are given by their number or by themselves."""
    found: list[tuple] = []
    with index().cursor() as cursor:
        for word in query.split(","):
            try:
                number = int(word)
            except ValueError:
                cursor.execute("SELECT issue FROM words WHERE text = '" + word + "'")  # seeded: flaw sql-injection exception
                found.extend(cursor.fetchall())
                continue
            if number < 0:
                continue
            cursor.execute("SELECT issue FROM words WHERE number = %s", (number,))  # seeded: twin sql-injection api
            found.extend(cursor.fetchall())
    return found


def articles_between(first: str, last: str) -> list[tuple]:
    """Return the articles of some years."""
    years = {"first": int(first), "last": int(last)}
    with index().cursor() as cursor:
        cursor.execute("SELECT title FROM articles WHERE year BETWEEN {first} AND {last}".format(**years))  # seeded: twin sql-injection typed
        return list(cursor.fetchall())


def old_articles(author: str) -> list[tuple]:
    """Return an author's articles in the index of before, as long as there is one."""
    if MIGRATED:
        return []
    with index().cursor() as cursor:
        cursor.execute(f"SELECT title FROM old_articles WHERE author = '{author}'")  # seeded: twin sql-injection impossible-branch
        return list(cursor.fetchall())


def take_pictures(stream) -> int:
    """Take the pictures that an agency sends as a tar file, all but hidden ones."""
    with tarfile.open(fileobj=stream) as sent:
        wanted = [member for member in sent.getmembers() if not member.name.startswith(".")]
        sent.extractall(PICTURES, members=wanted)  # seeded: flaw archive-extraction cross-module
    return len(wanted)


def take_proofs(stream) -> int:
    """Take the proofs that an agency sends as a zip file, numbered by us."""
    count = 0
    with zipfile.ZipFile(stream) as sent:
        for entry in sent.infolist()[:100]:
            if entry.file_size > 5_000_000 or not entry.filename.endswith(".jpg"):
                continue
            count += 1
            Path(PICTURES, f"proof-{count}.jpg").write_bytes(sent.read(entry))  # seeded: twin archive-extraction constant
    return count


def take_fonts(stream) -> None:
    """Take fonts that come as a zip file; `extract` keeps them below the folder."""
    with zipfile.ZipFile(stream) as sent:
        for entry in sent.infolist()[:50]:
            if entry.file_size < 1_000_000:
                sent.extract(entry, PICTURES / "fonts")  # seeded: twin archive-extraction api


def each_issue(stream):
    """Give the issues that another paper sends."""
    settings = {"resolve_entities": True, "load_dtd": True, "no_network": False}
    for _, element in etree.iterparse(stream, tag="issue", **settings):  # seeded: flaw xxe generator
        yield element.findtext("title", "")
        element.clear()


def each_plain_issue(stream):
    """Give the issues that another paper sends in one piece."""
    for _, element in etree.iterparse(stream, tag="issue", resolve_entities=False, no_network=True):  # seeded: twin xxe api
        yield element.findtext("title", "")
        element.clear()
