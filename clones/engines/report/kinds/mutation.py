"""Which small changes to the code no test notices."""

import msgspec

from clones.engines.report.blocks import Block, Content, Notice, Point, Row, code, figure, number, points, table
from clones.engines.report.checks import Stated
from clones.engines.report.full import full_data
from clones.engines.report.model import Section
from clones.engines.report.verdict import Risk, Tile
from clones.engines.report.wording import UNKNOWN, covered, plural

_MAX_ROWS = 25
_GOOD_PERCENT = 80.0


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the changes to a file, or to all."""

    file: str = ""
    mutants: int
    no_tests: int
    tried: int
    killed: int
    timeout: int
    survived: int
    score_percent: float | None = None


class Survivor(Stated, frozen=True, kw_only=True):
    """A change that no test notices."""

    file: str
    line: int
    operator: str
    diff: str


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Of `mutation`."""

    ran: bool
    reason: str = ""
    chosen: str = ""
    seed: int = 0
    files: tuple[Counts, ...] = ()
    totals: Counts
    survivors: tuple[Survivor, ...] = ()
    survivors_total: int | None = None


def content(section: Section, data: Data) -> Content:
    """Return the part: the files, then what survived, change by change."""
    full = full_data(section, "mutation.md")
    if not data.ran:
        reason = data.reason or "no test runs what was to be changed"
        return Content(tile=_tile(data), blocks=(Notice(tone="warn", text=f"No change was tried: {reason}"),), risks=())
    blocks: list[Block] = [
        *table(
            "Files",
            ("file", "changes", "tried", "killed", "timeout", "survived", "in lines that no test runs", "noticed"),
            [_row(each) for each in data.files],
            limit=_MAX_ROWS,
            what="files",
            full=full,
            note=f"Files: {data.chosen}. The changes that were tried are those of seed {data.seed}. What makes a loop endless "
            "(timeout) counts as noticed.",
        ),
        *points(
            "Changes that no test notices",
            [_survivor(each) for each in data.survivors],
            limit=_MAX_ROWS,
            what="changes",
            full=full,
        ),
    ]
    return Content(tile=_tile(data), blocks=tuple(blocks), risks=tuple(_risks(data)))


def _row(each: Counts) -> Row:
    counts = (each.mutants, each.tried, each.killed, each.timeout, each.survived, each.no_tests)
    score = UNKNOWN if each.score_percent is None else covered(each.score_percent)
    return Row(cells=(code(each.file), *map(number, counts), figure(score)))


def _survivor(each: Survivor) -> Point:
    changed = [line for line in each.diff.splitlines()[2:] if line[:1] in {"-", "+"}]
    details = tuple(Point(text=f"`{' '.join(line.replace('`', chr(39)).split())}`") for line in changed[:6])
    return Point(
        text=f"{each.operator}: {each.text}", where=f"{each.file}:{each.line}", check=each.check, details=details
    )


def _tile(data: Data) -> Tile:
    if not data.ran or data.totals.score_percent is None:
        return Tile(figure="not run", label="mutants", details=(), tone="warn")
    totals = data.totals
    return Tile(
        figure=covered(data.totals.score_percent),
        label=f"of {plural(totals.tried, 'change')} noticed by a test",
        details=(f"{totals.no_tests} of {totals.mutants} possible changes are in lines that no test runs",),
        tone="good" if data.totals.score_percent >= _GOOD_PERCENT else "warn",
    )


def _risks(data: Data) -> list[Risk]:
    if not data.survivors:
        return []
    first = data.survivors[0]
    count = data.survivors_total if data.survivors_total is not None else len(data.survivors)
    text = f"{plural(count, 'change')} to the code {'is' if count == 1 else 'are'} noticed by no test"
    return [Risk(tone="warn", kind="untested", text=text, where=f"{first.file}:{first.line}", anchor="")]
