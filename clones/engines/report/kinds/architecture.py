"""What an architecture review shows below its graph: contracts, C4 views, dead and repeated code, the surface, languages.

The part itself is made in `clones.engines.report.parts`; these are blocks at its end.
"""

from collections.abc import Iterator

import msgspec

from clones.engines.report.blocks import (
    Block,
    Notice,
    Point,
    Row,
    Text,
    code,
    figure,
    number,
    picture,
    place,
    points,
    prose,
    table,
)
from clones.engines.report.checks import Stated
from clones.engines.report.full import full_data
from clones.engines.report.model import Section
from clones.engines.report.pictures import picture as embedded
from clones.engines.report.wording import listed, plural

_MAX_ROWS = 20
_MAX_VIOLATIONS = 10
_VIEWS = (
    ("context", "Context: who uses it, and what it uses."),
    ("containers", "Containers: the processes and packages that it is made of."),
    ("components", "Components: its parts, users above what they use."),
)


class Violation(Stated, frozen=True, kw_only=True):
    """Imports that break a contract."""

    importer: str = ""
    imported: str = ""


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """A declared contract; `kept` is None where it was not checked."""

    name: str
    kind: str = ""
    file: str = ""
    line: int | None = None
    kept: bool | None = None
    violation_count: int = 0
    violations: tuple[Violation, ...] = ()
    unknown_modules: tuple[str, ...] = ()
    idle_exceptions: tuple[str, ...] = ()
    problem: str = ""


class Proposal(Stated, frozen=True, kw_only=True):
    """A contract that could be declared."""

    file: str = ""
    text_to_paste: str = ""
    layers: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()


class Contracts(msgspec.Struct, frozen=True, kw_only=True):
    """Declared, or proposed where none is."""

    declared_in: str | None = None
    declared: tuple[Contract, ...] = ()
    proposal: Proposal | None = None


class Unused(Stated, frozen=True, kw_only=True):
    """A definition that nothing refers to."""

    name: str
    kind: str = ""
    file: str = ""
    line: int | None = None
    lines: int | None = None
    confidence: str = ""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of code."""

    name: str
    file: str
    line: int


class Duplicate(Stated, frozen=True, kw_only=True):
    """Pieces that do the same."""

    alike: float
    count: int
    spare_lines: int = 0
    members: tuple[Member, ...] = ()


class Offer(Stated, frozen=True, kw_only=True):
    """What a public module defines."""

    module: str
    file: str = ""
    count: int = 0
    functions: int = 0
    classes: int = 0
    methods: int = 0


class Surface(msgspec.Struct, frozen=True, kw_only=True):
    """The public surface."""

    modules: int = 0
    functions: int = 0
    classes: int = 0
    methods: int = 0
    modules_listed: tuple[Offer, ...] = ()


class Language(msgspec.Struct, frozen=True, kw_only=True):
    """Size and complexity of one language's files."""

    language: str
    files: int = 0
    nloc: int = 0
    functions: int = 0
    complex_functions: int = 0
    max_complexity: int = 0
    mean_complexity: float | None = None


class PlainLanguage(msgspec.Struct, frozen=True, kw_only=True):
    """A language without functions that could be measured."""

    language: str
    files: int = 0
    lines: int = 0


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Of `architecture`, what is shown here."""

    contracts: Contracts = Contracts()
    unused: tuple[Unused, ...] = ()
    unused_count: int | None = None
    duplicates: tuple[Duplicate, ...] = ()
    duplicate_count: int | None = None
    surface: Surface = Surface()
    languages: tuple[Language, ...] = ()
    plain_languages: tuple[PlainLanguage, ...] = ()


def blocks(section: Section, data: Data) -> tuple[Block, ...]:
    """Return the blocks; of an older result, which has no such data, none."""
    full = full_data(section, "")
    return (
        *_views(section),
        *_contracts(data.contracts, full),
        *table(
            "Nothing refers to these",
            ("name", "kind", "place", "lines", "confidence"),
            [_unused(each) for each in data.unused],
            limit=_MAX_ROWS,
            what="definitions",
            full=full,
            total=data.unused_count,
            note="By name, in all files of the target: high where the name says that it is private; a public one may "
            "be used by others.",
        ),
        *table(
            "Code that does the same",
            ("pieces", "places", "alike", "lines to spare"),
            [_duplicate(each) for each in data.duplicates],
            limit=_MAX_ROWS,
            what="groups",
            full=full,
            total=data.duplicate_count,
            note="Functions and classes whose syntax is the same but for names of their own, literals and docstrings.",
        ),
        *_surface(data.surface, full),
        *_languages(data, full),
    )


def _views(section: Section) -> Iterator[Block]:
    for name, caption in _VIEWS:
        yield from picture(embedded(section.files, f"c4-{name}.svg"), caption, f"C4 {name} diagram")


def _contracts(found: Contracts, full: str) -> Iterator[Block]:
    broken = [each for each in found.declared if each.kept is False]
    if broken:
        text = f"{plural(len(broken), 'declared contract')} of {len(found.declared)} {'is' if len(broken) == 1 else 'are'} broken."
        yield Notice(tone="warn", text=text)
    yield from table(
        f"Contracts declared in {found.declared_in}",
        ("contract", "kind", "place", "state", "remarks"),
        [_contract(each) for each in found.declared],
        limit=_MAX_ROWS,
        what="contracts",
        full=full,
    )
    for each in broken:
        yield from points(
            f"What breaks {each.name}",
            [Point(text=one.text, check=one.check) for one in each.violations],
            limit=_MAX_VIOLATIONS,
            what="chains of imports",
            full=full,
        )
    if found.proposal is not None:
        proposal = found.proposal
        note = f"No contract is declared. This one holds today, with {plural(len(proposal.exceptions), 'exception')}."
        yield Text(title="A contract to begin with", text=proposal.text_to_paste, name=proposal.file, note=note)
        held = [] if proposal.check is None else [Point(text=proposal.text, check=proposal.check)]
        yield from points("It holds", held, limit=1, what="statements", full=full)


def _contract(each: Contract) -> Row:
    state = {True: "kept", False: f"broken by {plural(each.violation_count, 'chain')}", None: "not checked"}[each.kept]
    remarks = [each.problem] if each.problem else []
    remarks += [f"no module {listed(each.unknown_modules)}"] if each.unknown_modules else []
    remarks += [f"nothing needs {listed(each.idle_exceptions)}"] if each.idle_exceptions else []
    return Row(
        cells=(
            code(each.name),
            prose(each.kind),
            place(each.file, each.line or None),
            prose(state),
            prose("; ".join(remarks)),
        )
    )


def _unused(each: Unused) -> Row:
    cells = (
        code(each.name),
        prose(each.kind),
        place(each.file, each.line),
        number(each.lines),
        prose(each.confidence),
    )
    return Row(cells=cells, check=each.check)


def _duplicate(each: Duplicate) -> Row:
    names = listed(tuple(dict.fromkeys(one.name for one in each.members)))
    places = listed(tuple(f"{one.file}:{one.line}" for one in each.members))
    alike = "same" if each.alike == 1.0 else f"{int(100 * each.alike)} %"
    return Row(cells=(prose(names), prose(places), figure(alike), number(each.spare_lines)), check=each.check)


def _surface(found: Surface, full: str) -> list[Block]:
    totals = (
        f"{plural(found.functions, 'function')}, {plural(found.classes, 'class', 'classes')} with "
        f"{plural(found.methods, 'public method')}, in {plural(found.modules, 'public module')}."
    )
    rows = [
        Row(
            cells=(
                code(each.module),
                place(each.file, None),
                number(each.functions),
                number(each.classes),
                number(each.methods),
            ),
            check=each.check,
        )
        for each in found.modules_listed
        if each.count
    ]
    columns = ("module", "file", "functions", "classes", "methods")
    return table(
        "Public surface", columns, rows, limit=_MAX_ROWS, what="modules", full=full, total=found.modules, note=totals
    )


def _languages(data: Data, full: str) -> list[Block]:
    rows = [
        Row(
            cells=(
                prose(each.language),
                number(each.files),
                number(each.nloc),
                number(each.functions),
                figure("-" if each.mean_complexity is None else f"{each.mean_complexity:.1f}"),
                number(each.max_complexity),
                number(each.complex_functions),
            )
        )
        for each in data.languages
    ]
    unmeasured = (figure("-"),) * 4
    rows += [
        Row(cells=(prose(each.language), number(each.files), number(each.lines), *unmeasured))
        for each in data.plain_languages
    ]
    columns = ("language", "files", "lines", "functions", "mean complexity", "highest", "above 10")
    return table("Languages", columns, rows, limit=_MAX_ROWS, what="languages", full=full)
