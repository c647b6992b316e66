"""The way into a code base: entry points, what each part is for, and an order to read it in."""

import msgspec

from clones.engines.report.blocks import Block, Content, Point, Row, code, number, picture, place, points, prose, table
from clones.engines.report.checks import Stated
from clones.engines.report.full import full_data
from clones.engines.report.model import Section
from clones.engines.report.pictures import picture as embedded
from clones.engines.report.verdict import Tile
from clones.engines.report.wording import cut, listed, plural
from clones.engines.report.wording import number as digits

_MAX_ROWS = 25


class EntryPoint(Stated, frozen=True, kw_only=True):
    """A way into the code."""

    kind: str
    name: str
    module: str | None = None
    file: str | None = None
    line: int | None = None


class Purpose(Stated, frozen=True, kw_only=True):
    """What a part says of itself."""

    words: str


class Part(Stated, frozen=True, kw_only=True):
    """A package, or a module by itself."""

    name: str
    modules: int
    lines: int
    purpose: Purpose | None = None
    uses: tuple[str, ...] = ()
    used_by: tuple[str, ...] = ()


class Stop(Stated, frozen=True, kw_only=True):
    """A module to be read."""

    module: str
    file: str
    lines: int
    purpose: Purpose | None = None


class Dependency(Stated, frozen=True, kw_only=True):
    """Who uses whom."""

    user: str
    used: str
    imports: int


class Told(Stated, frozen=True, kw_only=True):
    """What the project says of how it is installed, tested or run."""

    kind: str


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Of `code-map`."""

    modules: int
    lines: int
    getting_started: tuple[Told, ...] = ()
    entry_points: tuple[EntryPoint, ...] = ()
    entry_points_total: int | None = None
    packages: tuple[Part, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    reading_order: tuple[Stop, ...] = ()


def content(section: Section, data: Data) -> Content:
    """Return the part: the reading order before what it was made from."""
    full = full_data(section, "code-map.md")
    blocks: list[Block] = [
        *points(
            "To install, test and run it",
            [Point(text=told.text, check=told.check) for told in data.getting_started],
            limit=_MAX_ROWS,
            what="places",
            full=full,
            note="By its own account: its metadata, its makefile and its documents.",
        ),
        *points(
            "Read in this order",
            [_stop(stop) for stop in data.reading_order],
            limit=_MAX_ROWS,
            what="stops",
            full=full,
            ordered=True,
            note="The ways in first, then what much rests on, then where the parts are put together and most of the code is.",
        ),
        *picture(
            embedded(section.files, "code-map.svg"),
            "The parts, highest layer first, and what uses what.",
            "Map of the code",
        ),
        *table(
            "Ways in",
            ("name", "kind", "module", "place"),
            [
                Row(
                    cells=(code(each.name), prose(each.kind), code(each.module or ""), place(each.file, each.line)),
                    check=each.check,
                )
                for each in data.entry_points
            ],
            limit=_MAX_ROWS,
            what="ways in",
            full=full,
            total=data.entry_points_total,
        ),
        *table(
            "Parts",
            ("part", "what it says of itself", "modules", "lines", "uses", "used by"),
            [_part(each) for each in data.packages],
            limit=_MAX_ROWS,
            what="parts",
            full=full,
        ),
        *points(
            "What the parts say of themselves, and where",
            [
                Point(text=each.purpose.text, check=each.purpose.check)
                for each in data.packages
                if each.purpose is not None
            ],
            limit=_MAX_ROWS,
            what="parts",
            full=full,
        ),
        *table(
            "Who uses whom",
            ("user", "uses", "imports"),
            [
                Row(cells=(code(each.user), code(each.used), number(each.imports)), check=each.check)
                for each in sorted(data.dependencies, key=lambda each: (-each.imports, each.user, each.used))
            ],
            limit=_MAX_ROWS,
            what="pairs",
            full=full,
        ),
    ]
    return Content(tile=_tile(data), blocks=tuple(blocks))


def _stop(stop: Stop) -> Point:
    said = (Point(text=stop.purpose.text, check=stop.purpose.check),) if stop.purpose is not None else ()
    return Point(text=stop.text or f"`{stop.module}`", check=stop.check, details=said)


def _part(each: Part) -> Row:
    return Row(
        cells=(
            code(each.name),
            prose(each.purpose.words if each.purpose is not None else ""),
            number(each.modules),
            number(each.lines),
            prose(listed(each.uses)),
            prose(listed(each.used_by)),
        ),
        check=each.check,
    )


def _tile(data: Data) -> Tile:
    if not data.modules:
        return Tile(figure="none", label="no Python module to map", details=(), tone="plain")
    details = [
        f"{plural(data.modules, 'module')} with {digits(data.lines)} lines in {plural(len(data.packages), 'part')}"
    ]
    if data.reading_order:
        details.append(cut(f"begin with `{data.reading_order[0].module}`", 160))
    return Tile(
        figure=digits(len(data.reading_order)),
        label="stop to read it" if len(data.reading_order) == 1 else "stops to read it",
        details=tuple(details),
        tone="plain",
    )
