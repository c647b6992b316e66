"""A docstring, in Google, NumPy or Sphinx style, as Markdown that shows what its author wrote and nothing else.

Of reStructuredText the everyday part is turned: literals, roles, literal blocks, doctests, lists and directives. The
rest stands as escaped text (see `clones.engines.markdown`).
"""

import re
from collections.abc import Callable, Iterator
from inspect import cleandoc
from textwrap import dedent, indent
from typing import Any

import griffe

from clones.engines import markdown

_INLINE = re.compile(
    r"(?::(?P<domain>[\w:+.-]+):)?(?P<ticks>`+)(?P<code>[^`]+)(?P=ticks)_{0,2}|\*\*(?P<strong>[^*`\\]+)\*\*", re.DOTALL
)
_DIRECTIVE = re.compile(r"^\.\. (?P<name>[\w:-]+):: ?(?P<argument>.*)$")
_ITEM = re.compile(r"^(?:[-*+]|\d+[.)]|#\.) +")
_CODE_DIRECTIVES = frozenset({"code-block", "code", "sourcecode", "highlight", "literalinclude", "doctest", "testcode"})
_CODE_LABELS = frozenset(
    {"python", "pycon", "console", "bash", "sh", "json", "toml", "yaml", "ini", "text", "html", "jinja", "sql"}
)


def sections(docstring: griffe.Docstring | None) -> str:
    """Return the docstring's sections as Markdown; empty when there is none."""
    if docstring is None or not docstring.value.strip():
        return ""
    # Every parser logs what it does not like about the target's docstrings; that is no failure of ours.
    with griffe.logger.disable():
        docstring.value = f"{docstring.value.rstrip()}\n"  # griffe tells Sphinx style by a field line that ends
        parsed = docstring.parse("auto")
    return "\n\n".join(filter(None, (_section(section) for section in parsed)))


def first_line(docstring: griffe.Docstring | None) -> str:
    """Return the first sentence line as inline Markdown for a table cell."""
    lines = docstring.value.strip().splitlines() if docstring is not None else []
    return inline(lines[0]).replace("\n", " ").replace("|", "\\|") if lines else ""


def inline(value: str) -> str:
    """Return one paragraph with its literals and roles as code spans, its other text escaped."""
    parts, end = [], 0
    for match in _INLINE.finditer(value):
        parts.append(_plain(value[end : match.start()]))
        if match["strong"] is not None:
            parts.append(f"**{_plain(match['strong']).strip()}**")
        else:
            literal = match["code"].strip()
            if match["domain"]:  # :class:`title <target>` shows its title, :class:`~a.b.C` its last name
                literal = re.sub(r"\s*<[^<>]+>$", "", literal)
                literal = literal[1:].rsplit(".", 1)[-1] if literal.startswith("~") else literal
            parts.append(markdown.code(literal))
        end = match.end()
    return "".join([*parts, _plain(value[end:])]).strip()


def prose(value: str) -> str:
    """Return a docstring's free text as Markdown blocks."""
    return "\n\n".join(_blocks(value.expandtabs().splitlines()))


def _blocks(lines: list[str]) -> Iterator[str]:
    index, literal_follows = 0, False
    while index < len(lines):
        if not lines[index].strip():
            index += 1
            continue
        start = index
        if literal_follows and lines[index].startswith(" "):
            index = _indented_end(lines, index)
            yield markdown.fence(dedent("\n".join(lines[start:index])))
            literal_follows = False
            continue
        literal_follows = False
        if (directive := _DIRECTIVE.match(lines[index])) is not None:
            index = _indented_end(lines, index + 1)
            yield _directive(directive["name"], directive["argument"], dedent("\n".join(lines[start + 1 : index])))
        elif (opening := re.match(r"^\s*(`{3,}|~{3,})\s*(\w*)", lines[index])) is not None:
            index += 1
            while index < len(lines) and not lines[index].strip().startswith(opening[1]):
                index += 1
            yield markdown.fence(dedent("\n".join(lines[start + 1 : index])), _label(opening[2]))
            index += 1
        else:
            index = _paragraph_end(lines, index)
            block = lines[start:index]
            literal_follows = block[-1].rstrip().endswith("::")
            yield _paragraph(block)


def _paragraph(block: list[str]) -> str:
    plain = dedent("\n".join(block))
    if plain.startswith(">>>"):
        return markdown.fence(plain, "pycon")
    if plain.rstrip().endswith("::"):
        plain = plain.rstrip()[:-1].rstrip(":").rstrip() + ":"
    lines = plain.splitlines()
    if not any(_ITEM.match(line) for line in lines):
        return inline(plain)
    items: list[list[str]] = []
    for line in lines:
        if _ITEM.match(line) or not items:
            items.append([_ITEM.sub("", line)])
        else:
            items[-1].append(line)
    bullets = [f"- {inline(' '.join(item))}" for item in items]
    if not _ITEM.match(lines[0]):
        bullets[0] = f"{bullets[0][2:]}\n"
    return "\n".join(bullets)


def _directive(name: str, argument: str, body: str) -> str:
    if name in _CODE_DIRECTIVES:
        options = r"\A(?::[\w-]+:.*\n?)+\n*"
        return markdown.fence(re.sub(options, "", body), _label(argument.strip()))
    title = {"versionadded": "Added in", "versionchanged": "Changed in", "deprecated": "Deprecated since"}.get(
        name, name.capitalize()
    )
    head = f"**{markdown.line(title)}** {inline(argument)}".strip()
    content = prose(body)
    return f"{head}\n\n{content}" if content else head


def _section(section: griffe.DocstringSection) -> str:
    kind, value = section.kind, section.value
    if kind is griffe.DocstringSectionKind.text:
        return prose(value)
    if kind is griffe.DocstringSectionKind.examples:
        return "\n\n".join(["**Examples**", *(_example(part, content) for part, content in value)])
    if kind is griffe.DocstringSectionKind.admonition:
        title = inline(section.title or str(value.annotation or "Note").capitalize())
        return indent(f"**{title}**\n\n{prose(value.description)}", "> ", lambda _: True)
    if kind is griffe.DocstringSectionKind.deprecated:
        return f"**Deprecated since** {markdown.line(str(value.version))}: {inline(value.description)}"
    title = markdown.line(section.title or kind.value.capitalize())
    return "\n".join([f"**{title}**", "", *map(_item_writer(kind), value)])


def _example(kind: griffe.DocstringSectionKind, content: str) -> str:
    return prose(content) if kind is griffe.DocstringSectionKind.text else markdown.fence(content, "pycon")


def _item_writer(kind: griffe.DocstringSectionKind) -> Callable[[Any], str]:
    """Return how an entry of a section of `kind` is written: what raises or warns has a type and no name."""
    typed_only = kind in {griffe.DocstringSectionKind.raises, griffe.DocstringSectionKind.warns}

    def write(item: Any) -> str:  # griffe's element classes share these attributes but no base
        name = "" if typed_only else (getattr(item, "name", "") or "")
        kind_of = str(getattr(item, "annotation", None) or "")
        label = " ".join(
            filter(
                None,
                (markdown.code(name), f"({markdown.code(kind_of)})" if name and kind_of else markdown.code(kind_of)),
            )
        )
        first, *more = list(_blocks(cleandoc(item.description or "").splitlines())) or [""]
        body = "\n\n".join([first, *(indent(block, "  ") for block in more)])
        return f"- {label}: {body}" if label else f"- {body}"

    return write


def _plain(value: str) -> str:
    return markdown.text(re.sub(r"\s+", " ", value))


def _label(language: str) -> str:
    return language.lower() if language.lower() in _CODE_LABELS else ""


def _indented_end(lines: list[str], index: int) -> int:
    """Return the line after the indented block (blank lines inside included) that starts at `index`."""
    end = index
    while index < len(lines) and (not lines[index].strip() or lines[index].startswith(" ")):
        index += 1
        if lines[index - 1].strip():
            end = index
    return end


def _paragraph_end(lines: list[str], index: int) -> int:
    while index < len(lines) and lines[index].strip() and not (_DIRECTIVE.match(lines[index])):
        index += 1
    return index
