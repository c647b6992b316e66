"""Writes a report and holds it to what every report must keep: nothing loaded, nothing run, nothing that was markup."""

import hashlib
from base64 import b64encode
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from clones.engines.report import ReportInput, render
from tests.clones.engines.report.reading import Page, markdown_text, markdown_tokens


class Written(NamedTuple):
    page: Page
    html: str
    markdown: str
    told: dict[str, Any]
    """`report.json`."""

    @property
    def texts(self) -> tuple[str, str]:
        return self.page.text, markdown_text(self.markdown)


def write(report: ReportInput, directory: Path) -> Written:
    files = render(report, directory)
    assert [(file.name, file.media_type) for file in files] == [
        ("report.html", "text/html"),
        ("report.md", "text/markdown"),
        ("report.json", "application/json"),
    ]
    html = (directory / "report.html").read_text(encoding="utf-8")
    told = msgspec.json.decode((directory / "report.json").read_bytes())
    written = Written(Page(html), html, (directory / "report.md").read_text(encoding="utf-8"), told)
    harmless(written)
    return written


def harmless(written: Written) -> None:
    """Nothing is loaded, only our script runs, every link leads to a part of the page, and no id stands twice."""
    page = written.page
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.elements:
        assert tag not in {"link", "iframe", "object", "embed", "base", "form"} or attributes.get("role") == "search"
        assert not any(name.startswith("on") for name in attributes)
        if "src" in attributes:
            assert str(attributes["src"]).startswith("data:image/svg+xml;base64,")
        if "href" in attributes:
            assert str(attributes["href"]).removeprefix("#") in ids
        assert "url(" not in str(attributes.get("style"))
    assert "url(" not in written.html
    assert "@import" not in written.html
    assert len(page.scripts) == 1
    digest = b64encode(hashlib.sha256(page.scripts[0].encode()).digest()).decode()
    policy = next(each["content"] for each in page.all("meta") if each.get("http-equiv"))
    assert policy == (f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'")
    kinds = {token.type for token in markdown_tokens(written.markdown)}
    assert not kinds & {"html_block", "html_inline", "image", "link_open", "s_open"}


HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "a | b || c",
    "`tick` ``two`` ```three",
    "\u202egnp.exe\u2066 \u200b\x00\x1b[31m",
    "[x](http://evil.example) ![y](http://evil.example/y.png) <http://evil.example>",
    "https://evil.example www.evil.example user@evil.example",
    "# heading\n- item\n\n---\n\n    code\n~~~\n```\n<b>x</b>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; &amp; \\` \\| \\",
    "--> ]]> </style></script>",
    "x" * 20_000,
)


def poisoned(value: Any, poison: str) -> Any:
    """`value` with every text in it replaced, but for words that the shape prescribes."""
    match value:
        case dict():
            return {key: poisoned(each, poison) for key, each in value.items()}
        case list():
            return [poisoned(each, poison) for each in value]
        case str() if value not in {"critical", "high", "medium", "low"}:
            return poison
        case _:
            return value


def cells(markdown: str) -> int:
    return sum(token.type in {"tr_open", "td_open", "th_open"} for token in markdown_tokens(markdown))
