"""Import cycles between modules: where they are, the shortest way round, and what to cut."""

from collections.abc import Mapping

import msgspec

from clones.engines.architecture import digraph, feedback
from clones.engines.architecture.graph import Import, ModuleGraph

DEFERRED_WEIGHT = 0.25
"""A deferred import weighs this much of another when cuts are chosen: it is written inside a function because it goes
against the direction of the others."""
FACADE_WEIGHT = 4.0
"""What a package's `__init__` imports from inside the package weighs this much more: gathering it is what it is for."""


class Cycle(msgspec.Struct, frozen=True, kw_only=True):
    """A strongly connected component: every module of it imports every other, directly or not."""

    modules: tuple[str, ...]
    shortest: tuple[str, ...]
    """A shortest cycle in it, in the order of the imports; the last imports the first."""
    shortest_imports: tuple[Import, ...]
    at_import_time: bool
    """Whether it is still a cycle when imports inside functions are left out."""
    cut: tuple[Import, ...]
    """The cheapest imports, by `weight`, without which these modules have no cycle."""
    cut_is_least: bool
    """Whether it is proven that no others cost less."""


def find(graph: ModuleGraph) -> list[Cycle]:
    """Return the import cycles at run time, the largest first; imports under `if TYPE_CHECKING` make none."""
    by_arc = {(edge.importer, edge.imported): edge for edge in graph.imports if not edge.typing_only}
    weights: dict[str, dict[str, float]] = {module: {} for module in graph.files}
    for (importer, imported), edge in by_arc.items():
        weights[importer][imported] = weight(edge)
    return [_cycle(set(modules), weights, by_arc) for modules in digraph.tangles(weights)]


def weight(edge: Import) -> float:
    """Return what it costs to cut an import: each line that imports at run time counts."""
    facade = FACADE_WEIGHT if edge.imported.startswith(f"{edge.importer}.") else 1.0
    return facade * sum(DEFERRED_WEIGHT if line.deferred else 1.0 for line in edge.lines if not line.typing_only)


def _cycle(
    modules: set[str], weights: Mapping[str, Mapping[str, float]], by_arc: Mapping[digraph.Arc, Import]
) -> Cycle:
    inside = {module: {to: weights[module][to] for to in weights[module] if to in modules} for module in modules}
    immediate = {
        module: {to for to in successors if not by_arc[module, to].deferred} for module, successors in inside.items()
    }
    at_import_time = bool(digraph.tangles(immediate))
    # the shortest one at import time where there is one: it is the one that can break a start
    shortest = digraph.shortest_cycle(immediate if at_import_time else inside)
    arcs = zip(shortest, [*shortest[1:], *shortest[:1]], strict=True)
    cut, is_least = feedback.lightest(inside)
    return Cycle(
        modules=tuple(sorted(modules)),
        shortest=tuple(shortest),
        shortest_imports=tuple(by_arc[arc] for arc in arcs),
        at_import_time=at_import_time,
        cut=tuple(by_arc[arc] for arc in sorted(cut)),
        cut_is_least=is_least,
    )
