"""What a module says that it is for: the first sentence of its docstring, with the line where it stands."""

import ast
import re
from collections.abc import Sequence

import msgspec

from clones.engines import syntax

_UNDERLINE = re.compile(r"([=~^\"'`*+#.:_-])\1{2,}")
_ROLE = re.compile(r":[a-z:+-]+:`~?([^`<]+)(?:<[^`]*>)?`")
_FIELD = re.compile(r":[a-z]+( [^:]+)?:\s")
"""What says how something is called and what it returns, and not what it is."""
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`(])")
MAX_CHARS = 240


class Purpose(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence of a docstring."""

    words: str
    file: str
    line: int
    """Where the sentence begins."""


def purpose(file: str, lines: Sequence[str], names: Sequence[str]) -> Purpose | None:
    """Return what the module in `file` says it is for; `names` are its own, a heading of which says nothing."""
    tree = syntax.parsed("\n".join(lines))
    node = tree.body[0] if tree and tree.body else None
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
        return None
    if not isinstance(node.value.value, str):
        return None
    first = node.lineno
    return _sentence(file, lines[first - 1 : node.end_lineno], first, {name.lower() for name in names})


def _sentence(file: str, lines: Sequence[str], first: int, names: set[str]) -> Purpose | None:
    texts = [re.sub(r'^[rRuU]?("""|\'\'\'|"|\')|("""|\'\'\'|"|\')$', "", line.strip()).strip() for line in lines]
    begin: int | None = None
    words: list[str] = []
    for at, text in enumerate(texts):
        heading = at + 1 < len(texts) and _UNDERLINE.fullmatch(texts[at + 1]) is not None
        nothing = (
            not text or heading or _UNDERLINE.fullmatch(text) or text.startswith((".. ", ":copyright", ":license"))
        )
        if nothing or _bare(text).lower() in names:
            if words:
                break
            continue
        begin = at if begin is None else begin
        words.append(text)
    if begin is None:
        return None
    sentence = first_sentence(" ".join(words))
    return Purpose(words=sentence, file=file, line=first + begin) if sentence else None


def first_sentence(text: str) -> str:
    """Return the first sentence of a docstring's first paragraph, without the marks of reStructuredText; empty for none."""
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    if _FIELD.match(paragraph):
        return ""
    sentence = _SENTENCE_END.split(_ROLE.sub(r"\1", paragraph))[0].rstrip(".: ")
    if not any(map(str.isalpha, sentence)):
        return ""
    return sentence if len(sentence) <= MAX_CHARS else f"{sentence[: MAX_CHARS - 1]}…"


def _bare(text: str) -> str:
    return text.strip("`.~*: ").removesuffix(" module").strip("` ")
