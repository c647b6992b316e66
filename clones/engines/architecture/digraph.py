"""Plain graph algorithms: strongly connected components, shortest cycle, feedback arcs, levels.

Graphs are mappings of every node to its successors (sets, or mappings to weights). All answers are deterministic.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

Arc = tuple[str, str]
_MAX_PASSES = 30
"""Of the local search for feedback arcs; it has stopped improving long before on graphs of a few hundred nodes."""


def components(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the strongly connected components, each sorted, what is depended on first (Tarjan, without recursion)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    found: list[list[str]] = []
    for start in sorted(graph):
        if start in index:
            continue
        work = [(start, iter(sorted(graph[start])))]
        index[start] = low[start] = len(index)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, successors = work[-1]
            for successor in successors:
                if successor not in index:
                    index[successor] = low[successor] = len(index)
                    stack.append(successor)
                    on_stack.add(successor)
                    work.append((successor, iter(sorted(graph[successor]))))
                    break
                if successor in on_stack:
                    low[node] = min(low[node], index[successor])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    cut = stack.index(node)
                    found.append(sorted(stack[cut:]))
                    on_stack.difference_update(stack[cut:])
                    del stack[cut:]
    return found


def tangles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Return the components of two nodes or more, the largest first."""
    return sorted((found for found in components(graph) if len(found) > 1), key=lambda found: (-len(found), found))


def shortest_cycle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """Return the nodes of a shortest cycle in order, the first by name among equals; empty for an acyclic graph."""
    best: list[str] = []
    for start in sorted(graph):
        cycle = _cycle_through(graph, start, len(best))
        if cycle and (not best or len(cycle) < len(best)):
            best = cycle
        if len(best) == 2:
            break
    return best


def _cycle_through(graph: Mapping[str, Iterable[str]], start: str, limit: int) -> list[str]:
    """Breadth first from `start` until an arc leads back; cycles of `limit` nodes or more are not wanted (0: any)."""
    before: dict[str, str] = {}
    queue = deque([(start, 1)])
    while queue:
        node, length = queue.popleft()
        if limit and length >= limit:
            return []
        for successor in sorted(graph[node]):
            if successor == start:
                cycle = [node]
                while cycle[-1] != start:
                    cycle.append(before[cycle[-1]])
                return cycle[::-1]
            if successor not in before:
                before[successor] = node
                queue.append((successor, length + 1))
    return []


def feedback_arcs(graph: Mapping[str, Mapping[str, float]]) -> set[Arc]:
    """Return a set of arcs of small weight without which `graph` has no cycle; none of them can be left out.

    The problem is NP-hard; this is the greedy order of Eades, Lin and Smyth (1993), weighted, improved by moving single
    nodes while that helps, and then made minimal.
    """
    cut: set[Arc] = set()
    for component in tangles(graph):
        inside = set(component)
        part = {node: {to: w for to, w in graph[node].items() if to in inside and to != node} for node in component}
        cut |= _minimal(part, _moved(part, _greedy_order(part)))
    return cut


def levels(graph: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Return for each node of an acyclic graph the length of the longest path that starts there."""
    height: dict[str, int] = {}
    for node, *_ in components(graph):
        height[node] = 1 + max((height[successor] for successor in graph[node]), default=-1)
    return height


def implied_arcs(graph: Mapping[str, Iterable[str]]) -> set[Arc]:
    """Return the arcs of an acyclic graph that a longer path says too."""
    below: dict[str, set[str]] = {}
    implied: set[Arc] = set()
    for node, *_ in components(graph):
        successors = set(graph[node])
        further = set().union(*(below[successor] for successor in successors))
        implied.update((node, successor) for successor in successors & further)
        below[node] = successors | further
    return implied


def _greedy_order(graph: Mapping[str, Mapping[str, float]]) -> list[str]:
    outgoing = {node: sum(graph[node].values()) for node in graph}
    incoming = dict.fromkeys(graph, 0.0)
    importers: dict[str, dict[str, float]] = {node: {} for node in graph}
    for node, successors in graph.items():
        for successor, weight in successors.items():
            incoming[successor] += weight
            importers[successor][node] = weight
    left, right = [], []
    remaining = set(graph)
    while remaining:
        sinks = sorted(node for node in remaining if not remaining.intersection(graph[node]))
        if sinks:
            chosen = sinks[-1]
            right.append(chosen)
        else:
            chosen = min(remaining, key=lambda node: (incoming[node] - outgoing[node], node))
            left.append(chosen)
        remaining.discard(chosen)
        for successor, weight in graph[chosen].items():
            incoming[successor] -= weight
        for importer, weight in importers[chosen].items():
            outgoing[importer] -= weight
    return left + right[::-1]


def _moved(graph: Mapping[str, Mapping[str, float]], order: Sequence[str]) -> list[str]:
    """Move each node to where the weight of arcs that point back is least, until nothing improves."""
    importers: dict[str, dict[str, float]] = {node: {} for node in graph}
    for node, successors in graph.items():
        for successor, weight in successors.items():
            importers[successor][node] = weight
    ordered = list(order)
    for _ in range(_MAX_PASSES):
        improved = False
        for node in sorted(graph):
            at = ordered.index(node)
            rest = ordered[:at] + ordered[at + 1 :]
            # cost at position 0: every importer stands behind the node; each step past another changes two arcs
            cost = sum(importers[node].values())
            costs = [cost]
            for other in rest:
                cost += graph[node].get(other, 0.0) - importers[node].get(other, 0.0)
                costs.append(cost)
            best = min(range(len(costs)), key=lambda position: (costs[position], abs(position - at)))
            if costs[best] < costs[at] - 1e-9:
                ordered = [*rest[:best], node, *rest[best:]]
                improved = True
        if not improved:
            break
    return ordered


def _minimal(graph: Mapping[str, Mapping[str, float]], order: Sequence[str]) -> set[Arc]:
    """Return the arcs that point back in `order`, without those that close no cycle after all, the heaviest first."""
    position = {node: index for index, node in enumerate(order)}
    kept = {node: {to for to in graph[node] if position[to] > position[node]} for node in graph}
    back = [(node, to) for node in graph for to in graph[node] if position[to] <= position[node]]
    cut = set()
    for node, to in sorted(back, key=lambda arc: (-graph[arc[0]][arc[1]], arc)):
        if _reaches(kept, to, node):
            cut.add((node, to))
        else:
            kept[node].add(to)
    return cut


def _reaches(graph: Mapping[str, Iterable[str]], start: str, goal: str) -> bool:
    seen = {start}
    stack = [start]
    while stack:
        node = stack.pop()
        if node == goal:
            return True
        fresh = set(graph[node]) - seen
        seen |= fresh
        stack.extend(fresh)
    return False
