"""The documents of a target: what each is about, by its own title and first paragraph."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

import msgspec

from clones.engines.architecture import discovery
from clones.engines.statements import Lines

SUFFIXES = (".md", ".markdown", ".rst", ".txt", ".adoc")
_MAX_ABOUT = 280
_LEAST_WORDS = 4
"""Of a paragraph that says what a document is about."""
_MOST_LINES = 60
"""Below a document's heading: what comes later does not say what it is about."""
_NOT_DOCUMENTS = ("requirements", "constraints", "sources.txt", "top_level", "robots", "wordlist")
_KINDS = (
    ("readme", "readme"),
    ("changelog", "changelog"),
    ("changes", "changelog"),
    ("history", "changelog"),
    ("news", "changelog"),
    ("whatsnew", "changelog"),
    ("contributing", "contributing"),
    ("contributors", "people"),
    ("authors", "people"),
    ("code_of_conduct", "conduct"),
    ("license", "licence"),
    ("licence", "licence"),
    ("copying", "licence"),
    ("notice", "licence"),
    ("security", "security policy"),
)
_ORDER = ("readme", "document", "contributing", "changelog", "security policy", "conduct", "people", "licence")
_UNDERLINE = re.compile(r"([=\-~^\"'`*+#:.<>_])\1{2,}\s*")
_ATX = re.compile(r"(?P<level>#{1,6})\s+(?P<title>.*?)\s*#*\s*")
_ADOC = re.compile(r"(?P<level>={1,6})\s+(?P<title>\S.*)")
_FENCE = re.compile(r"\s*(```|~~~)")
_ITEM = re.compile(r"\s*([-*+]|\d+[.)])\s")
_NO_PROSE = re.compile(r"\s*(\.\.|:\w|\||<|!\[|\[!\[|\[[^\]]*\]:|[-*+]\s|\d+[.)]\s|>|=+$|-{3,}|`{3})")


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a document below one heading, or before the first one."""

    title: str
    line: int
    """Of the heading; 1 for what stands before any."""
    level: int
    text: str


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One document."""

    file: str
    kind: str
    """`readme`, `changelog`, …, or `document`."""
    title: str
    """Its first heading, or its file's name."""
    title_line: int | None
    about: str
    """Its first paragraph; empty where it has none."""
    about_line: int | None
    lines: int
    sections: tuple[Section, ...]


def is_document(file: str) -> bool:
    """Tell whether a file is meant to be read: by its suffix, or a name such as `LICENSE`."""
    path = PurePosixPath(file)
    if path.suffix.lower() in SUFFIXES:
        names = [part.lower() for part in path.parts]
        return not any(mark in name for mark in _NOT_DOCUMENTS for name in names)
    return path.suffix == "" and any(path.name.lower() == name for name, _ in _KINDS)


def find(files: Sequence[str], lines: Lines) -> list[Document]:
    """Read the documents among `files`, what explains the project first; those of tests are none."""
    meant = [file for file in files if is_document(file) and discovery.role_of_path(file) != "test"]

    def rank(file: str) -> tuple[int, int, str]:
        kind = kind_of(file)
        # the readme of a directory explains that directory alone
        return _ORDER.index("document" if kind == "readme" and "/" in file else kind), file.count("/"), file

    return [read(file, lines.of(file)) for file in sorted(meant, key=rank)]


def read(file: str, lines: Sequence[str]) -> Document:
    """Read a document that was split at its line ends."""
    sections = tuple(_sections(file, lines))
    heading = next((section for section in sections if section.level > 0), None)
    about = _about(lines, heading.line if heading is not None else 0)
    return Document(
        file=file,
        kind=kind_of(file),
        title=heading.title if heading is not None else PurePosixPath(file).name,
        title_line=heading.line if heading is not None else None,
        about=about[0],
        about_line=about[1],
        lines=len(lines),
        sections=sections,
    )


def kind_of(file: str) -> str:
    """Return what kind of document a file is, by its name."""
    name = PurePosixPath(file).name.lower()
    return next((kind for start, kind in _KINDS if name.startswith(start)), "document")


def _sections(file: str, lines: Sequence[str]) -> Iterator[Section]:
    marks = list(_headings(file, lines))
    if not marks or marks[0][0] > 1:
        until = marks[0][0] - 1 if marks else len(lines)
        yield Section(title=PurePosixPath(file).name, line=1, level=0, text="\n".join(lines[:until]))
    for at, (line, level, title) in enumerate(marks):
        until = marks[at + 1][0] - 1 if at + 1 < len(marks) else len(lines)
        yield Section(title=title, line=line, level=level, text="\n".join(lines[line:until]))


def _headings(file: str, lines: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Yield line, level and title of each heading."""
    suffix = PurePosixPath(file).suffix.lower()
    if suffix in {".md", ".markdown", ".adoc"}:
        pattern = _ADOC if suffix == ".adoc" else _ATX
        inside = False
        for number, line in enumerate(lines, 1):
            if _FENCE.match(line):
                inside = not inside
            elif not inside and (match := pattern.fullmatch(line)) and match["title"]:
                yield number, len(match["level"]), _plain(match["title"])
            elif not inside and suffix == ".md" and number < len(lines) and _is_setext(line, lines[number]):
                yield number, 1 if lines[number].startswith("=") else 2, _plain(line)
    elif suffix == ".rst":
        order: list[str] = []
        for number, line in enumerate(lines[:-1], 1):
            below = lines[number]
            if line.strip() and not _UNDERLINE.fullmatch(line) and _UNDERLINE.fullmatch(below):
                over = number > 1 and lines[number - 2].strip() == below.strip()
                # only between two lines may a title be indented; and it is hardly longer than its line (docutils warns)
                if (line[0].isspace() and not over) or len(below.strip()) * 1.5 < len(line.strip()):
                    continue
                mark = below[0] * (2 if over else 1)
                if mark not in order:
                    order.append(mark)
                yield number, order.index(mark) + 1, _plain(line)


def _is_setext(line: str, below: str) -> bool:
    return bool(line.strip()) and line[0] not in "#>-*|` \t" and re.fullmatch(r"(=+|-{3,})\s*", below) is not None


def _about(lines: Sequence[str], after: int) -> tuple[str, int | None]:
    """Return the first paragraph of prose and the line it begins at."""
    words: list[str] = []
    begin: int | None = None
    inside, listed = False, False
    for number, line in enumerate(lines[after : after + _MOST_LINES], after + 1):
        if _FENCE.match(line):
            inside = not inside
        bare = not line.strip() or line[0].isspace() or _NO_PROSE.match(line) or _UNDERLINE.fullmatch(line)
        heading = _ATX.fullmatch(line) or (number < len(lines) and _UNDERLINE.fullmatch(lines[number]))
        # What follows an item of a list without a blank line belongs to it, indented or not.
        listed = bool(_ITEM.match(line)) or (listed and bool(line.strip()))
        if inside or bare or heading or listed:
            if _says(words):
                break
            words, begin = [], None
            continue
        begin = begin or number
        words.append(line.strip())
    text = _plain(" ".join(words)) if _says(words) else ""
    begin = begin if text else None
    return (text if len(text) <= _MAX_ABOUT else f"{text[: _MAX_ABOUT - 1]}…"), begin


def _says(words: Sequence[str]) -> bool:
    """Tell whether a paragraph says something: a line of marks, an address or a single word does not."""
    return len(re.findall(r"[^\W\d_]{2,}", " ".join(words))) >= _LEAST_WORDS


def _plain(text: str) -> str:
    """Return text without the marks of Markdown and reStructuredText."""
    without = re.sub(r"!\[[^\]]*\]\([^)]*\)|\{[^{}]*\}$", "", text)
    without = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", without)
    without = re.sub(r"``([^`]+)``", r"\1", without)
    without = re.sub(r":[a-z:+-]+:`~?([^`<]+?)\s*(?:<[^`]*>)?`", r"\1", without)
    without = re.sub(r"`([^`<]+?)\s*(?:<[^`]*>)?`_{0,2}", r"\1", without)
    return " ".join(re.sub(r"[`*|]+", "", without).split())
