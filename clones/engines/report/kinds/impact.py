"""What a change reaches: modules and tests, each with the way there."""

import msgspec

from clones.engines.report.blocks import Block, Content, Row, Text, code, number, place, prose, table
from clones.engines.report.checks import Stated
from clones.engines.report.full import full_data
from clones.engines.report.kinds.origins import Since, said
from clones.engines.report.model import Section
from clones.engines.report.verdict import Tile
from clones.engines.report.wording import number as digits
from clones.engines.report.wording import plural

_MAX_ROWS = 40


class Changed(Stated, frozen=True, kw_only=True):
    """A file that was changed."""

    file: str
    module: str | None = None


class Reached(Stated, frozen=True, kw_only=True):
    """A module that depends on what was changed."""

    module: str
    file: str
    distance: int


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Of `impact`."""

    since: Since | None = None
    changed: tuple[Changed, ...] = ()
    modules: tuple[Reached, ...]
    tests: tuple[Reached, ...] = ()
    totals: dict[str, int] = {}
    run: tuple[str, ...] = ()


def content(section: Section, data: Data) -> Content:
    """Return the part: what was changed, and what to run for it."""
    full = full_data(section, "impact.md")
    columns = ("module", "how", "steps")
    blocks: list[Block] = [
        *table(
            "Changed",
            ("file", "module"),
            [Row(cells=(place(each.file, None), code(each.module or "")), check=each.check) for each in data.changed],
            limit=_MAX_ROWS,
            what="files",
            full=full,
            total=data.totals.get("changed"),
            note=f"Since {said(data.since)}." if data.since else "",
        ),
        *table(
            "Modules that depend on it",
            columns,
            [_reached(each) for each in data.modules],
            limit=_MAX_ROWS,
            what="modules",
            full=full,
            total=data.totals.get("modules"),
        ),
        *table(
            "Tests that depend on it",
            columns,
            [_reached(each) for each in data.tests],
            limit=_MAX_ROWS,
            what="tests",
            full=full,
            total=data.totals.get("tests"),
        ),
    ]
    if data.run:
        blocks.append(Text(title="The tests to run", text="\n".join(data.run), name=full))
    return Content(tile=_tile(data), blocks=tuple(blocks))


def _reached(each: Reached) -> Row:
    cells = (code(each.module), prose(each.text), number(each.distance))
    return Row(cells=cells, check=each.check)


def _tile(data: Data) -> Tile:
    totals = data.totals
    reached = totals.get("modules", len(data.modules))
    details = (
        f"by {plural(totals.get('changed', len(data.changed)), 'changed file')}",
        f"{digits(totals.get('tests', len(data.tests)))} of {plural(totals.get('all_tests', 0), 'file')} of tests",
        f"{plural(len(data.run), 'file')} to be run",
    )
    label = f"of {plural(totals.get('all_modules', 0), 'module')} reached"
    return Tile(figure=digits(reached), label=label, details=details, tone="plain")
