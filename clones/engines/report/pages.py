"""The two pages of a report, from one structure: HTML that escapes by default, Markdown that escapes by default."""

import hashlib
import re
import shlex
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from textwrap import indent
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from clones.engines import markdown
from clones.engines.report import wording
from clones.engines.report.blocks import Cell
from clones.engines.report.checks import Check
from clones.engines.report.view import Report

_TEMPLATES = PackageLoader("clones.engines.report")


class _Written(str):
    """Markdown that is escaped already."""

    __slots__ = ()


def html(report: Report) -> str:
    """Return the HTML page: one file, nothing loaded, only its own script allowed to run."""
    environment = _environment(autoescape=True, finalize=_shown)
    environment.filters["inline_code"] = _html_inline_code
    environment.filters["ref"] = _html_ref
    environment.filters["breakable"] = _html_breakable
    script, style = _asset("filter.js"), _asset("style.css")
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("report.html.j2").render(
        report=report,
        source=report.source,
        script=Markup(script),  # noqa: S704 - our own file, without any value of the target
        style=Markup(style),  # noqa: S704 - likewise
        script_digest=digest,
    )


def markdown_page(report: Report) -> str:
    """Return the Markdown page: every value is escaped prose unless a filter made code of it."""
    environment = _environment(autoescape=False, finalize=_markdown_value)
    writers: dict[str, Callable[[str], str]] = {
        "code": markdown.code,
        "cell": markdown.cell_code,
        "block": markdown.fence,
        "inline_code": _markdown_inline_code,
        "inline_cell": lambda value: _markdown_inline_code(value, code=markdown.cell_code),
    }
    for name, write in writers.items():
        environment.filters[name] = _writer(write)
    environment.filters["indented"] = lambda value: _Written(indent(value, "  "))
    environment.filters["written"] = _Written
    environment.filters["at"] = lambda item: _Written(markdown.code(_place(item)))
    environment.filters["at_cell"] = lambda item: _Written(markdown.cell_code(_place(item)))
    environment.filters["more"] = _markdown_more
    environment.filters["ref"] = _markdown_ref
    environment.filters["cell_of"] = _markdown_cell
    page = environment.get_template("report.md.j2").render(report=report, source=report.source)
    return re.sub(r"\n{3,}", "\n\n", page)


def _environment(*, autoescape: bool, finalize: Callable[[Any], Any]) -> Environment:
    environment = Environment(
        loader=_TEMPLATES,
        autoescape=autoescape,  # noqa: S701 - off for Markdown alone, whose `finalize` escapes as Markdown wants it
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Callable[..., Any]] = {
        "duration": wording.duration,
        "percent": wording.percent,
        "signed": wording.signed,
        "covered": wording.covered,
        "number": wording.number,
        "plural": wording.plural,
        "moment": wording.moment,
        "clock": wording.clock,
        "cut": wording.cut,
        "lines": wording.lines,
        "kind": lambda block: type(block).__struct_config__.tag,
        "checked": lambda table: any(row.check is not None for row in table.rows.items),
        "some": lambda items, limit: list(items)[:limit],
        "quoted": shlex.quote,
        "command": _command,
        "width": lambda share: f"{min(100.0, max(0.0, float(share))):.1f}",
        "slug": lambda text: re.sub(r"[^a-z0-9]+", "-", str(text).lower()).strip("-"),
    }
    environment.filters.update(filters)
    return environment


def _shown(value: Any) -> Any:
    """Make control and direction characters of plain text visible; what is markup already came through here before."""
    return markdown.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _html_inline_code(value: str) -> Markup:
    """Return text with what stands in backticks as code; all of it escaped."""
    parts = markdown.visible(value).split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts)
    )


def _html_ref(check: Check | None, numbers: Mapping[Check, int]) -> Markup:
    """Return a link to the statement's check; nothing for what makes none."""
    number = numbers.get(check) if check is not None else None
    if number is None:
        return Markup("")
    return Markup(' <a class="ref" href="#s{0}" title="how to check this">{0}</a>').format(number)


def _html_breakable(path: str) -> Markup:
    """Return a path that may break after its slashes, and so keeps its line number whole."""
    return Markup("/<wbr>").join(markdown.visible(path).split("/"))


def _markdown_value(value: Any) -> _Written:
    """Escape what no filter has written, and keep a space at either end."""
    return value if isinstance(value, _Written) else _Written(_prose(str(value)))


def _markdown_inline_code(value: str, code: Callable[[str], str] = markdown.code) -> str:
    parts = value.split("`")
    return "".join(code(part) if index % 2 else _prose(part) for index, part in enumerate(parts))


def _prose(value: str) -> str:
    return markdown.text(re.sub(r"\s+", " ", value))


def _writer(write: Callable[[str], str]) -> Callable[[Any], _Written]:
    return lambda value: _Written(write(str(value)))


def _markdown_more(some: wording.Some[Any], what: str, full: str) -> _Written:
    return _Written(f"{wording.number(some.more)} more {what} in {markdown.code(full)}\n" if some.more else "")


def _markdown_ref(check: Check | None, numbers: Mapping[Check, int]) -> _Written:
    number = numbers.get(check) if check is not None else None
    return _Written("" if number is None else f" ({number})")


def _markdown_cell(cell: Cell) -> _Written:
    match cell.kind:
        case "code":
            return _Written(markdown.cell_code(cell.text))
        case "place":
            return _Written(markdown.cell_code(cell.text if cell.line is None else f"{cell.text}:{cell.line}"))
        case "number":
            return _Written(_prose(cell.text))
        case _:
            return _Written(_markdown_inline_code(cell.text, code=markdown.cell_code))


def _place(item: Any) -> str:
    """Return `file:line` of whatever has both."""
    return item.file if item.line is None else f"{item.file}:{item.line}"


def _command(argv: Iterable[str]) -> str:
    return shlex.join(argv)


def _asset(name: str) -> str:
    return _TEMPLATES.get_source(Environment(autoescape=True), name)[0]
