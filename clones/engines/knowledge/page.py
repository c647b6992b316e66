"""The overview as a Markdown page."""

from collections.abc import Mapping
from typing import Any

from clones.engines import markdown
from clones.engines.prose import sentence, statement, table

_CHECKS = "Each check is run in the project's directory and changes nothing there."
_SEARCH = (
    "`{file}` is an SQLite database with full-text search (FTS5); words may be joined with AND and OR, and end in `*`. "
    "In its directory:"
)


def write(data: Mapping[str, Any], summary: str) -> str:
    """Return the page."""
    documents = [item for item in data["documents"] if item["kind"] != "licence"]
    marks = ", ".join(f"{count} {mark}" for mark, count in data["totals"]["by_mark"].items())
    parts = [
        f"# {markdown.line(data['project'])}: what there is to know",
        sentence(summary),
        _CHECKS,
        "## To search",
        _SEARCH.format(file=data["index"]["file"]),
        markdown.fence(data["index"]["how_to_search"], "sh"),
        "## Documents",
        _documents(data),
        *(["\n".join(map(statement, documents))] if documents else []),
        "## The project's own words",
        "Its public names that most files of its packages name, and the terms that its documents define.",
        "\n".join(map(statement, data["glossary"])) or "None was found.",
        "## Left open by its own account",
        f"{marks}." if marks else "Nothing says so.",
        "\n".join(map(statement, data["open"])),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _documents(data: Mapping[str, Any]) -> str:
    if not data["documents"]:
        return "None was found."
    rows = [
        (markdown.cell_code(item["file"]), item["kind"], markdown.line(item["title"]), str(item["lines"]))
        for item in data["documents"]
    ]
    return table(("file", "kind", "title", "lines"), rows)
