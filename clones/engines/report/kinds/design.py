"""Proposed components, what crosses their boundaries, what speaks against leaving things as they are, and the way there."""

import msgspec

from clones.engines.report.blocks import Block, Content, Point, Row, code, number, picture, place, points, prose, table
from clones.engines.report.checks import Stated
from clones.engines.report.full import full_data
from clones.engines.report.model import Section
from clones.engines.report.pictures import picture as embedded
from clones.engines.report.verdict import Tile
from clones.engines.report.wording import listed, plural
from clones.engines.report.wording import number as digits

_MAX_ROWS = 25
_MAX_CONTRACT_NAMES = 8


class Component(Stated, frozen=True, kw_only=True):
    """A proposed component."""

    name: str
    purpose: str = ""
    modules: tuple[str, ...] = ()
    lines: int = 0
    layer: int | None = None
    uses: tuple[str, ...] = ()
    contract_names: int = 0


class Contract(Stated, frozen=True, kw_only=True):
    """A name that is used from outside its component."""

    component: str
    name: str
    kind: str = ""
    signature: str = ""
    file: str = ""
    line: int | None = None
    users: tuple[str, ...] = ()


class Flow(Stated, frozen=True, kw_only=True):
    """What one component takes from another."""

    user: str
    used: str
    imports: int
    against_layers: bool = False
    takes: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """A line."""

    file: str
    line: int


class Danger(Stated, frozen=True, kw_only=True):
    """What speaks against leaving it."""

    kind: str
    severity: str = ""
    title: str = ""
    why: str = ""
    places: tuple[Spot, ...] = ()


class Stage(Stated, frozen=True, kw_only=True):
    """A step on the way there."""

    title: str
    why: str = ""
    steps: tuple[str, ...] = ()
    done_when: str = ""


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Of `design`."""

    modules: int = 0
    components: tuple[Component, ...]
    contracts: tuple[Contract, ...] = ()
    data_flow: tuple[Flow, ...] = ()
    risks: tuple[Danger, ...] = ()
    plan: tuple[Stage, ...] = ()


def content(section: Section, data: Data) -> Content:
    """Return the part: the proposal, its contracts, then risks and plan."""
    full = full_data(section, "design.md")
    blocks: list[Block] = [
        *picture(
            embedded(section.files, "components.svg"),
            "The proposed components, highest layer first, and what depends on what.",
            "Diagram of the proposed components",
        ),
        *table(
            "Components",
            ("component", "what it is for", "layer", "modules", "lines", "names used from outside", "uses"),
            [_component(each) for each in data.components],
            limit=_MAX_ROWS,
            what="components",
            full=full,
            note="Modules that import each other most belong together; layers are counted from the bottom.",
        ),
    ]
    for each in data.components:
        blocks += table(
            f"Contract of {each.name}",
            ("name", "signature", "place", "used by"),
            [_contract(name) for name in data.contracts if name.component == each.name],
            limit=_MAX_CONTRACT_NAMES,
            what="names",
            full=full,
            total=each.contract_names,
        )
    blocks += [
        *table(
            "Data flow",
            ("component", "uses", "imports", "hands over", "gets back", "against the layers"),
            [_flow(each) for each in sorted(data.data_flow, key=lambda each: not each.against_layers)],
            limit=_MAX_ROWS,
            what="dependencies",
            full=full,
        ),
        *table(
            "Risks",
            ("risk", "what", "why", "place"),
            [_danger(each) for each in data.risks],
            limit=_MAX_ROWS,
            what="risks",
            full=full,
        ),
        *points(
            "The way there",
            [_stage(each) for each in data.plan],
            limit=_MAX_ROWS,
            what="stages",
            full=full,
            ordered=True,
        ),
    ]
    return Content(tile=_tile(data), blocks=tuple(blocks))


def _component(each: Component) -> Row:
    return Row(
        cells=(
            code(each.name),
            prose(each.purpose),
            number(each.layer),
            number(len(each.modules)),
            number(each.lines),
            number(each.contract_names),
            prose(listed(each.uses)),
        ),
        check=each.check,
    )


def _contract(each: Contract) -> Row:
    cells = (code(each.name), code(each.signature), place(each.file, each.line), prose(listed(each.users)))
    return Row(cells=cells, check=each.check)


def _flow(each: Flow) -> Row:
    return Row(
        cells=(
            code(each.user),
            code(each.used),
            number(each.imports),
            prose(listed(each.takes)),
            prose(listed(each.gives)),
            prose("yes" if each.against_layers else ""),
        ),
        check=each.check,
    )


def _danger(each: Danger) -> Row:
    first = each.places[0] if each.places else None
    return Row(
        cells=(
            prose(f"{each.kind}, {each.severity}" if each.severity else each.kind),
            prose(each.title or each.text),
            prose(each.why),
            place(first.file if first else None, first.line if first else None),
        ),
        check=each.check,
    )


def _stage(each: Stage) -> Point:
    done = (Point(text=f"Done when {each.done_when}."),) if each.done_when else ()
    steps = (*(Point(text=step) for step in each.steps), *done)
    why = f": {each.why}" if each.why else ""
    return Point(text=f"{each.title}{why}.", check=each.check, details=steps)


def _tile(data: Data) -> Tile:
    if not data.components:
        return Tile(figure="none", label="no Python module to propose for", details=(), tone="plain")
    upward = sum(each.against_layers for each in data.data_flow)
    details = [
        f"for {plural(data.modules, 'module')}, {plural(len(data.plan), 'stage')} to get there",
        f"{digits(upward)} of {plural(len(data.data_flow), 'dependency', 'dependencies')} against the layers",
        plural(len(data.risks), "risk"),
    ]
    count = len(data.components)
    return Tile(
        figure=digits(count),
        label="component proposed" if count == 1 else "components proposed",
        details=tuple(details),
        tone="plain",
    )
