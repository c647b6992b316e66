"""What to test first, and with which cases."""

import msgspec

from clones.engines.report.blocks import Block, Content, Point, Row, code, figure, number, place, points, table
from clones.engines.report.checks import Stated
from clones.engines.report.full import full_data
from clones.engines.report.model import Section
from clones.engines.report.verdict import Risk, Tile
from clones.engines.report.wording import UNKNOWN, percent, plural
from clones.engines.report.wording import number as digits

_MAX_RANKED = 25
_MAX_WITH_CASES = 10
_MAX_CASES = 8
_PERCENT = 100.0


class Case(Stated, frozen=True, kw_only=True):
    """A proposed test."""

    name: str
    given: str = ""


class Ranked(Stated, frozen=True, kw_only=True):
    """A function."""

    function: str
    file: str
    line: int
    complexity: int
    commits: int | None = None
    named_in_tests: int | None = None
    untested: float | None = None
    risk: float
    cases: tuple[Case, ...] = ()
    coverage: Stated | None = None


class PropertyTest(Stated, frozen=True, kw_only=True):
    """A drafted property test that was run."""

    function: str
    file: str
    line: int
    test: str
    outcome: str


class Properties(msgspec.Struct, frozen=True, kw_only=True):
    """The drafts."""

    tests: tuple[PropertyTest, ...] = ()


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Of `strategy`."""

    functions: int = 0
    measured: bool = False
    formula: str = ""
    ranked: tuple[Ranked, ...]
    properties: Properties = Properties()

    @property
    def failing(self) -> tuple[PropertyTest, ...]:
        """The property tests for which a counterexample was found."""
        return tuple(each for each in self.properties.tests if each.outcome == "fails")


def content(section: Section, data: Data) -> Content:
    """Return the part: the ranking, then the cases of those on top."""
    full = full_data(section, "strategy.md")
    how = (
        "Untested is the share of its statements that no test ran."
        if data.measured
        else "Untested goes by whether a test names it: no coverage was measured."
    )
    blocks: list[Block] = [
        *table(
            "What to test first",
            ("function", "place", "complexity", "commits", "test files that name it", "untested", "risk"),
            [_row(each) for each in data.ranked],
            limit=_MAX_RANKED,
            what="functions",
            full=full,
            note=f"{data.formula[:1].upper()}{data.formula[1:]}. {how}",
        ),
        *points(
            "Not covered",
            [
                Point(text=each.coverage.text, check=each.coverage.check)
                for each in data.ranked
                if each.coverage is not None
            ],
            limit=_MAX_RANKED,
            what="functions",
            full=full,
        ),
        *_properties(data, full),
        *points(
            "Cases to write",
            [_cases(each) for each in data.ranked[:_MAX_WITH_CASES] if each.cases],
            limit=_MAX_WITH_CASES,
            what="functions",
            full=full,
            note=f"Of the first {_MAX_WITH_CASES} functions, at most {_MAX_CASES} cases each; all are in `{full}`.",
        ),
    ]
    return Content(tile=_tile(data), blocks=tuple(blocks), risks=tuple(_risks(data)))


def _properties(data: Data, full: str) -> list[Block]:
    tests = data.properties.tests
    drafted = f"{plural(len(tests), 'property test')} were drafted and run with made-up inputs"
    ordered = [*data.failing, *(each for each in tests if each.outcome != "fails")]
    return points(
        "Property tests",
        [
            Point(
                text=each.text,
                where=f"{each.file}:{each.line}",
                check=each.check,
                details=(Point(text=f"`{each.test}`"),),
            )
            for each in ordered
        ],
        limit=_MAX_RANKED,
        what="tests",
        full=full,
        note=f"{drafted}; of {len(data.failing)} a counterexample was found. Their files are artifacts of the task.",
    )


def _row(each: Ranked) -> Row:
    return Row(
        cells=(
            code(each.function),
            place(each.file, each.line),
            number(each.complexity),
            number(each.commits),
            number(each.named_in_tests),
            figure(UNKNOWN if each.untested is None else percent(_PERCENT * each.untested)),
            number(each.risk),
        ),
        check=each.check,
    )


def _cases(each: Ranked) -> Point:
    cases = tuple(
        Point(text=f"`{case.name}`: {case.given}" if case.given else f"`{case.name}`", check=case.check)
        for case in each.cases[:_MAX_CASES]
    )
    return Point(text=f"`{each.function}`", where=f"{each.file}:{each.line}", details=cases)


def _tile(data: Data) -> Tile:
    cases = sum(len(each.cases) for each in data.ranked)
    details = [f"of {plural(data.functions, 'function')}; {plural(cases, 'case')} to write"]
    if data.ranked:
        details.append(f"at the top `{data.ranked[0].function}`, complexity {data.ranked[0].complexity}")
    if data.properties.tests:
        tests, failing = len(data.properties.tests), len(data.failing)
        details.append(f"{plural(tests, 'property test')} drafted and run, {failing} with a counterexample")
    count = len(data.ranked)
    return Tile(
        figure=digits(count),
        label="function to test first" if count == 1 else "functions to test first",
        details=tuple(details),
        tone="plain",
    )


def _risks(data: Data) -> list[Risk]:
    found = [
        Risk(tone="warn", kind="untested", text=each.text, where=f"{each.file}:{each.line}", anchor="")
        for each in data.failing
    ]
    if not data.ranked:
        return found
    first = data.ranked[0]
    changed = f", in a file of {plural(first.commits, 'commit')}" if first.commits else ""
    text = f"`{first.function}` most needs tests: complexity {first.complexity}{changed}"
    return [*found, Risk(tone="plain", kind="untested", text=text, where=f"{first.file}:{first.line}", anchor="")]
