"""The target seen from afar: a few dozen packages and modules instead of hundreds, and the imports between them."""

from collections.abc import Mapping, Sequence

import msgspec

from clones.engines.architecture import cycles, digraph
from clones.engines.architecture.graph import Import, ModuleGraph, ancestors

MAX_PARTS = 40
"""More boxes than this nobody reads."""
_FEW_PARTS = 12
"""With fewer boxes than this, packages are opened one level further."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A package with all that is below it, or a single module."""

    name: str
    modules: tuple[str, ...]
    is_package: bool


class Dependency(msgspec.Struct, frozen=True, kw_only=True):
    """All imports from one part to another."""

    importer: str
    imported: str
    imports: tuple[Import, ...]

    @property
    def runtime(self) -> int:
        """The number of imports that happen at run time."""
        return sum(not edge.typing_only for edge in self.imports)

    @property
    def weight(self) -> float:
        """What it costs to cut it."""
        return sum(cycles.weight(edge) for edge in self.imports if not edge.typing_only)


class Coupling(msgspec.Struct, frozen=True, kw_only=True):
    """Robert C. Martin's package coupling (OO Design Quality Metrics, 1994), with modules for classes."""

    module: str
    afferent: int
    """Ca: modules outside that import a module inside."""
    efferent: int
    """Ce: modules outside (of the target) that modules inside import."""
    instability: float | None
    """Ce / (Ca + Ce); None where both are 0. 1: free to change, 0: others rest on it."""


class Structure(msgspec.Struct, frozen=True, kw_only=True):
    """The parts in layers."""

    parts: tuple[Part, ...]
    dependencies: tuple[Dependency, ...]
    """Sorted by importer and imported."""
    layers: tuple[tuple[str, ...], ...]
    """From the top, which nothing below imports, to the bottom, which imports nothing: a part stands one layer above
    the highest that it imports at run time, dependencies against the layers left out."""
    upward: frozenset[digraph.Arc]
    """The dependencies against the layers: without them the parts would have no cycle."""
    tangles: tuple[tuple[str, ...], ...]
    """Groups of parts that all import each other, directly or not."""
    coupling: tuple[Coupling, ...]
    omitted: tuple[str, ...]
    """Names of parts beyond `MAX_PARTS`, those with the fewest dependencies; they are in no other field."""


def structure(graph: ModuleGraph) -> Structure:
    """Collapse the module graph to at most `MAX_PARTS` parts and put them in layers."""
    every = _parts(graph)
    kept = _most_connected(every, graph)
    return arranged(graph, kept, omitted=tuple(part.name for part in every if part not in kept))


def arranged(graph: ModuleGraph, kept: Sequence[Part], *, omitted: tuple[str, ...] = ()) -> Structure:
    """Put the parts `kept` in layers; modules of the graph that are in none of them are passed over."""
    home = {module: part.name for part in kept for module in part.modules}
    between: dict[digraph.Arc, list[Import]] = {}
    for edge in graph.imports:
        arc = (home.get(edge.importer, ""), home.get(edge.imported, ""))
        if all(arc) and arc[0] != arc[1]:
            between.setdefault(arc, []).append(edge)
    dependencies = [
        Dependency(importer=arc[0], imported=arc[1], imports=tuple(edges)) for arc, edges in sorted(between.items())
    ]
    weights: dict[str, dict[str, float]] = {part.name: {} for part in kept}
    for dependency in dependencies:
        if dependency.runtime:
            weights[dependency.importer][dependency.imported] = dependency.weight
    upward = digraph.feedback_arcs(weights)
    downward = {name: {to for to in weights[name] if (name, to) not in upward} for name in weights}
    return Structure(
        parts=tuple(kept),
        dependencies=tuple(dependencies),
        layers=_layers(digraph.levels(downward)),
        upward=frozenset(upward),
        tangles=tuple(map(tuple, digraph.tangles(weights))),
        coupling=tuple(_coupling(part, graph) for part in kept),
        omitted=omitted,
    )


def _layers(levels: Mapping[str, int]) -> tuple[tuple[str, ...], ...]:
    by_level: dict[int, list[str]] = {}
    for name, level in sorted(levels.items()):
        by_level.setdefault(level, []).append(name)
    return tuple(tuple(by_level[level]) for level in sorted(by_level, reverse=True))


def _parts(graph: ModuleGraph) -> list[Part]:
    """Open packages while there are few parts: a whole level at once, or where that is too many, the largest alone."""
    connected = {name for edge in graph.imports for name in (edge.importer, edge.imported)}
    parts = _grouped({module: [module, *ancestors(module)][-1] for module in graph.files})
    while len(parts) < _FEW_PARTS:
        closed = sorted((part for part in parts if part.is_package), key=lambda part: (-len(part.modules), part.name))
        opened = {part.name: _opened(part, connected) for part in closed}
        grown = len(parts) + sum(len(inner) - 1 for inner in opened.values())
        chosen = closed
        if grown > MAX_PARTS:
            chosen = [part for part in closed if len(parts) + len(opened[part.name]) - 1 <= MAX_PARTS][:1]
            # a lone package is opened whatever comes of it: one box shows nothing
            chosen = chosen or (closed if len(parts) == 1 else [])
        if not chosen:
            break
        parts = [part for part in parts if part not in chosen]
        parts += [inner for part in chosen for inner in opened[part.name]]
    return sorted(parts, key=lambda part: part.name)


def _opened(package: Part, connected: set[str]) -> list[Part]:
    """Return what is directly inside; its own `__init__` only where that imports something or is imported."""
    below = len(package.name) + 1
    homes = {
        module: module if module == package.name else package.name + module[below - 1 :][: _next_dot(module, below)]
        for module in package.modules
        if module != package.name or module in connected
    }
    return _grouped(homes)


def _next_dot(module: str, start: int) -> int | None:
    end = module.find(".", start)
    return None if end < 0 else end - start + 1


def _grouped(homes: Mapping[str, str]) -> list[Part]:
    members: dict[str, list[str]] = {}
    for module, home in sorted(homes.items()):
        members.setdefault(home, []).append(module)
    return [Part(name=name, modules=tuple(modules), is_package=modules != [name]) for name, modules in members.items()]


def _most_connected(parts: Sequence[Part], graph: ModuleGraph) -> list[Part]:
    if len(parts) <= MAX_PARTS:
        return list(parts)
    home = {module: part.name for part in parts for module in part.modules}
    neighbours: dict[str, set[str]] = {part.name: set() for part in parts}
    for edge in graph.imports:
        if edge.importer in home and edge.imported in home:
            importer, imported = home[edge.importer], home[edge.imported]
            neighbours[importer].add(imported)
            neighbours[imported].add(importer)
    ranked = sorted(parts, key=lambda part: (-len(neighbours[part.name]), -len(part.modules), part.name))
    kept = {part.name for part in ranked[:MAX_PARTS]}
    return [part for part in parts if part.name in kept]


def _coupling(part: Part, graph: ModuleGraph) -> Coupling:
    inside = set(part.modules)
    edges = [edge for edge in graph.imports if not edge.typing_only]
    afferent = len({edge.importer for edge in edges if edge.imported in inside and edge.importer not in inside})
    efferent = len({edge.imported for edge in edges if edge.importer in inside and edge.imported not in inside})
    total = afferent + efferent
    return Coupling(
        module=part.name,
        afferent=afferent,
        efferent=efferent,
        instability=round(efferent / total, 3) if total else None,
    )
