"""The draft in the form of Keep a Changelog 1.1.0."""

from collections.abc import Iterator, Sequence
from typing import Any

from clones.engines import markdown
from clones.engines.changelog.entries import Entry
from clones.engines.changelog.kinds import SECTIONS


def render(data: dict[str, Any], entries: Sequence[Entry]) -> str:
    """Return the draft."""
    since = data["since"]
    span = f"since {since['revision']} ({since['how']})" if since else "since the beginning"
    facts = "; ".join(fact["text"] for fact in data["facts"])
    suggested = data["suggested"]
    about = (
        f"A draft from the commits {span}, to be edited: {facts}. By them the {suggested['part']} part of the version "
        f"has to rise: {suggested['reason']}."
    )
    lines = [
        "## [Unreleased]",
        "",
        f"<!-- {_comment(about)} -->",
        "",
    ]
    for section in SECTIONS:
        found = [entry for entry in entries if entry.section == section]
        if found:
            # what breaks is read first, then area by area, the newest first
            ordered = sorted(found, key=lambda entry: (not entry.breaking, entry.scope.lower()))
            lines += [f"### {section}", "", *(line for entry in ordered for line in _lines(entry)), ""]
    internal = [entry for entry in entries if entry.section == "Internal"]
    if internal:
        lines += ["<details><summary>Internal: not for users</summary>", ""]
        lines += [*(line for entry in internal for line in _lines(entry)), "", "</details>", ""]
    if data["reverted"]:
        lines += ["<!-- Left out, as they undo each other:", ""]
        lines += [f"- {_comment(pair['text'])}" for pair in data["reverted"]] + ["", "-->", ""]
    if data["new_authors"]:
        names = ", ".join(markdown.line(author["name"]) for author in data["new_authors"])
        lines += [f"New contributors: {names}.", ""]
    return "\n".join(lines)


def _lines(entry: Entry) -> Iterator[str]:
    scope = f"{markdown.line(entry.scope)}: " if entry.scope else ""
    numbers = ", ".join(dict.fromkeys(filter(None, (entry.pull_request, *entry.issues))))
    behind = f" ({markdown.line(numbers)})" if numbers else ""
    mark = "**Breaking:** " if entry.breaking else ""
    yield f"- {mark}{scope}{markdown.line(entry.words)}{behind} {markdown.code(entry.commits[-1].short)}"
    if entry.breaking and entry.breaking != entry.words:
        yield f"  {markdown.line(entry.breaking)}"


def _comment(words: str) -> str:
    """Return words that cannot end the HTML comment around them."""
    return " ".join(markdown.visible(words).split()).replace("--", "- -").replace(">", "").replace("`", "")
