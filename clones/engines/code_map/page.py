"""The map as a Markdown page."""

from collections.abc import Mapping
from typing import Any

from clones.engines import markdown
from clones.engines.prose import sentence, statement, table

_CHECKS = "Each check is run in the project's directory and changes nothing there."
_REASONS = {
    "entry": "Where one comes in",
    "foundation": "What much rests on",
    "meeting place": "Where the parts meet",
    "bulk": "Where most of the code is",
}


def write(data: Mapping[str, Any], summary: str) -> str:
    """Return the page."""
    parts = [
        f"# {markdown.line(data['project'])}: a map of the code",
        sentence(summary),
        _CHECKS,
        "## To install, test and run it",
        "\n".join(statement(told) for told in data["getting_started"]) or "Nothing of the project says how.",
        "## Ways in",
        "\n".join(statement(point) for point in data["entry_points"]) or "None was found.",
        "## In this order",
        *_order(data),
        "## The parts, from the top down",
        "A part uses parts of lower layers; `code-map.svg` shows them.",
        _parts(data),
        "## What each is for",
        "\n".join(statement(part["purpose"]) for part in data["packages"] if part["purpose"])
        or "No docstring of a part says.",
        "## How large each is",
        "\n".join(map(statement, data["packages"])),
        "## Who uses whom",
        "\n".join(map(statement, data["dependencies"])) or "No part uses another.",
    ]
    return "\n\n".join(parts) + "\n"


def _order(data: Mapping[str, Any]) -> list[str]:
    parts = []
    last = ""
    for stop in data["reading_order"]:
        if stop["reason"] != last:
            parts.append(f"### {_REASONS[stop['reason']]}")
            last = stop["reason"]
        said = f"\n  It says of itself: {markdown.line(stop['purpose']['words'])}." if stop["purpose"] else ""
        parts.append(f"{statement(stop, title=str(stop['place']))}{said}")
    return parts


def _parts(data: Mapping[str, Any]) -> str:
    rows = [
        (
            str(part["layer"]),
            markdown.cell_code(part["name"]),
            str(part["modules"]),
            f"{part['lines']:,}",
            markdown.line(part["purpose"]["words"]) if part["purpose"] else "",
            ", ".join(map(markdown.cell_code, part["uses"])),
            str(len(part["used_by"])),
        )
        for part in data["packages"]
    ]
    return table(("layer", "part", "modules", "lines", "what it says it is for", "uses", "used by"), rows)
