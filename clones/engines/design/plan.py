"""The way from today's imports to the proposed components, in stages that can each be checked."""

from collections.abc import Sequence
from typing import Any

import msgspec

from clones.engines.architecture import discovery
from clones.engines.architecture.by_grimp import grimp_command
from clones.engines.architecture.cycles import Cycle
from clones.engines.architecture.graph import Import, ModuleGraph
from clones.engines.architecture.hotspots import HotSpot
from clones.engines.architecture.sizes import COMPLEX
from clones.engines.design.components import Component
from clones.engines.design.contracts import Flow, import_places
from clones.engines.design.linting import FILE, lint_command
from clones.engines.statements import Lines, Statement, complexity_command

_MAX_TURNED = 8
_MAX_CYCLES = 5
_MAX_SPOTS = 3
_MAX_STEPS = 12


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan is made of."""

    graph: ModuleGraph
    components: Sequence[Component]
    upward: Sequence[Flow]
    """Flows from a component to one above it."""
    cycles: Sequence[Cycle]
    hot_spots: Sequence[HotSpot]
    contracts: int
    exceptions: int
    """Of the configuration that pins the boundaries."""


def stages(ground: Ground, units: Sequence[discovery.Unit], lines: Lines) -> list[dict[str, Any]]:
    """Return the stages in order: pin what there is, then the cheapest turn first."""
    found = _pinned(ground, units)
    upward = sorted(ground.upward, key=lambda flow: (len(flow.imports), flow.user, flow.used))
    found += [_turned(flow, ground, units, lines) for flow in upward[:_MAX_TURNED]]
    home = {module: item.name for item in ground.components for module in item.modules}
    inside = [cycle for cycle in ground.cycles if len({home[module] for module in cycle.modules}) == 1]
    found += [_opened(cycle, ground, units, lines) for cycle in inside[:_MAX_CYCLES]]
    found += [_simpler(spot) for spot in ground.hot_spots[:_MAX_SPOTS]]
    if ground.exceptions:
        found.append(_sealed(ground))
    return [{"stage": number, **stage} for number, stage in enumerate(found, 1)]


def _pinned(ground: Ground, units: Sequence[discovery.Unit]) -> list[dict[str, Any]]:
    if not ground.contracts:
        return []
    text = f"{ground.contracts} contracts hold today, with {ground.exceptions} imports set aside as exceptions"
    return [
        {
            "title": "Write the boundaries down",
            "why": "from here on a new import against the layers fails a check, while nothing has to be moved yet",
            "steps": [
                f"put `{FILE}` of this task's files into the project's directory",
                "run its check with the tests, for every change",
            ],
            "done_when": "the check runs in the project's continuous integration",
            "needs_file": FILE,
            **Statement(
                text=text,
                how_to_check=lint_command(units),
                expected=f"Contracts: {ground.contracts} kept, 0 broken.",
            ).plain(),
        }
    ]


def _turned(flow: Flow, ground: Ground, units: Sequence[discovery.Unit], lines: Lines) -> dict[str, Any]:
    steps = []
    taken = {(edge.importer, edge.imported) for edge in flow.imports}
    for definition, used in flow.crossings:
        at = sorted(
            f"{ground.graph.files[use.importer]}:{use.line}"
            for use in used
            if (use.importer, use.imported) in taken and not use.typing_only
        )
        if at:
            file = ground.graph.files[definition.module]
            steps.append(
                f"{_advice(definition.kind, definition.name, flow)} (defined in {file}:{definition.line}; used at {', '.join(at[:3])})"
            )
    return {
        "title": f"Turn `{flow.user}` away from `{flow.used}`",
        "why": f"`{flow.used}` stands above `{flow.user}`, which so cannot be tested, changed or taken without it",
        "steps": steps[:_MAX_STEPS] or ["remove the imports, or move what they are for"],
        "done_when": "the check prints 0",
        **_remaining(f"modules of `{flow.user}` import modules of `{flow.used}`", flow.imports, ground, units, lines),
    }


def _advice(kind: str, name: str, flow: Flow) -> str:
    match kind:
        case "function":
            return f"hand `{name}` to `{flow.user}` as an argument, or move it down into `{flow.user}`"
        case "class":
            return f"move `{name}` down, or let `{flow.user}` know it by a protocol of its own"
        case _:
            return f"move the value `{name}` down into `{flow.user}` or below it"


def _opened(cycle: Cycle, ground: Ground, units: Sequence[discovery.Unit], lines: Lines) -> dict[str, Any]:
    return {
        "title": f"Open the circle of {len(cycle.modules)} modules around `{cycle.shortest[0]}`",
        "why": "without these imports the modules have an order, in which they can be read, tested and moved",
        "steps": [f"cut `{edge.importer}` -> `{edge.imported}`" for edge in cycle.cut[:_MAX_STEPS]],
        "done_when": "the check prints 0",
        **_remaining("modules in the circle have imports that keep it closed", cycle.cut, ground, units, lines),
    }


def _remaining(
    what: str, imports: Sequence[Import], ground: Ground, units: Sequence[discovery.Unit], lines: Lines
) -> dict[str, Any]:
    """Return the statement how many of `imports` there are today, by grimp, or by their lines where it cannot say."""
    shown = imports[:_MAX_STEPS]
    pairs = [(edge.importer, edge.imported) for edge in shown]
    code = f"print(sum(g.direct_import_exists(importer=a, imported=b) for a, b in {pairs!r}))"
    command = grimp_command(units, code)
    word = f"{len(shown)} imports" if len(shown) != 1 else "1 import"
    first = " (the first of more)" if len(imports) > len(shown) else ""
    pairs_text = ", ".join(f"{one} -> {other}" for one, other in pairs)
    text = f"Today {what}: {word}{first}, {pairs_text}"
    if command is not None and all(":" not in name for pair in pairs for name in pair):
        return Statement(text=text, how_to_check=command, expected=str(len(shown))).plain()
    command, expected = lines.shown(import_places(shown, ground.graph, len(shown)))
    return Statement(text=text, how_to_check=command, expected=expected).plain()


def _simpler(spot: HotSpot) -> dict[str, Any]:
    size = spot.size
    return {
        "title": f"Take `{size.function}` apart",
        "why": f"above a complexity of {COMPLEX} (McCabe 1976) each change needs more cases in mind than a test names",
        "steps": [
            f"write tests of what {size.file}:{size.line} does today, a case for each branch",
            "take the branches out into functions with names, one at a time",
        ],
        "done_when": f"the check prints {COMPLEX} or less",
        **Statement(
            text=f"`{size.function}` ({size.file}:{size.line}) has a cyclomatic complexity of {size.complexity} today",
            how_to_check=complexity_command(size.file, size.line),
            expected=str(size.complexity),
        ).plain(),
    }


def _sealed(ground: Ground) -> dict[str, Any]:
    return {
        "title": "Take the exceptions away",
        "why": "the proposed layers then hold without reserve",
        "steps": [f"remove the lines below `ignore_imports` from `{FILE}` as the stages before are done"],
        "done_when": "the check prints 0",
        "needs_file": FILE,
        **Statement(
            text=f"{ground.exceptions} imports are exceptions today",
            how_to_check=f"grep -c ' -> ' {FILE}",
            expected=str(ground.exceptions),
        ).plain(),
    }
