"""The design as a Markdown page."""

from collections.abc import Mapping
from typing import Any

from clones.engines import markdown
from clones.engines.prose import sentence, statement, table

_MAX_CONTRACTS = 12
"""Of one component on the page; the data has more."""

_CHECKS = "The checks are run in the project's directory, and change nothing there; some need `grimp`, `lizard` or `lint-imports`."


def write(data: Mapping[str, Any], summary: str) -> str:
    """Return the page; every claim on it stands beside a command that shows whether it holds."""
    parts = [
        f"# Design of {markdown.line(data['project'])}",
        sentence(summary),
        _CHECKS,
        "## Proposed components",
        _components(data),
        *(_component(item, data) for item in data["components"]),
        "## What flows between them",
        _flows(data),
        "## Risks",
        "\n".join(statement(item, title=item["title"]) for item in data["risks"])
        or "None of those looked for was found.",
        "## Plan",
        *(_stage(stage) for stage in data["plan"]),
    ]
    if not data["plan"]:
        parts.append("Nothing to do: no import goes against the layers, and no function is complex.")
    return "\n\n".join(parts) + "\n"


def _components(data: Mapping[str, Any]) -> str:
    rows = [
        (
            markdown.cell_code(item["name"]),
            str(item["layer"]),
            str(len(item["modules"])),
            f"{item['lines']:,}",
            ", ".join(map(markdown.cell_code, item["uses"])) or "none",
            markdown.line(item["purpose"]) or "no docstring says",
        )
        for item in data["components"]
    ]
    return table(("component", "layer", "modules", "lines", "uses", "what it says it is for"), rows)


def _component(item: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    lines = [f"### {markdown.line(item['name'])}", statement(item)]
    names = [contract for contract in data["contracts"] if contract["component"] == item["name"]]
    if names:
        users = len({user for contract in names for user in contract["users"]})
        lines.append(f"Its contract: {item['contract_names']} names that {users} modules outside use.")
    lines += [
        f"{markdown.fence(contract['signature'], 'python')}\n{statement(contract)}"
        for contract in names[:_MAX_CONTRACTS]
    ]
    if item["contract_names"] > _MAX_CONTRACTS:
        lines.append(f"The other {item['contract_names'] - _MAX_CONTRACTS} are used by fewer modules.")
    return "\n\n".join(lines)


def _flows(data: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{markdown.cell_code(item['user'])} → {markdown.cell_code(item['used'])}"
            + (" **against the layers**" if item["against_layers"] else ""),
            str(item["imports"]),
            ", ".join(map(markdown.cell_code, item["names"][:6])) + (" …" if len(item["names"]) > 6 else ""),
            ", ".join(map(markdown.cell_code, item["takes"][:4])) or "not annotated",
            ", ".join(map(markdown.cell_code, item["gives"][:4])) or "not annotated",
        )
        for item in data["data_flow"]
    ]
    checked = "\n".join(statement(item) for item in data["data_flow"])
    return (
        f"{table(('user → used', 'imports', 'names', 'types that go in', 'types that come back'), rows)}\n\n{checked}"
    )


def _stage(stage: Mapping[str, Any]) -> str:
    steps = "\n".join(f"{at}. {sentence(step)}" for at, step in enumerate(stage["steps"], 1))
    return (
        f"### {stage['stage']}. {sentence(stage['title'])}\n\nWhy: {sentence(stage['why'])}.\n\n{steps}\n\n"
        f"{statement(stage)}\n\nDone when {sentence(stage['done_when'])}."
    )
