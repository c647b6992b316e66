"""What there is to know about a project: its documents, its own words, and what it leaves open."""

import msgspec

from clones.engines.report.blocks import Block, Content, Row, Text, code, number, place, prose, table
from clones.engines.report.checks import Stated
from clones.engines.report.full import full_data
from clones.engines.report.model import Section
from clones.engines.report.verdict import Tile
from clones.engines.report.wording import number as digits
from clones.engines.report.wording import plural

_MAX_DOCUMENTS = 30
_MAX_TERMS = 60
_MAX_OPEN = 30


class Document(Stated, frozen=True, kw_only=True):
    """A document."""

    file: str
    kind: str = ""
    title: str = ""
    about: str = ""
    lines: int | None = None


class Term(Stated, frozen=True, kw_only=True):
    """A word of the project's own."""

    term: str
    kind: str = ""
    meaning: str = ""
    file: str = ""
    line: int | None = None
    used_in: int | None = None


class Question(Stated, frozen=True, kw_only=True):
    """A place that the project itself calls unfinished."""

    mark: str
    words: str = ""
    file: str = ""
    line: int | None = None


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """The file to search in."""

    file: str = ""
    entries: int = 0
    how_to_search: str = ""


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Of `knowledge`."""

    documents: tuple[Document, ...]
    glossary: tuple[Term, ...] = ()
    open: tuple[Question, ...] = ()
    totals: dict[str, int | dict[str, int]] = {}
    index: Index = Index()

    def total(self, name: str, listed: int) -> int:
        """Return how many there are of one list, those that are not in the data included."""
        told = self.totals.get(name)
        return told if isinstance(told, int) else listed


def content(section: Section, data: Data) -> Content:
    """Return the part: documents, glossary, open places, and how to search for the rest."""
    full = full_data(section, "knowledge.md")
    blocks: list[Block] = [
        *table(
            "Documents",
            ("file", "title", "how it begins", "kind", "lines"),
            [
                Row(
                    cells=(
                        place(each.file, None),
                        prose(each.title),
                        prose(each.about),
                        prose(each.kind),
                        number(each.lines),
                    ),
                    check=each.check,
                )
                for each in data.documents
            ],
            limit=_MAX_DOCUMENTS,
            what="documents",
            full=full,
            total=data.total("documents", 0),
        ),
        *table(
            "The project's own words",
            ("term", "meaning", "kind", "place", "files that name it"),
            [
                Row(
                    cells=(
                        code(each.term),
                        prose(each.meaning),
                        prose(each.kind),
                        place(each.file, each.line),
                        number(each.used_in),
                    ),
                    check=each.check,
                )
                for each in data.glossary
            ],
            limit=_MAX_TERMS,
            what="terms",
            full=full,
            total=data.total("terms", 0),
        ),
        *table(
            "Left open",
            ("mark", "words", "place"),
            [
                Row(cells=(code(each.mark), prose(each.words), place(each.file, each.line)), check=each.check)
                for each in data.open
            ],
            limit=_MAX_OPEN,
            what="places",
            full=full,
            total=data.total("open", 0),
        ),
    ]
    if data.index.how_to_search:
        note = f"{plural(data.index.entries, 'piece')} of code and documents, to be searched without a network."
        blocks.append(Text(title="Search", text=data.index.how_to_search, name=data.index.file, note=note))
    return Content(tile=_tile(data), blocks=tuple(blocks))


def _tile(data: Data) -> Tile:
    documents = data.total("documents", len(data.documents))
    details = (
        f"{plural(data.total('terms', len(data.glossary)), 'term')} of the project's own",
        f"{plural(data.total('open', len(data.open)), 'place')} left open",
        f"an index of {plural(data.index.entries, 'piece')} to search",
    )
    label = "document to read" if documents == 1 else "documents to read"
    return Tile(figure=digits(documents), label=label, details=details, tone="plain")
