"""Components that the imports themselves propose: groups of modules that use each other more than the rest.

Greedy modularity maximisation (Clauset, Newman and Moore 2004) on the undirected graph of imports at run time. Modules of one
package attract each other a little, so that a layout that works is kept; what nearly everybody imports is no evidence of
belonging anywhere, and stands in a component of its own, as does a package's face.
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from clones.engines.architecture.graph import ModuleGraph, ancestors

_DEFERRED = 0.5
"""A deferred import binds half as much: somebody kept the two apart at import time."""
_SIBLING = 2.0
"""What the modules of one package attract each other with, shared among them."""
_BASE_SHARE = 0.12
_BASE_LEAST = 5
"""A base module is imported by this share of all modules, and by this many, and imports far fewer."""
_RESOLUTION = 1.5
"""Above 1, smaller groups (Reichardt and Bornholdt 2006): at 1, a project of a few hundred modules has groups of a hundred."""
_MOST = 16
"""More components than this nobody holds in mind; the smallest are joined to what they import most."""

BASE, FACE, APART = "base", "face", "apart"


class Component(msgspec.Struct, frozen=True, kw_only=True):
    """Modules that are proposed to be one thing."""

    name: str
    modules: tuple[str, ...]
    kind: str
    """`base`: what the others rest on; `face`: what users import; `apart`: without imports to or from the others;
    `group`: found by the imports."""


def propose(graph: ModuleGraph) -> list[Component]:
    """Return the proposed components, sorted by name; every module is in exactly one. Deterministic."""
    modules = sorted(graph.files)
    weights = _weights(graph)
    base = _base(graph, modules)
    faces = {name for name in modules if _is_face(graph, name)} - base
    rest = [name for name in modules if name not in base and name not in faces]
    linked = {name for arc in weights for name in arc}
    apart = [name for name in rest if name not in linked]
    groups = _communities([name for name in rest if name in linked], weights)
    found = [("group", sorted(group)) for group in _joined(groups, weights)]
    found += [(kind, sorted(group)) for kind, group in ((BASE, base), (FACE, faces), (APART, apart)) if group]
    return sorted(_named(_at_home(found), graph, weights), key=lambda item: item.name)


def _at_home(found: list[tuple[str, list[str]]]) -> list[tuple[str, list[str]]]:
    """Put packages' own modules without imports where most of what is in the package is: they say nothing by themselves."""
    homes = {name: at for at, (kind, group) in enumerate(found) if kind == "group" for name in group}
    groups = [set(group) for _, group in found]
    for at, (kind, group) in enumerate(found):
        for name in group if kind == APART else []:
            inside = Counter(home for other, home in sorted(homes.items()) if other.startswith(f"{name}."))
            if inside:
                groups[at].discard(name)
                groups[inside.most_common(1)[0][0]].add(name)
    return [(kind, sorted(group)) for (kind, _), group in zip(found, groups, strict=True) if group]


def _weights(graph: ModuleGraph) -> dict[tuple[str, str], float]:
    """Return what binds each pair of modules, in both directions together; pairs are sorted."""
    weights: dict[tuple[str, str], float] = {}
    for edge in graph.imports:
        if not edge.typing_only and edge.importer != edge.imported:
            pair = (min(edge.importer, edge.imported), max(edge.importer, edge.imported))
            weights[pair] = weights.get(pair, 0.0) + (_DEFERRED if edge.deferred else 1.0)
    return weights


def _base(graph: ModuleGraph, modules: Sequence[str]) -> set[str]:
    edges = [edge for edge in graph.imports if not edge.typing_only]
    importers = Counter(edge.imported for edge in edges)
    imports = Counter(edge.importer for edge in edges)
    least = max(_BASE_LEAST, _BASE_SHARE * len(modules))
    return {name for name in modules if importers[name] >= least and imports[name] * 3 <= importers[name]}


def _is_face(graph: ModuleGraph, name: str) -> bool:
    """Tell whether a module is the `__init__` of a topmost package that gathers what is below it, or that only documents."""
    if ancestors(name) or not graph.files[name].endswith("__init__.py"):
        return False
    edges = [edge for edge in graph.imports if name in (edge.importer, edge.imported)]
    below = [edge for edge in edges if edge.importer == name and edge.imported.startswith(f"{name}.")]
    return len(below) >= 2 or not edges


def _communities(modules: Sequence[str], weights: Mapping[tuple[str, str], float]) -> list[set[str]]:
    import networkx as nx

    if not modules:
        return []
    number = {name: at for at, name in enumerate(modules)}  # sets of numbers have one order, those of names do not
    drawn: nx.Graph[int] = nx.Graph()
    drawn.add_nodes_from(range(len(modules)))
    for (one, other), weight in sorted(weights.items()):
        if one in number and other in number:
            drawn.add_edge(number[one], number[other], weight=weight)
    families: dict[str, list[int]] = {}
    for name in modules:
        above = ancestors(name)
        # of a topmost package everything is a sibling, which says nothing
        home = name if any(other.startswith(f"{name}.") for other in modules) and above else (above[:1] or [""])[0]
        if ancestors(home):
            families.setdefault(home, []).append(number[name])
    for members in families.values():
        for first, second in itertools.combinations(members, 2):
            before = drawn.get_edge_data(first, second, {"weight": 0.0})["weight"]
            drawn.add_edge(first, second, weight=before + 2 * _SIBLING / (len(members) - 1))
    if not drawn.number_of_edges():
        return [{name} for name in modules]
    found = nx.community.greedy_modularity_communities(drawn, weight="weight", resolution=_RESOLUTION)
    return [{modules[at] for at in group} for group in found]


def _joined(groups: list[set[str]], weights: Mapping[tuple[str, str], float]) -> list[set[str]]:
    """Join single modules, and the smallest groups where there are too many, to the group that they are bound to most."""
    left = sorted(groups, key=lambda group: (len(group), min(group)))
    while left and (len(left) > _MOST or len(left[0]) == 1):
        small = left[0]
        ties = [
            (sum(weight for pair, weight in weights.items() if _between(pair, small, other)), at)
            for at, other in enumerate(left[1:], 1)
        ]
        strongest, at = max(ties, key=lambda tie: (tie[0], -tie[1]), default=(0.0, 0))
        if not strongest:
            # bound to the base only: set behind the others, or given up where all are like that
            rest = [group for group in left[1:] if len(group) > 1]
            lone = [group for group in left if len(group) == 1]
            return [*rest, *([set().union(*lone)] if lone else [])] if len(rest) < _MOST else [*rest, *lone]
        left[at] = left[at] | small
        left = sorted(left[1:], key=lambda group: (len(group), min(group)))
    return left


def _between(pair: tuple[str, str], one: set[str], other: set[str]) -> bool:
    return (pair[0] in one and pair[1] in other) or (pair[1] in one and pair[0] in other)


def _named(
    found: Sequence[tuple[str, list[str]]], graph: ModuleGraph, weights: Mapping[tuple[str, str], float]
) -> list[Component]:
    """Name each group after the package that most of it is in, else after the module that the others are bound to most."""
    taken: set[str] = set()
    named = []
    for kind, group in sorted(found, key=lambda item: (item[0] == "group", -len(item[1]), item[1])):
        names = [kind] if kind in (BASE, FACE, APART) else _candidates(group, weights)
        name = next((name for name in names if name not in taken), names[-1])
        while name in taken:
            name += "-2"
        taken.add(name)
        named.append(Component(name=name, modules=tuple(group), kind=kind))
    return named


def _candidates(group: Sequence[str], weights: Mapping[tuple[str, str], float]) -> list[str]:
    inside = set(group)
    packages = Counter(above for name in group for above in (name, *ancestors(name)) if ancestors(above))
    ranked = [
        package
        for package, count in sorted(packages.items(), key=lambda item: (-item[1], item[0].count("."), item[0]))
        if count > 1 and count * 3 >= len(group)
    ]
    bound: Counter[str] = Counter()
    for (one, other), weight in weights.items():
        if one in inside and other in inside:
            bound[one] += int(weight * 2)
            bound[other] += int(weight * 2)
    central = sorted(group, key=lambda name: (-bound[name], name.count("."), name))
    tails = [name.rpartition(".")[2] for name in (*ranked, *central)]
    return [
        *(tail for tail in tails if not tail.startswith("__")),
        *(name.replace(".", "-").replace(":", "-") for name in central),
    ]
