"""From the wiki's markup to HTML."""

import re

from django.template import Context, Template
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

_BOLD = re.compile(r"\*([^*\n]{1,200})\*")
BOX = "<aside>{{ text }}</aside>"


class Renderer:
    """Markup that is as HTML wants it; formats override `inline`."""

    def inline(self, text: str) -> str:
        """The HTML of a line."""
        return text

    def render(self, text: str) -> SafeString:
        """The HTML of a page."""
        paragraphs = [f"<p>{self.inline(line)}</p>" for line in text.splitlines() if line.strip()]
        return mark_safe("".join(paragraphs))  # seeded: flaw xss inheritance


class Emphasised(Renderer):
    """Markup that knows *bold*."""

    def inline(self, text: str) -> str:
        """The HTML of a line, with what is bold."""
        return _BOLD.sub(r"<b>\1</b>", text)


def plain(text: str) -> SafeString:
    """The HTML of a text without any markup."""
    return mark_safe("<pre>" + escape(text) + "</pre>")  # seeded: twin xss sanitised


def outline(titles: list[str]) -> SafeString:
    """A list of contents."""
    return format_html("<ol>{}</ol>", format_html_join("", "<li>{}</li>", ((title,) for title in titles)))  # seeded: twin xss api


def macro(source: str, values: dict[str, str]) -> str:
    """A macro that an author writes into a page, as a Django template."""
    return Template("{% load i18n %}" + source).render(Context(values))  # seeded: flaw template-injection cross-module


def box(text: str) -> str:
    """A box with a text."""
    return Template(BOX).render(Context({"text": text}))  # seeded: twin template-injection constant
