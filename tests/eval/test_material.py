"""The material that the evaluation makes is what it is said to be, and what it fetches is read at the right place."""

import ast
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from clones.engines.architecture import digraph
from tests.eval import breaks, dependencies, drafts, fetching, knots, leftovers, mutants, orders, releases, speed
from tests.eval.labels import Found, Score

FLAW = releases.FLAWS[0]


@pytest.mark.parametrize("seed", range(12))
def test_a_knot_has_no_circle_without_its_cut_and_one_with_each_import_of_it(seed: int) -> None:
    package = knots.make(seed)
    assert package == knots.make(seed)
    typing = {arc for arc in package.kept if arc[0] > arc[1]}
    forward = package.kept - typing
    assert not digraph.tangles(_graph(forward))
    assert all(digraph.tangles(_graph(forward | {arc})) for arc in package.cut)


def _graph(arcs: frozenset[knots.Arc]) -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {module: set() for arc in arcs for module in arc}
    for importer, imported in arcs:
        graph[importer].add(imported)
    return graph


def test_what_is_said_is_counted_against_what_is_so_and_what_only_looks_so() -> None:
    assert knots.counted({"a", "c", "unknown"}, {"a", "b"}, {"c", "d"}) == Score(hit=1, missed=1, false=1, spared=1)


def test_every_change_of_a_surface_can_be_read_and_changes_something() -> None:
    for name, change in breaks.CHANGES.items():
        assert change.before != change.after
        for text in (change.before, change.after):
            compile(text, name, "exec")
    assert {change.breaks for change in breaks.CHANGES.values()} == {True, False}


def test_the_lines_of_functions_and_methods() -> None:
    text = "def a():\n    return 1\n\n\nclass B:\n    @property\n    def c(self):\n        return 2\n"
    assert releases.lines_of(text, "a") == range(1, 3)
    assert releases.lines_of(text, "B.c") == range(6, 9)
    assert not releases.lines_of(text, "c")
    assert not releases.lines_of(text, "B.d")


@pytest.mark.parametrize(
    ("found", "seen"),
    [
        (Found(path=FLAW.path, line=4, cwe=502), True),
        (Found(path=FLAW.path, line=1, end_line=3, cwe=502), True),
        (Found(path=FLAW.path, line=1, end_line=2, cwe=502), False),
        (Found(path=FLAW.path, line=6, cwe=502), False),
        (Found(path=FLAW.path, line=4, cwe=89), False),
        (Found(path="elsewhere.py", line=4, cwe=502), False),
    ],
)
def test_a_finding_counts_within_the_function_that_the_advisory_means(found: Found, seen: bool) -> None:
    span = range(3, 6)
    assert releases.counted(FLAW, span, [found], is_flaw=True) == Score(hit=int(seen), missed=int(not seen))
    assert releases.counted(FLAW, span, [found], is_flaw=False) == Score(false=int(seen), spared=int(not seen))
    assert releases.counted(FLAW, range(0), [found], is_flaw=False) == Score()


def test_every_release_that_is_wanted_is_pinned() -> None:
    pinned = {line.split()[0] for line in fetching.LIST.read_text().splitlines() if not line.startswith("#")}
    wanted = {f"{each.project}=={version}" for each in releases.FLAWS for version in (each.flawed, each.mended)}
    assert pinned == wanted | {f"{each.name}=={each.version}" for each in speed.PROJECTS}


def test_wheels_and_source_distributions_are_unpacked_alike(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text("X = 1\n")
    with zipfile.ZipFile(tmp_path / "a-1-py3-none-any.whl", "w") as wheel:
        wheel.write(code, "a/code.py")
    with tarfile.open(tmp_path / "a-1.tar.gz", "w:gz") as sdist:
        sdist.add(code, "a-1/a/code.py")
    for archive in ("a-1-py3-none-any.whl", "a-1.tar.gz"):
        fetching.unpack(tmp_path / archive, tmp_path / f"of-{archive}")
        assert (tmp_path / f"of-{archive}" / "a" / "code.py").read_text() == "X = 1\n"


def test_a_release_that_cannot_be_had_is_told_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "DIRECTORY", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(fetching.NotFetchedError, match=r"joblib==1\.1\.0 could not be fetched"):
        fetching.source("joblib", "1.1.0")
    assert list((tmp_path / "releases").iterdir()) == []


def test_every_test_of_the_project_is_flaky_or_follows_the_order_or_is_steady() -> None:
    named = [test.partition("[")[0] for kind in (orders.FLAKY, orders.ORDERED, orders.STEADY) for test in kind]
    written = {
        f"{file}::{node.name}"
        for file, text in orders.FILES.items()
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    assert set(named) == written


def test_dependencies_are_held_against_the_advisories_that_come_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/nowhere")
    part = dependencies.measure(lambda _: None)
    assert part.holds, part.wrong
    assert os.environ["XDG_DATA_HOME"] == "/nowhere"


def test_a_busy_machine_is_no_witness_of_slowness() -> None:
    assert speed.within("flask", 20, limit_s=30, cores=2, load=9).holds is True
    assert speed.within("flask", 40, limit_s=30, cores=2, load=2).holds is False
    assert speed.within("flask", 40, limit_s=30, cores=2, load=9).holds is None
    assert speed.within("flask", 40, limit_s=30, cores=1, load=1).holds is None


def test_code_that_nothing_uses_is_found_and_copies_are() -> None:
    part = leftovers.measure(lambda _: None)
    assert part.holds, part.wrong


def test_every_definition_that_is_made_is_used_or_not() -> None:
    module = ast.parse(leftovers._DEAD["shop/till.py"])
    made = {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.ClassDef)} - {"open"}
    assert made | {"command"} == leftovers.UNUSED | leftovers.USED
    assert not leftovers.UNUSED & leftovers.USED
    assert set(leftovers._copies()) == leftovers.COPIES | leftovers.DIFFERENT | {"sums/__init__.py"}


def test_every_change_of_the_till_is_a_program_and_in_one_of_its_functions() -> None:
    source = mutants.FILES[mutants.MODULE].encode()
    changes = mutants.mutants(mutants.MODULE, source)
    names = {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    assert {mutants._function(source, each) for each in changes} == names
    assert len({each.diff(source) for each in changes}) == len(changes)
    for each in changes:
        compile(each.applied(source), mutants.MODULE, "exec")


def test_what_is_wrong_with_each_faulty_function_is_asked_of_it_and_of_its_twin() -> None:
    asked = {(each.function, item.kind) for each in drafts.drafted() for item in each.properties}
    assert asked >= drafts.FAULTS | drafts.RIGHT
