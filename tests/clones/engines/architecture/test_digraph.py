"""The graph algorithms, against definitions and brute force."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clones.engines.architecture import digraph

NODES = "abcdef"
arcs = st.sets(st.tuples(st.sampled_from(NODES), st.sampled_from(NODES)).filter(lambda arc: arc[0] != arc[1]))


def graph_of(pairs: Iterable[tuple[str, str]]) -> dict[str, dict[str, float]]:
    graph: dict[str, dict[str, float]] = {node: {} for node in NODES}
    for importer, imported in pairs:
        graph[importer][imported] = 1.0
    return graph


def reachable(graph: dict[str, dict[str, float]], start: str) -> set[str]:
    found: set[str] = set()
    stack = [start]
    while stack:
        for successor in graph[stack.pop()]:
            if successor not in found:
                found.add(successor)
                stack.append(successor)
    return found


@given(arcs)
def test_two_nodes_are_in_one_component_exactly_if_each_reaches_the_other(pairs: set[tuple[str, str]]) -> None:
    graph = graph_of(pairs)
    home = {node: index for index, found in enumerate(digraph.components(graph)) for node in found}
    for one, other in itertools.permutations(NODES, 2):
        mutual = other in reachable(graph, one) and one in reachable(graph, other)
        assert (home[one] == home[other]) == mutual


@given(arcs)
def test_the_cut_leaves_no_cycle_and_none_of_it_can_stay(pairs: set[tuple[str, str]]) -> None:
    graph = graph_of(pairs)
    cut = digraph.feedback_arcs(graph)
    assert cut <= pairs
    assert digraph.tangles(graph_of(pairs - cut)) == []
    for arc in cut:
        assert digraph.tangles(graph_of(pairs - cut | {arc}))


@given(arcs)
def test_the_shortest_cycle_is_a_cycle_and_none_is_shorter(pairs: set[tuple[str, str]]) -> None:
    graph = graph_of(pairs)
    cycle = digraph.shortest_cycle(graph)
    lengths = [
        size
        for size in range(2, len(NODES) + 1)
        for nodes in itertools.permutations(NODES, size)
        if all(arc in pairs for arc in zip(nodes, (*nodes[1:], nodes[0]), strict=True))
    ]
    assert len(cycle) == min(lengths, default=0)
    assert all(arc in pairs for arc in zip(cycle, cycle[1:] + cycle[:1], strict=True))


@given(arcs)
def test_a_level_is_one_above_the_highest_below(pairs: set[tuple[str, str]]) -> None:
    acyclic = {arc for arc in pairs if arc[0] < arc[1]}
    graph = graph_of(acyclic)
    levels = digraph.levels(graph)
    for node in NODES:
        assert levels[node] == max((levels[successor] + 1 for successor in graph[node]), default=0)
    implied = digraph.implied_arcs(graph)
    for arc in acyclic:
        without = graph_of(acyclic - {arc})
        assert (arc in implied) == (arc[1] in reachable(without, arc[0]))


def test_the_cheap_arc_is_cut_not_the_dear_one() -> None:
    graph = {"a": {"b": 9.0}, "b": {"c": 9.0}, "c": {"a": 1.0}}
    assert digraph.feedback_arcs(graph) == {("c", "a")}


@pytest.mark.parametrize("length", [2_000])
def test_a_long_chain_does_not_exhaust_the_stack(length: int) -> None:
    names = [f"m{index:05}" for index in range(length)]
    chain = {name: {following} for name, following in itertools.pairwise(names)} | {names[-1]: {names[0]}}
    assert digraph.components(chain) == [names]


def test_an_arc_that_points_back_but_closes_no_cycle_stays() -> None:
    assert digraph._minimal({"a": {"b": 1.0}, "b": {}}, ["b", "a"]) == set()
