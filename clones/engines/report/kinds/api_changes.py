"""What broke of the public surface, and what is new."""

from collections.abc import Sequence

import msgspec

from clones.engines.report.blocks import Block, Content, Notice, Row, code, place, prose, table
from clones.engines.report.checks import Stated
from clones.engines.report.full import full_data
from clones.engines.report.kinds.origins import Since, said
from clones.engines.report.model import Section
from clones.engines.report.verdict import Risk, Tile
from clones.engines.report.wording import cut, number, plural

_MAX_BREAKING = 60
_MAX_OTHERS = 15
_LISTS = (
    ("breaking", "Breaking changes", "breaking changes", _MAX_BREAKING),
    ("risky", "Risky changes", "risky changes", _MAX_OTHERS),
    ("deprecated", "Newly deprecated", "deprecations", _MAX_OTHERS),
    ("added", "New", "additions", _MAX_OTHERS),
)


class Changed(Stated, frozen=True, kw_only=True):
    """One change."""

    name: str
    what: str = ""
    file: str | None = None
    line: int | None = None


class Suggested(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of the version has to rise."""

    part: str = ""
    reason: str = ""


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Of `api-changes`."""

    ran: bool
    reason: str = ""
    since: Since | None = None
    against: str | None = None
    totals: dict[str, int] = {}
    suggested: Suggested = Suggested()
    breaking: tuple[Changed, ...] = ()
    risky: tuple[Changed, ...] = ()
    added: tuple[Changed, ...] = ()
    deprecated: tuple[Changed, ...] = ()


def content(section: Section, data: Data) -> Content:
    """Return the part: what breaks first."""
    if not data.ran:
        tile = Tile(figure="not compared", label="", details=(cut(data.reason, 200),), tone="warn")
        return Content(tile=tile, blocks=(Notice(tone="warn", text=f"Nothing was compared: {data.reason}."),))
    earlier = said(data.since) or f"`{data.against}`"
    blocks: list[Block] = [
        Notice(
            tone="plain",
            text=f"By Semantic Versioning the {data.suggested.part} part of the version has to rise"
            f": {data.suggested.reason}. Compared with {earlier}.",
        )
    ]
    full = full_data(section, "api-changes.md")
    for name, title, what, limit in _LISTS:
        rows: Sequence[Changed] = getattr(data, name)
        blocks += table(
            title,
            ("name", "change", "place"),
            [_row(each) for each in rows],
            limit=limit,
            what=what,
            full=full,
            total=data.totals.get(name),
            note="The place is where it is now; of what is gone, where it was." if name == "breaking" else "",
        )
    return Content(tile=_tile(data, earlier), blocks=tuple(blocks), risks=tuple(_risks(data)))


def _row(each: Changed) -> Row:
    words = each.text.removeprefix(f"`{each.name}`").lstrip(": ")
    return Row(cells=(code(each.name), prose(words), place(each.file, each.line)), check=each.check)


def _tile(data: Data, earlier: str) -> Tile:
    breaking = data.totals.get("breaking", len(data.breaking))
    others = f"{number(data.totals.get('risky', 0))} risky · {plural(data.totals.get('added', 0), 'addition')}"
    return Tile(
        figure=number(breaking),
        label="breaking change" if breaking == 1 else "breaking changes",
        details=(f"since {earlier}", others, f"the {data.suggested.part} part of the version has to rise"),
        tone="warn" if breaking else "good",
    )


def _risks(data: Data) -> list[Risk]:
    count = data.totals.get("breaking", len(data.breaking))
    if not data.breaking:
        return []
    first = data.breaking[0]
    where = f"{first.file}:{first.line}" if first.file else ""
    more = f"; and {number(count - 1)} more" if count > 1 else ""
    return [Risk(tone="warn", kind="breaking", text=f"{first.text}{more}", where=where, anchor="")]
