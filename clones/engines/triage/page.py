"""The triage as a Markdown page."""

from collections.abc import Mapping
from typing import Any

from clones.engines import markdown
from clones.engines.prose import sentence, statement


def write(project: str, data: Mapping[str, Any], summary: str) -> str:
    """Return the page; every claim on it stands beside a command that shows whether it holds."""
    parts = [
        f"# Triage of {markdown.line(project)}",
        sentence(summary),
        "The checks are run in the project's directory with its own Python; they change nothing there.",
        *(_subject(item) for item in data["subjects"]),
    ]
    if data["bisect"]:
        parts += ["## The commit that brought it", _bisect(data["bisect"])]
    if data["suspects"]:
        since = f" since {markdown.code(data['history']['since'])}" if data["history"] else ", the newest first"
        parts.append(f"## Commits that touched the files on the way{since}")
        parts.append("\n".join(statement(item) for item in data["suspects"]))
    if data["other_failures"]:
        parts.append("## Other failures")
        parts.append("\n".join(f"- {markdown.code(test)}" for test in data["other_failures"]))
    return "\n\n".join(parts) + "\n"


def _subject(item: Mapping[str, Any]) -> str:
    lines = [f"## {markdown.line(item['test'] or ' '.join(item['command']))}", statement(item)]
    if item["message"]:
        lines.append(markdown.fence(item["message"]))
    if item["frames"]:
        lines += ["The way to it, the innermost last:", "\n".join(statement(frame) for frame in item["frames"])]
    return "\n\n".join(lines)


def _bisect(found: Mapping[str, Any]) -> str:
    tried = sum(row["passed"] is not None for row in found["tried"])
    if "how_to_check" not in found:
        return f"Not found: {sentence(found['note'])}. Tried: {tried} commits."
    commit = found["first_bad"]
    who = f"{markdown.code(commit['commit'])} by {markdown.line(commit['author'])}, {markdown.line(commit['at'])}: "
    note = f" It ended early: {sentence(found['note'])}." if found["note"] else ""
    return f"{who}{markdown.line(commit['subject'])}\n\n{statement(found)}\n\nTried: {tried} commits.{note}"
