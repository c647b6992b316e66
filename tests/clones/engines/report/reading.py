"""Reads the two pages back: the HTML strictly, the Markdown as a lax viewer would."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from markdown_it import MarkdownIt
from markdown_it.token import Token

VOID = {"meta", "input", "img", "br", "wbr", "line", "rect", "link"}
SVG_SELF_CLOSING = {"line", "rect"}


class Page(HTMLParser):
    """An HTML page whose every element is closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"an attribute twice in <{tag}>"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SVG_SELF_CLOSING
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element, near {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif "style" not in self.open:
            self.words.append(data)
            if self.open and self.open[-1] in {"td", "th", "p", "li", "dd", "dt", "h1", "h2", "h3", "h4", "span"}:
                self.words.append(" ")

    @property
    def text(self) -> str:
        return normal("".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def markdown_tokens(source: str) -> Iterator[Token]:
    """Every token, with raw HTML allowed so that any that got through is seen."""
    for block in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(source):
        yield block
        yield from block.children or ()


def markdown_text(source: str) -> str:
    """What a reader sees; blocks and cells are set apart by a space."""
    return normal(
        "".join(
            token.content if token.type in {"text", "code_inline"} else f" {token.content} "
            for token in markdown_tokens(source)
            if token.type != "inline" and not token.type.startswith(("strong_", "em_"))
        )
    )


def normal(text: str) -> str:
    """One kind of space."""
    return re.sub(r"\s+", " ", text)
