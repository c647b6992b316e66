"""A draft of the changelog, each entry with the commits behind it."""

import msgspec

from clones.engines.report.blocks import Block, Content, Notice, Point, Text, points
from clones.engines.report.checks import Stated
from clones.engines.report.full import full_data
from clones.engines.report.kinds.origins import Since, said
from clones.engines.report.model import Section
from clones.engines.report.texts import text
from clones.engines.report.verdict import Risk, Tile
from clones.engines.report.wording import cut, number, plural

DRAFT = "CHANGELOG.draft.md"
_MAX_ENTRIES = 60
_MAX_OTHERS = 15
_INTERNAL = "Internal"


class Entry(Stated, frozen=True, kw_only=True):
    """One line of the draft."""

    section: str
    words: str
    scope: str = ""
    breaking: str | None = None
    authors: tuple[str, ...] = ()
    commits: tuple[str, ...] = ()


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Of `changelog`."""

    ran: bool
    reason: str = ""
    since: Since | None = None
    totals: dict[str, int] = {}
    entries: tuple[Entry, ...] = ()
    facts: tuple[Stated, ...] = ()
    reverted: tuple[Stated, ...] = ()
    new_authors: tuple[Stated, ...] = ()


def content(section: Section, data: Data) -> Content:
    """Return the part: the entries by section, then the draft to be copied."""
    if not data.ran:
        tile = Tile(figure="none", label="no draft", details=(cut(data.reason, 200),), tone="warn")
        return Content(tile=tile, blocks=(Notice(tone="warn", text=f"There is no draft: {data.reason}."),))
    full = full_data(section, DRAFT)
    names = dict.fromkeys(each.section for each in data.entries if each.section != _INTERNAL)
    blocks: list[Block] = []
    for name in names:
        blocks += points(
            name,
            [_point(each) for each in data.entries if each.section == name],
            limit=_MAX_ENTRIES,
            what="entries",
            full=full,
        )
    internal = [_point(each) for each in data.entries if each.section == _INTERNAL]
    blocks += points("Internal, not for users", internal, limit=_MAX_OTHERS, what="entries", full=full)
    history = [*data.facts, *data.reverted, *data.new_authors]
    blocks += points(
        "The history behind it",
        [Point(text=each.text, check=each.check) for each in history],
        limit=_MAX_OTHERS,
        what="facts",
        full=full_data(section, ""),
    )
    if draft := text(section.files, DRAFT):
        note = "In the form of Keep a Changelog, to be edited."
        blocks.append(Text(title="The draft, to be copied", text=draft, name=DRAFT, note=note))
    return Content(tile=_tile(data), blocks=tuple(blocks), risks=tuple(_risks(data)))


def _point(each: Entry) -> Point:
    scope = f"{each.scope}: " if each.scope else ""
    broken = f" (breaking: {each.breaking})" if each.breaking else ""
    shown = ", ".join(each.commits[:4]) + (" …" if len(each.commits) > 4 else "")
    return Point(text=f"{scope}{each.words}{broken}", where=shown, check=each.check)


def _tile(data: Data) -> Tile:
    internal = data.totals.get(_INTERNAL, 0)
    entries = len(data.entries) - internal if internal <= len(data.entries) else 0
    breaking = data.totals.get("breaking", 0)
    since = f" since {said(data.since)}" if data.since else ""
    commits = f"{plural(data.totals.get('commits', 0), 'commit')} by {plural(data.totals.get('authors', 0), 'author')}"
    details = [commits + since]
    if breaking:
        details.append(f"{number(breaking)} said to break something")
    return Tile(
        figure=number(entries),
        label="entry for users, drafted" if entries == 1 else "entries for users, drafted",
        details=tuple(details),
        tone="warn" if breaking else "plain",
    )


def _risks(data: Data) -> list[Risk]:
    return [
        Risk(tone="warn", kind="breaking", text=each.breaking, where=", ".join(each.commits[:4]), anchor="")
        for each in data.entries
        if each.breaking
    ]
