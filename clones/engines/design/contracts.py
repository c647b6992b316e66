"""What crosses the boundaries of the proposed components: names used from outside, and who uses whom."""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from clones.engines.architecture.graph import Import, ModuleGraph
from clones.engines.design.components import Component
from clones.engines.design.names import Definition, Names, Use, uses
from clones.engines.statements import Lines, Statement

MAX_SHOWN_USES = 6
MAX_SHOWN_IMPORTS = 8


class Crossing(msgspec.Struct, frozen=True, kw_only=True):
    """One name that a component gives to others."""

    component: str
    definition: Definition
    uses: tuple[Use, ...]
    """From outside the component, sorted."""


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """That one component uses another."""

    user: str
    used: str
    imports: tuple[Import, ...]
    """At run time."""
    crossings: tuple[tuple[Definition, tuple[Use, ...]], ...]
    """What the user takes, by who defines it."""

    @property
    def takes(self) -> tuple[str, ...]:
        """Types that go to the used component: what the parameters of its functions are annotated with."""
        return tuple(dict.fromkeys(kind for item, _ in self.crossings for kind in item.takes))

    @property
    def gives(self) -> tuple[str, ...]:
        """Types that come back: what its functions return, its classes and annotated values."""
        return tuple(dict.fromkeys(item.returns for item, _ in self.crossings if item.returns not in (None, "None")))


def crossings(
    components: Sequence[Component], graph: ModuleGraph, parsed: Mapping[str, ast.Module]
) -> tuple[list[Crossing], list[Flow]]:
    """Return what each component gives to others, the most used first, and who uses whom."""
    home = {module: item.name for item in components for module in item.modules}
    names = Names(graph.files, parsed)
    given: dict[tuple[str, str, str], tuple[Definition, list[Use]]] = {}
    between: dict[tuple[str, str], dict[tuple[str, str], tuple[Definition, list[Use]]]] = {}
    for module, tree in sorted(parsed.items()):
        for use in uses(module, tree, graph.files):
            definition = names.find(use.imported, use.name)
            user, used = home[module], home[use.imported]
            if definition is None or user == used:
                continue
            place = definition.module, definition.name
            given.setdefault((used, *place), (definition, []))[1].append(use)
            between.setdefault((user, used), {}).setdefault(place, (definition, []))[1].append(use)
    found = [
        Crossing(component=key[0], definition=definition, uses=tuple(sorted(used)))
        for key, (definition, used) in sorted(given.items())
    ]
    found.sort(key=lambda item: (item.component, -len({use.importer for use in item.uses}), item.definition.name))
    return found, _flows(graph, home, between)


def _flows(
    graph: ModuleGraph,
    home: Mapping[str, str],
    between: Mapping[tuple[str, str], Mapping[tuple[str, str], tuple[Definition, list[Use]]]],
) -> list[Flow]:
    imports: dict[tuple[str, str], list[Import]] = {}
    for edge in graph.imports:
        pair = home[edge.importer], home[edge.imported]
        if pair[0] != pair[1] and not edge.typing_only:
            imports.setdefault(pair, []).append(edge)
    return [
        Flow(
            user=user,
            used=used,
            imports=tuple(edges),
            crossings=tuple(
                (definition, tuple(sorted(found)))
                for definition, found in sorted(
                    between.get((user, used), {}).values(), key=lambda item: (-len(item[1]), item[0].name)
                )
            ),
        )
        for (user, used), edges in sorted(imports.items())
    ]


def import_places(edges: Sequence[Import], graph: ModuleGraph, most: int) -> list[tuple[str, int]]:
    """Return file and line of imports, at most `most`: of each the first line that runs at import time, if there is one."""
    places = []
    for edge in edges[:most]:
        line = min(edge.lines, key=lambda line: (line.typing_only, line.deferred, line.line))
        places.append((graph.files[edge.importer], line.line))
    return places


def crossing_data(item: Crossing, files: Mapping[str, str], lines: Lines) -> dict[str, Any]:
    """Return a contract's name as JSON values, with the lines that define and use it."""
    definition = item.definition
    file = files[definition.module]
    users = sorted({use.importer for use in item.uses})
    places = [(files[use.importer], use.line) for use in item.uses[:MAX_SHOWN_USES]]
    command, expected = lines.shown([(file, definition.line), *places])
    where = ", ".join(f"{name}:{line}" for name, line in places)
    more = ", and elsewhere" if len(item.uses) > len(places) else ""
    # the definition is named by its module's file, which for a re-exported name is another than the one imported from
    text = f"`{definition.name}` ({definition.kind}, {file}:{definition.line}) is used from outside at {where}{more}"
    return {
        "component": item.component,
        "name": definition.name,
        "module": definition.module,
        "kind": definition.kind,
        "signature": definition.signature,
        "file": file,
        "line": definition.line,
        "users": users,
        "used_at": [{"file": name, "line": line} for name, line in places],
        **Statement(text=text, how_to_check=command, expected=expected).plain(),
    }


def flow_data(flow: Flow, graph: ModuleGraph, lines: Lines, *, upward: bool) -> dict[str, Any]:
    """Return a flow as JSON values, with the imports that prove it."""
    places = import_places(flow.imports, graph, MAX_SHOWN_IMPORTS)
    command, expected = lines.shown(places)
    where = ", ".join(f"{name}:{line}" for name, line in places)
    word = "at" if len(flow.imports) <= len(places) else "for example at"
    return {
        "user": flow.user,
        "used": flow.used,
        "imports": len(flow.imports),
        "against_layers": upward,
        "names": [definition.name for definition, _ in flow.crossings],
        "takes": list(flow.takes[:20]),
        "gives": list(flow.gives[:20]),
        **Statement(
            text=f"`{flow.user}` imports from `{flow.used}` {word} {where}", how_to_check=command, expected=expected
        ).plain(),
    }
