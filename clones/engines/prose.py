"""Sentences of engines, in which names stand between backticks, as Markdown; and statements with their checks."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from clones.engines import markdown

_MAX_CHECK_CHARS = 1500
_NAMED = re.compile(r"`([^`]+)`")


def sentence(text: str) -> str:
    """Return `text` as one line of Markdown: what is between backticks is code, the rest is escaped."""
    parts = _NAMED.split(text)
    return "".join(markdown.code(part) if at % 2 else _outside(part) for at, part in enumerate(parts))


def _outside(part: str) -> str:
    """Escape one piece; spaces at its ends, which `markdown.line` would drop, part it from the code beside it."""
    if not part.strip():
        return part
    before = " " if part[0].isspace() else ""
    after = " " if part[-1].isspace() else ""
    return f"{before}{markdown.line(part)}{after}"


def statement(item: Mapping[str, Any], *, title: str = "") -> str:
    """Return a list item of one statement with its check, and what that prints where it is short."""
    head = f"**{sentence(title)}.** " if title else ""
    command = str(item["how_to_check"])
    if len(command) > _MAX_CHECK_CHARS:
        return f"- {head}{sentence(str(item['text']))}. Its check is in this task's data."
    expected = str(item["expected"])
    said = f" It prints {markdown.code(expected)}." if expected and "\n" not in expected and len(expected) < 80 else ""
    return f"- {head}{sentence(str(item['text']))}.\n  Check: {markdown.code(command)}.{said}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table; the cells are Markdown already."""
    names = list(head)
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(cells) + " |" for cells in rows]
    return "\n".join(lines)
