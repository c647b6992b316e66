"""What a document links to and shows: its links, images, anchors and blocks of code, each with its line.

Markdown is read by markdown-it (CommonMark with tables); of reStructuredText, what stands in directives and roles.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from textwrap import dedent

import msgspec
from markdown_it import MarkdownIt
from markdown_it.token import Token

_NAMED = re.compile(
    r"<[^<>]*\b(?:name|id)\s*=\s*[\"']([^\"']+)[\"']|\{#([\w-]+)[^{}]*\}|^\(([\w:-]+)\)=\s*$", re.MULTILINE
)
_HTML_LINK = re.compile(r"<(?:a\s[^<>]*?href|img\s[^<>]*?src)\s*=\s*[\"']([^\"']+)[\"']")
_PUNCTUATION = re.compile(r"[^\w\- ]")
_DIRECTIVE = re.compile(r"^(?P<indent>\s*)\.\.\s+(?:\|[^|]+\|\s+)?(?P<name>[\w:-]+)::\s*(?P<argument>.*?)\s*$")
_ROLE = re.compile(r":(?P<role>doc|download):`(?:[^`<]*<(?P<target>[^`>]+)>|(?P<plain>[^`<]+))`")
_EMBEDDED = re.compile(r"`[^`<]*<(?P<target>[^`>\s]+)>`_{1,2}")
_OPTION = re.compile(r"^\s*:[\w-]+:.*$")
_FILE_DIRECTIVES = frozenset({"image", "figure", "include", "literalinclude"})
_CODE_DIRECTIVES = frozenset({"code-block", "code", "sourcecode"})


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Something in the tree that a document points at."""

    kind: str
    """`link`, `image`, `doc` (a document without its suffix), or `file` (of a directive)."""
    target: str
    line: int


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A block of code."""

    language: str
    """As its author has it, in small letters; empty: none was said."""
    code: str
    line: int
    """Of its first line of code."""


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """One document."""

    links: tuple[Link, ...]
    blocks: tuple[Block, ...]
    anchors: frozenset[str]
    """What `#…` may name in it; of Markdown alone."""


def read(file: str, lines: Sequence[str]) -> Read | None:
    """Read a Markdown or reStructuredText document; None for another one."""
    suffix = PurePosixPath(file).suffix.lower()
    if suffix in {".md", ".markdown"}:
        return _markdown(lines)
    return _restructured(lines) if suffix == ".rst" else None


def simple_anchor(anchor: str) -> str:
    """Return an anchor as all generators of pages would write it: they differ in hyphens and capitals."""
    return re.sub(r"-+", "-", anchor.lower().replace("_", "-")).strip("-")


def _markdown(lines: Sequence[str]) -> Read:
    text = "\n".join(lines)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    links: list[Link] = []
    blocks: list[Block] = []
    anchors = {name for found in _NAMED.findall(text) for name in found if name}
    slugs: dict[str, int] = {}
    for at, token in enumerate(tokens):
        first = token.map[0] + 1 if token.map else 1
        last = token.map[1] if token.map else len(lines)
        if token.type == "fence":
            words = token.info.strip().lower().lstrip("{").split()
            language = words[0].rstrip("}").partition("{")[0].partition(",")[0] if words else ""
            blocks.append(Block(language=language, code=token.content, line=first + 1))
        elif token.type == "html_block":
            links += [_placed("link", url, lines, first, last) for url in _HTML_LINK.findall(token.content)]
        elif token.type == "inline":
            links += [_placed(kind, url, lines, first, last) for kind, url in _inline(token.children or ())]
            if tokens[at - 1].type == "heading_open":
                slug = _slug(token.children or ())
                count = slugs[slug] = slugs.get(slug, -1) + 1
                anchors.add(f"{slug}-{count}" if count else slug)
    return Read(links=tuple(links), blocks=tuple(blocks), anchors=frozenset(map(simple_anchor, anchors)))


def _inline(children: Sequence[Token]) -> Iterator[tuple[str, str]]:
    for child in children:
        if child.type == "link_open":
            yield "link", str(child.attrs.get("href", ""))
        elif child.type == "image":
            yield "image", str(child.attrs.get("src", ""))
        elif child.type == "html_inline":
            for url in _HTML_LINK.findall(child.content):
                yield "link", url


def _slug(children: Sequence[Token]) -> str:
    """Return a heading's anchor as GitHub makes it."""
    words = "".join(child.content for child in children if child.type in {"text", "code_inline"})
    return _PUNCTUATION.sub("", words.strip().lower()).replace(" ", "-")


def _placed(kind: str, target: str, lines: Sequence[str], first: int, last: int) -> Link:
    """Return a link with the line of its block that has its target; the first where it is written otherwise."""
    here = next((number for number in range(first, last + 1) if target in lines[number - 1]), first)
    return Link(kind=kind, target=target, line=here)


def _restructured(lines: Sequence[str]) -> Read:
    links: list[Link] = []
    blocks: list[Block] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        match = _DIRECTIVE.match(line)
        if match is None:
            if not line.lstrip().startswith(".."):
                links += _roles(line, number)
            continue
        name, argument = match["name"], match["argument"]
        if name in _FILE_DIRECTIVES and argument:
            links.append(Link(kind="file", target=argument, line=number))
        if name in {*_CODE_DIRECTIVES, "toctree", "image", "figure"}:
            body, number, first = _body(lines, number, len(match["indent"]))
            if name in _CODE_DIRECTIVES and body:
                blocks.append(Block(language=argument.lower(), code=dedent("\n".join(body)), line=first))
    return Read(links=tuple(links), blocks=tuple(blocks), anchors=frozenset())


def _roles(line: str, number: int) -> Iterator[Link]:
    for match in _ROLE.finditer(line):
        kind = "doc" if match["role"] == "doc" else "file"
        yield Link(kind=kind, target=(match["target"] or match["plain"]).strip(), line=number)
    for match in _EMBEDDED.finditer(_ROLE.sub("", line)):
        before = line[: line.find(match[0])]
        if not before.endswith(":"):  # a role of another kind
            yield Link(kind="link", target=match["target"], line=number)


def _body(lines: Sequence[str], number: int, indent: int) -> tuple[list[str], int, int]:
    """Return a directive's content without its options, the number of lines up to its end, and its first line."""
    end = number
    while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > indent):
        end += 1
    first = number
    while first < end and _OPTION.match(lines[first]):
        first += 1
    while first < end and not lines[first].strip():
        first += 1
    return [line.expandtabs() for line in lines[first:end]], end, first + 1
