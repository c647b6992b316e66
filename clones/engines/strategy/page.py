"""The strategy as a Markdown page."""

from collections.abc import Mapping
from typing import Any

from clones.engines import markdown
from clones.engines.prose import sentence, statement, table


def write(data: Mapping[str, Any], summary: str) -> str:
    """Return the page; every claim on it stands beside a command that shows whether it holds."""
    parts = [
        f"# Test strategy for {markdown.line(data['project'])}",
        sentence(summary),
        f"Ranked by {markdown.line(data['formula'])}"
        + ("" if data["churn"] else "; there is no git history, so the commits are left out")
        + ("." if data["measured"] else "; without coverage, 1 where no test names it, 0.5 for one or two, else 0.25."),
        _table(data),
        *_properties(data["properties"]),
        *(_function(item) for item in data["ranked"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(data: Mapping[str, Any]) -> str:
    if not data["ranked"]:
        return ""
    rows = [
        (
            str(item["rank"]),
            markdown.cell_code(item["function"]),
            markdown.cell_code(f"{item['file']}:{item['line']}"),
            str(item["complexity"]),
            "" if item["commits"] is None else str(item["commits"]),
            f"{item['untested']:.0%}",
            f"{item['risk']:g}",
        )
        for item in data["ranked"]
    ]
    return table(
        (
            "",
            "function",
            "place",
            "complexity",
            "commits",
            "untested" if data["measured"] else "taken as untested",
            "risk",
        ),
        rows,
    )


def _properties(found: Mapping[str, Any]) -> list[str]:
    """Return the drafted property tests, what they found first."""
    if not found["tests"]:
        return []
    parts = [
        "## Property tests",
        "Drafted from what functions say of themselves, and run with made-up inputs; their files lie beside this one.",
    ]
    for outcome, words in (("fails", "A counterexample was found:"), ("holds", "No counterexample was found:")):
        told = [statement(each) for each in found["tests"] if each["outcome"] == outcome]
        parts += [words, "\n".join(told)] if told else []
    return parts


def _function(item: Mapping[str, Any]) -> str:
    lines = [f"## {item['rank']}. {markdown.line(item['function'])}", statement(item)]
    if "coverage" in item:
        lines[-1] += f"\n{statement(item['coverage'])}"
    if item["cases"]:
        lines.append("Cases to write:")
        lines.append("\n".join(statement(case) for case in item["cases"]))
    return "\n\n".join(lines)
