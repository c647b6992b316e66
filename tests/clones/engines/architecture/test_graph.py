"""What is found and graphed, on projects whose graph is known."""

import sys
from pathlib import Path

import grimp
import pytest

from clones.engines.architecture import discovery, graph, source, tree
from tests.clones.engines.architecture.projects import write


def units_of(target: Path) -> list[discovery.Unit]:
    files = tree.walk(target).python
    return discovery.find_units(files, {file: source.read(target / file) for file in files}, target.name)


def graph_of(target: Path) -> graph.ModuleGraph:
    files = tree.walk(target).python
    facts = {file: source.read(target / file) for file in files}
    units = discovery.find_units(files, facts, target.name)
    subjects = discovery.analysed(units)
    return graph.build(target, subjects, [unit for unit in units if unit not in subjects], facts)


def arcs(found: graph.ModuleGraph) -> set[tuple[str, str]]:
    return {(edge.importer, edge.imported) for edge in found.imports}


def names(target: Path) -> dict[str, str]:
    return {unit.name: unit.role for unit in units_of(target)}


def test_flat_layout(tmp_path: Path) -> None:
    write(tmp_path, {"shop/__init__.py": "", "shop/cart.py": "", "tests/test_cart.py": "", "setup.py": ""})
    assert names(tmp_path) == {"shop": "source", "test_cart": "test", "setup": "script"}


def test_src_layout(tmp_path: Path) -> None:
    write(tmp_path, {"src/shop/__init__.py": "", "src/shop/cart.py": "from shop import till", "src/shop/till.py": ""})
    found = graph_of(tmp_path)
    assert found.files == {
        "shop": "src/shop/__init__.py",
        "shop.cart": "src/shop/cart.py",
        "shop.till": "src/shop/till.py",
    }
    assert arcs(found) == {("shop.cart", "shop.till")}


def test_a_package_below_src_is_a_source_whatever_its_name(tmp_path: Path) -> None:
    write(tmp_path, {"src/tools/__init__.py": "", "src/tools/hammer.py": ""})
    assert names(tmp_path) == {"tools": "source"}


def test_two_roots_import_each_other(tmp_path: Path) -> None:
    files = {"core/src/core/__init__.py": "", "core/src/core/a.py": "", "web/src/web/__init__.py": "import core.a"}
    found = graph_of(write(tmp_path, files))
    assert arcs(found) == {("web", "core.a")}


def test_two_packages_of_one_name_are_told_apart(tmp_path: Path) -> None:
    files = {
        "one/app/__init__.py": "",
        "one/app/a.py": "from app import b",
        "one/app/b.py": "",
        "two/app/__init__.py": "",
        "two/app/a.py": "from app import c\nimport common",
        "two/app/c.py": "",
        "common/__init__.py": "",
    }
    found = graph_of(write(tmp_path, files))
    assert arcs(found) == {("app.a", "app.b"), ("two:app.a", "two:app.c"), ("two:app.a", "common")}


def test_a_namespace_package_is_named_as_it_is_imported(tmp_path: Path) -> None:
    files = {
        "acme/billing/__init__.py": "",
        "acme/billing/a.py": "import acme.billing.b",
        "acme/billing/b.py": "",
    }
    found = graph_of(write(tmp_path, files))
    assert arcs(found) == {("acme.billing.a", "acme.billing.b")}


def test_modules_without_any_init(tmp_path: Path) -> None:
    files = {"app/main.py": "from app.core import x", "app/core/x.py": "from . import y", "app/core/y.py": ""}
    found = graph_of(write(tmp_path, files))
    assert set(found.files) == {"app.main", "app.core.x", "app.core.y"}
    assert arcs(found) == {("app.main", "app.core.x"), ("app.core.x", "app.core.y")}


def test_a_directory_without_init_inside_a_package_counts_if_something_is_imported_from_it(tmp_path: Path) -> None:
    files = {
        "shop/__init__.py": "",
        "shop/app.py": "from .core.engine import run",
        "shop/core/engine.py": "from . import wheel",
        "shop/core/wheel.py": "",
        "shop/templates/page.py": "",
    }
    found = graph_of(write(tmp_path, files))
    assert arcs(found) == {("shop.app", "shop.core.engine"), ("shop.core.engine", "shop.core.wheel")}
    (unit,) = units_of(tmp_path)
    assert unit.implicit == {"shop/core/engine.py", "shop/core/wheel.py"}
    assert discovery.unreachable(tree.walk(tmp_path).python, [unit]) == ["shop/templates/page.py"]


def test_single_scripts_see_their_own_directory_only(tmp_path: Path) -> None:
    files = {"run.py": "import helper\nimport json", "helper.py": "", "job/json.py": "", "job/main.py": "import json"}
    found = graph_of(write(tmp_path, files))
    assert arcs(found) == {("run", "helper"), ("main", "json")}


def test_the_target_is_itself_a_package(tmp_path: Path) -> None:
    target = write(tmp_path / "shop", {"__init__.py": "from . import cart", "cart.py": "", "sub/__init__.py": ""})
    found = graph_of(target)
    assert found.files == {"shop": "__init__.py", "shop.cart": "cart.py", "shop.sub": "sub/__init__.py"}
    assert arcs(found) == {("shop", "shop.cart")}


def test_a_stray_init_beside_packages_makes_no_package(tmp_path: Path) -> None:
    target = write(tmp_path / "repo", {"__init__.py": "", "shop/__init__.py": "", "shop/a.py": "import shop"})
    assert arcs(graph_of(target)) == {("shop.a", "shop")}


def test_type_checking_and_deferred_imports_are_told_apart(tmp_path: Path) -> None:
    text = """\
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from p import typed
from p import plain

def later():
    from p import lazy
"""
    target = write(
        tmp_path,
        {"p/__init__.py": "", "p/a.py": text, "p/typed.py": "", "p/plain.py": "", "p/lazy.py": ""},
    )
    kinds = {edge.imported: (edge.typing_only, edge.deferred, edge.lines[0].line) for edge in graph_of(target).imports}
    assert kinds == {"p.typed": (True, False, 3), "p.plain": (False, False, 4), "p.lazy": (False, True, 7)}


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"def (:\n", "syntax error in line 1"), (b"x = '\xe9'\n", "encoding"), (b"# coding: klingon\n", "encoding")],
)
def test_an_unreadable_file_is_told_and_does_not_end_the_analysis(tmp_path: Path, content: bytes, reason: str) -> None:
    files = {"p/__init__.py": b"", "p/a.py": b"from p import b", "p/b.py": b"", "p/bad.py": content}
    found = graph_of(write(tmp_path, files))
    assert arcs(found) == {("p.a", "p.b")}
    assert set(found.files) == {"p", "p.a", "p.b"}
    (note,) = found.unreadable
    assert note.subject == "p/bad.py"
    assert reason in note.reason
    assert str(tmp_path) not in note.reason


def test_an_unreadable_init_leaves_the_rest(tmp_path: Path) -> None:
    files = {"p/__init__.py": "def (", "p/a.py": "from p import b", "p/b.py": ""}
    found = graph_of(write(tmp_path, files))
    assert arcs(found) == {("p.a", "p.b")}


def test_newer_syntax_than_this_interpreters_is_graphed(tmp_path: Path) -> None:
    files = {"p/__init__.py": "", "p/a.py": 'type T = int\nfrom p import b\nx = f"{"q"}"\n', "p/b.py": ""}
    assert arcs(graph_of(write(tmp_path, files))) == {("p.a", "p.b")}


def test_a_package_beside_a_module_of_the_same_name(tmp_path: Path) -> None:
    files = {"p/__init__.py": "import p.x", "p/x.py": "", "p/x/__init__.py": "", "p/x/y.py": ""}
    found = graph_of(write(tmp_path, files))
    assert arcs(found) == {("p", "p.x")}


def test_external_packages_are_counted_and_own_ones_are_not(tmp_path: Path) -> None:
    files = {
        "p/__init__.py": "import os, requests",
        "p/a.py": "import requests.adapters\nimport yaml\nfrom tests import x",
        "tests/__init__.py": "",
        "tests/test_x.py": "import pytest",
    }
    found = graph_of(write(tmp_path, files))
    assert found.external == {"requests": 2, "yaml": 1}
    assert found.stdlib == 1


def test_loaded_and_installed_packages_of_the_same_name_are_not_mistaken_for_the_target(tmp_path: Path) -> None:
    write(tmp_path, {"msgspec/__init__.py": "", "msgspec/own.py": "import msgspec"})
    assert set(graph_of(tmp_path).files) == {"msgspec", "msgspec.own"}


def test_nothing_of_the_target_is_run(tmp_path: Path) -> None:
    marker = tmp_path / "it-ran"
    bomb = f"open({str(marker)!r}, 'w').close()\n"
    files = {
        "acme/boom/__init__.py": bomb,
        "acme/boom/a.py": bomb + "import acme.boom.b",
        "acme/boom/b.py": bomb,
        "boom2/__init__.py": bomb,
        "boom2/sub/__init__.py": bomb,
        "conftest.py": bomb,
        "setup.py": bomb,
        "sitecustomize.py": bomb,
    }
    loaded, path = set(sys.modules), list(sys.path)
    found = graph_of(write(tmp_path / "target", files))
    assert ("acme.boom.a", "acme.boom.b") in arcs(found)
    assert not marker.exists()
    assert not {name for name in set(sys.modules) - loaded if name.partition(".")[0] in {"acme", "boom2"}}
    assert sys.path == path


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"secret.py": "import os"})
    target = write(tmp_path / "target", {"p/__init__.py": "", "p/a.py": ""})
    (target / "p" / "linked").symlink_to(outside)
    (target / "p" / "secret.py").symlink_to(outside / "secret.py")
    (target / "p" / "loop").symlink_to(target)
    assert set(graph_of(target).files) == {"p", "p.a"}


def test_the_counts_are_grimps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {f"gammacounts/m{index}.py": f"from gammacounts import m{(index * 7) % 12}\n" for index in range(12)}
    extra = {"gammacounts/0001_x.py": "from . import m3", "gammacounts/sub/__init__.py": "from .. import m1, m2"}
    write(tmp_path, {"gammacounts/__init__.py": "from . import m0", **modules, **extra})
    monkeypatch.syspath_prepend(tmp_path)
    by_hand = grimp.build_graph("gammacounts", cache_dir=None)
    found = graph_of(tmp_path)
    assert set(found.files) == by_hand.modules
    assert len(found.imports) == by_hand.count_imports()
    for edge in found.imports:
        details = by_hand.get_import_details(importer=edge.importer, imported=edge.imported)
        assert [line.line for line in edge.lines] == sorted(detail["line_number"] for detail in details)
