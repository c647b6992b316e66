"""Gamma's `design` on small projects: what it proposes, and that each of its statements holds by its own check."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clones.engines.contract import EngineOutput
from clones.engines.design import analyse
from clones.engines.design.components import propose
from clones.params import DesignParams
from tests.clones.engines.architecture.projects import write
from tests.clones.engines.checking import statements
from tests.clones.engines.claims import wrong

Design = Callable[..., EngineOutput]

SHOP: dict[str, str | bytes] = {
    "src/shop/__init__.py": '"""A shop."""\n',
    "src/shop/errors.py": '"""What can go wrong."""\n\n\nclass ShopError(Exception):\n    """Any of it."""\n',
    "src/shop/store/__init__.py": '"""Keeps goods."""\n',
    "src/shop/store/rows.py": "from shop.errors import ShopError\n\n\nclass Row:\n    def __init__(self, key: str) -> None:\n"
    "        if not key:\n            raise ShopError\n",
    "src/shop/store/tables.py": "from shop.errors import ShopError\nfrom shop.store.rows import Row\n\n\n"
    "def load(name: str, *, limit: int = 10) -> list[Row]:\n    return [Row(name)]\n",
    "src/shop/store/disk.py": "from shop.errors import ShopError\nfrom shop.store import rows, tables\n\n\n"
    "def keep(row: rows.Row) -> None:\n    from shop.web.pages import page\n\n    page(tables.load(row))\n",
    "src/shop/web/__init__.py": '"""Shows goods."""\n',
    "src/shop/web/pages.py": "from shop.errors import ShopError\nfrom shop.store.tables import load as fetch\n\n\n"
    "def page(name: str) -> str:\n    return str(fetch(name))\n",
    "src/shop/web/forms.py": "from shop.errors import ShopError\nfrom shop.web.pages import page\n\n\ndef form() -> str:\n"
    "    return page('x')\n",
    "src/shop/web/app.py": "from shop.web import forms, pages\n\n\ndef app() -> str:\n    return forms.form() + pages.page('')\n",
    "tests/test_shop.py": "from shop.web.app import app\n\n\ndef test_app():\n    app()\n",
}


@pytest.fixture
def design(tmp_path: Path) -> Design:
    def run(files: dict[str, str | bytes], budget_s: float = 600.0) -> EngineOutput:
        target, out = write(tmp_path / "target", files), tmp_path / "out"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        return analyse(target, DesignParams(target=str(target), budget_s=budget_s), out, lambda *_: None)

    return run


def test_modules_that_use_each_other_are_a_component_and_what_all_use_is_the_base(design: Design) -> None:
    data = design(SHOP).data
    modules = {item["name"]: item["modules"] for item in data["components"]}
    assert modules["base"] == ["shop.errors"]
    assert modules["store"] == ["shop.store", "shop.store.disk", "shop.store.rows", "shop.store.tables"]
    assert modules["web"] == ["shop.web", "shop.web.app", "shop.web.forms", "shop.web.pages"]
    assert {item["name"]: item["purpose"] for item in data["components"]}["web"] == "Shows goods (shop.web)"


def test_a_contract_names_what_is_used_from_outside_with_its_signature(design: Design) -> None:
    contracts = {(item["component"], item["name"]): item for item in design(SHOP).data["contracts"]}
    load = contracts["store", "load"]
    assert load["signature"] == "def load(name: str, *, limit: int=10) -> list[Row]"
    assert (load["file"], load["line"], load["users"]) == ("src/shop/store/tables.py", 5, ["shop.web.pages"])
    # Row is used inside the store only
    assert ("store", "Row") not in contracts


def test_an_import_against_the_layers_is_a_stage_with_its_place(design: Design) -> None:
    data = design(SHOP).data
    against = [(item["user"], item["used"]) for item in data["data_flow"] if item["against_layers"]]
    assert against == [("store", "web")]
    stage = next(stage for stage in data["plan"] if stage["title"] == "Turn `store` away from `web`")
    assert "src/shop/store/disk.py:6" in " ".join(stage["steps"])
    assert stage["expected"] == "1"
    assert [stage["stage"] for stage in data["plan"]] == list(range(1, len(data["plan"]) + 1))


def test_every_statement_holds_by_its_own_check(design: Design, tmp_path: Path) -> None:
    output = design(SHOP)
    # two stages are about a file that the plan puts into the project
    shutil.copy(tmp_path / "out" / "design.importlinter", tmp_path / "target")
    assert len(list(statements(output.data))) > 12
    assert wrong(output.data, tmp_path / "target") == []


def test_a_statement_stops_to_hold_when_the_code_changes(design: Design, tmp_path: Path) -> None:
    data = design(SHOP).data
    disk = tmp_path / "target/src/shop/store/disk.py"
    disk.write_text(disk.read_text().replace("    from shop.web.pages import page\n", "    page = print\n"))
    stage = next(stage for stage in data["plan"] if stage["title"] == "Turn `store` away from `web`")
    assert len(wrong(stage, tmp_path / "target")) == 1


def test_the_boundaries_that_it_writes_catch_a_new_import_against_the_layers(design: Design, tmp_path: Path) -> None:
    design(SHOP)
    target = tmp_path / "target"
    shutil.copy(tmp_path / "out" / "design.importlinter", target)
    rows = target / "src/shop/store/rows.py"
    rows.write_text(f"from shop.web.app import app\n{rows.read_text()}")
    lint = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--config", "design.importlinter"]
    done = subprocess.run(lint, cwd=target, capture_output=True, text=True, check=False, env={"PYTHONPATH": "src"})
    assert done.returncode == 1
    assert "shop.store.rows -> shop.web.app" in " ".join(done.stdout.split())


def test_the_page_has_every_section_and_no_markup_of_the_target(design: Design, tmp_path: Path) -> None:
    files = {**SHOP, "src/shop/web/__init__.py": '"""<script>alert(1)</script> [x](javascript:y)."""\n'}
    output = design(files)
    page = (tmp_path / "out" / "design.md").read_text()
    for heading in ("## Proposed components", "### store", "## What flows between them", "## Risks", "## Plan"):
        assert heading in page
    assert "<script>" not in page and "\\](javascript" in page
    assert {file.name for file in output.files} == {"design.md", "components.svg", "design.importlinter"}


def test_the_same_target_gives_the_same_design_whatever_the_hash_seed(design: Design, tmp_path: Path) -> None:
    design(SHOP)
    code = (
        "import sys, json; from pathlib import Path; from clones.engines.design import analyse; "
        "from clones.params import DesignParams; out = Path(sys.argv[2]); out.mkdir(); "
        "print(json.dumps(analyse(Path(sys.argv[1]), DesignParams(target='x'), out, print).data))"
    )
    root = Path(__file__).parents[4]
    said = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "target"), str(tmp_path / f"out-{seed}")],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
        ).stdout.splitlines()[-1]
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]


def test_when_the_time_is_over_what_the_imports_show_is_handed_back(design: Design) -> None:
    output = design(SHOP, budget_s=0.0)
    assert {item["name"] for item in output.data["components"]} == {
        item["name"] for item in design(SHOP).data["components"]
    }
    assert output.data["data_flow"] != []
    assert output.data["contracts"] == []
    told = {note.subject for note in output.not_analysed if "the time was over" in note.reason}
    assert told == {"contracts and purposes", "size and complexity"}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"m.py": "X = 1\n"}, "1 component is proposed for the 1 module of target; no risk told; a plan in 0 stages."),
        (
            {"p/__init__.py": "", **{f"p/m{n}.py": "X = 1\n" * 1001 for n in range(9)}},
            "2 components are proposed for the 10 modules of p; 8 large modules told (of a kind the worst 8 at most); a plan in 0 stages.",
        ),
    ],
)
def test_what_is_one_is_told_as_one_and_what_is_cut_as_cut(
    design: Design, files: dict[str, str | bytes], said: str
) -> None:
    assert design(files).summary == said


def test_a_target_without_python_has_no_design_and_says_so(design: Design) -> None:
    output = design({"main.go": "package main\n"})
    assert output.data["components"] == []
    assert "no Python module was found" in output.summary


def test_every_module_is_in_exactly_one_component() -> None:
    from clones.engines.architecture.survey import survey

    graph = survey(Path(__file__).parents[4] / "bus").graph
    held: list[Any] = [name for item in propose(graph) for name in item.modules]
    assert sorted(held) == sorted(graph.files)
    names = [item.name for item in propose(graph)]
    assert len(names) == len(set(names)) <= 20
