"""The lightest arcs without which a graph has no cycle, proven where the graph is small enough.

Minimum feedback arc set as an integer programme over the cycles that matter: solve with the cycles known, look for
cycles that the solution leaves, add them, solve again. The first solution that leaves none is the lightest of all, for
fewer cycles only make a lighter one.
"""

from collections.abc import Mapping, Sequence

from clones.engines.architecture import digraph

MAX_ARCS = 1500
"""Of the components together; above, the greedy answer stands."""
_MAX_ROUNDS = 40
_MAX_CYCLES = 6000
_MAX_BRANCHES = 2000
"""Nodes of the search tree in a round: a bound that, unlike seconds, leaves the answer the same on every machine."""
_EACH = 1e-3
"""Added to each arc's weight: of equal weights, the fewest arcs."""


def lightest(graph: Mapping[str, Mapping[str, float]]) -> tuple[set[digraph.Arc], bool]:
    """Return arcs without which `graph` has no cycle, and whether it is proven that no others weigh less."""
    inside = _cyclic_part(graph)
    arcs = sorted((node, to) for node, successors in inside.items() for to in successors)
    if not arcs:
        return set(), True
    found = _solved(inside, arcs) if len(arcs) <= MAX_ARCS else None
    return (digraph.feedback_arcs(graph), False) if found is None else (found, True)


def _cyclic_part(graph: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    home = {node: number for number, nodes in enumerate(digraph.tangles(graph)) for node in nodes}
    return {
        node: {to: weight for to, weight in graph[node].items() if to != node and home.get(to) == home[node]}
        for node in home
    }


def _solved(graph: Mapping[str, Mapping[str, float]], arcs: Sequence[digraph.Arc]) -> set[digraph.Arc] | None:
    known: dict[tuple[digraph.Arc, ...], None] = dict.fromkeys(_cycles({node: set(to) for node, to in graph.items()}))
    weights = [graph[node][to] + _EACH for node, to in arcs]
    for _ in range(_MAX_ROUNDS):
        chosen = _chosen(weights, arcs, list(known))
        if chosen is None:
            return None
        rest = {node: {to for to in successors if (node, to) not in chosen} for node, successors in graph.items()}
        left = _cycles(rest)
        if not left:
            return chosen
        known.update(dict.fromkeys(left))
        if len(known) > _MAX_CYCLES:
            return None
    return None


def _chosen(
    weights: Sequence[float], arcs: Sequence[digraph.Arc], cycles: Sequence[tuple[digraph.Arc, ...]]
) -> set[digraph.Arc] | None:
    """Return the lightest arcs of which every cycle has one; None where that is not proven within the bound."""
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    at = {arc: index for index, arc in enumerate(arcs)}
    places = [(row, at[arc]) for row, cycle in enumerate(cycles) for arc in cycle]
    rows, columns = zip(*places, strict=True)
    matrix = csr_array((np.ones(len(places)), (rows, columns)), shape=(len(cycles), len(arcs)))
    answer = milp(
        np.array(weights),
        integrality=np.ones(len(arcs), dtype=np.int8),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(matrix, lb=1),
        options={"node_limit": _MAX_BRANCHES, "mip_rel_gap": 0.0},
    )
    if answer.status != 0 or answer.x is None:
        return None
    return {arc for arc, value in zip(arcs, answer.x, strict=True) if value > 0.5}


def _cycles(graph: Mapping[str, set[str]]) -> list[tuple[digraph.Arc, ...]]:
    """Return for each arc that is on a cycle a shortest one through it; each once, none for an acyclic graph."""
    found: dict[tuple[digraph.Arc, ...], None] = {}
    for component in digraph.tangles(graph):
        nodes = set(component)
        inside = {node: graph[node] & nodes for node in component}
        for start in component:
            before = _breadth_first(inside, start)
            for end in sorted(node for node in component if start in inside[node]):
                way = [end]
                while way[-1] != start:
                    way.append(before[way[-1]])
                way.reverse()
                first = way.index(min(way))
                turned = [*way[first:], *way[:first]]
                found[tuple(zip(turned, [*turned[1:], turned[0]], strict=True))] = None
    return list(found)


def _breadth_first(graph: Mapping[str, set[str]], start: str) -> dict[str, str]:
    """Return each reached node's predecessor on a shortest path from `start`."""
    before: dict[str, str] = {}
    queue = [start]
    for node in queue:
        for successor in sorted(graph[node]):
            if successor != start and successor not in before:
                before[successor] = node
                queue.append(successor)
    return before
