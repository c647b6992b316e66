"""The cheapest cut: least by proof, each of its lines named, and a command that shows that no cycle is left."""

import itertools
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from clones.engines.architecture import digraph, feedback
from tests.clones.engines.architecture.checking import wrong
from tests.clones.engines.architecture.projects import run, write

NODES = "abcde"
ARCS = [(one, other) for one in NODES for other in NODES if one != other]
WEIGHTED = st.dictionaries(st.sampled_from(ARCS), st.sampled_from([0.25, 1.0, 2.0, 4.0]), max_size=9)


def graph_of(weights: dict[tuple[str, str], float]) -> dict[str, dict[str, float]]:
    return {node: {to: weight for (at, to), weight in weights.items() if at == node} for node in NODES}


@settings(max_examples=40, deadline=None)
@given(WEIGHTED)
def test_no_other_arcs_weigh_less(weights: dict[tuple[str, str], float]) -> None:
    cut, proven = feedback.lightest(graph_of(weights))
    assert proven
    least = min(
        sum(weights[arc] for arc in chosen)
        for size in range(len(weights) + 1)
        for chosen in itertools.combinations(weights, size)
        if not digraph.tangles(graph_of({arc: w for arc, w in weights.items() if arc not in chosen}))
    )
    assert sum(weights[arc] for arc in cut) == least
    assert not digraph.tangles(graph_of({arc: weight for arc, weight in weights.items() if arc not in cut}))


def test_a_graph_too_large_for_a_proof_is_cut_all_the_same() -> None:
    names = [f"n{index:02d}" for index in range(50)]
    graph = {one: {other: 1.0 for other in names if other != one} for one in names}
    assert len(names) * (len(names) - 1) > feedback.MAX_ARCS
    cut, proven = feedback.lightest(graph)
    assert not proven
    assert not digraph.tangles({one: {to for to in graph[one] if (one, to) not in cut} for one in graph})


CYCLIC = {
    "p/__init__.py": "",
    "p/a.py": "from p import b\nfrom p.b import x\n",
    "p/b.py": "x = 1\n\ndef f():\n    from p import a\n    return a\n",
    "p/c.py": "from p import d\nfrom p.d import y\n",
    "p/d.py": "y = 2\nfrom p import c\n",
}


def test_the_import_with_fewer_lines_is_cut_and_every_line_is_named(tmp_path: Path) -> None:
    output = run(write(tmp_path / "t", CYCLIC), tmp_path / "out")
    cuts = {tuple(cycle["modules"]): cycle for cycle in output.data["cycle_details"]}
    assert [(row["importer"], row["lines"]) for row in cuts["p.a", "p.b"]["cut"]] == [("p.b", [4])]
    assert [(row["importer"], row["lines"]) for row in cuts["p.c", "p.d"]["cut"]] == [("p.d", [2])]
    assert all(cycle["cut_is_least"] for cycle in cuts.values())


def test_the_commands_show_that_the_cut_leaves_no_cycle(tmp_path: Path) -> None:
    target = write(tmp_path / "t", CYCLIC)
    output = run(target, tmp_path / "out")
    checks = [cycle["cut_check"] for cycle in output.data["cycle_details"]]
    assert [check["expected"] for check in checks] == ["no cycle", "no cycle"]
    assert all("grimp" in check["how_to_check"] for check in checks)
    assert wrong(checks, target, tmp_path / "out") == []


def test_where_grimp_sees_less_the_graph_file_shows_it(tmp_path: Path) -> None:
    files = {**CYCLIC, "p/e/f.py": "from p import a", "p/a.py": "from p import b\nfrom p.e import f\n"}
    target = write(tmp_path / "t", files)
    output = run(target, tmp_path / "out")
    checks = [cycle["cut_check"] for cycle in output.data["cycle_details"]]
    assert [check["needs_file"] for check in checks] == ["graph.json"] * 2
    assert wrong(checks, target, tmp_path / "out") == []


def test_a_name_that_means_something_to_a_shell_is_in_no_code(tmp_path: Path) -> None:
    files = {**CYCLIC, 'p/$(touch gone)".py': "from p import a\n"}
    target = write(tmp_path / "t", files)
    output = run(target, tmp_path / "out")
    assert wrong(output.data, target, tmp_path / "out") == []
    assert not (target / "gone").exists()
