"""The changes as one Markdown page."""

from collections.abc import Iterator, Sequence
from typing import Any

from clones.engines import markdown
from clones.engines.api_changes.change import Change
from clones.engines.api_changes.compare import Changes
from clones.engines.prose import sentence

_SECTIONS = (
    ("Breaking", "breaking", "Code that used these as their signatures allowed fails now."),
    ("To look at", "risky", "These go on working, but may mean something else than they did."),
    ("New", "added", ""),
    ("Deprecated", "deprecated", ""),
)
_WHAT_IS_PUBLIC = (
    "Public is what has no leading underscore, or stands in `__all__`; of imported names, what a package's `__init__` "
    "offers. Each command is started in the project's directory."
)


def render(data: dict[str, Any], changes: Changes) -> str:
    """Return the page."""
    since = data["since"]
    earlier = f"{markdown.code(since['revision'])} ({since['how']})" if since else markdown.code(data["against"])
    objects, suggested = data["objects"], data["suggested"]
    packages = ", ".join(map(markdown.code, data["packages"])) or "none"
    head = [
        f"# Public API: changes since {earlier}",
        "",
        f"Packages: {packages}. {objects['before']} public names before, {objects['now']} now.",
        "",
        f"**Next version: the {suggested['part']} part has to rise** ({markdown.line(suggested['reason'])}).",
        "",
        _WHAT_IS_PUBLIC,
        "",
    ]
    body = [line for title, name, words in _SECTIONS for line in _section(title, words, getattr(changes, name))]
    return "\n".join([*head, *body])


def _section(title: str, words: str, changes: Sequence[Change]) -> Iterator[str]:
    yield from (f"## {title} ({len(changes)})", "")
    if not changes:
        return
    if words:
        yield from (words, "")
    for change in changes:
        where = f" {markdown.code(f'{change.file}:{change.line}')}" if change.file else ""
        yield f"- {sentence(change.text)}{where}."
        if change.also:
            yield f"  Also known as {', '.join(map(markdown.code, change.also))}."
        yield f"  Check: {markdown.code(change.check.how_to_check)}"
    yield ""
