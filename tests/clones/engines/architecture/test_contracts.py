"""Declared contracts are checked as import-linter checks them; where none is declared, one is proposed that it keeps."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clones.engines.architecture.contracts.checking import check
from clones.engines.architecture.contracts.declared import Contract
from tests.clones.engines.architecture.checking import wrong
from tests.clones.engines.architecture.projects import run, write

SHOP = {
    "shop/__init__.py": "",
    "shop/web.py": "from shop import store\n",
    "shop/store.py": "import sqlite3\nfrom shop import model\n",
    "shop/model.py": "from shop import helper\n",
    "shop/helper.py": "def late():\n    from shop import web\n    return web\n",
    "shop/mail.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop import web\n",
}
INI = """\
[importlinter]
root_package = shop
include_external_packages = True
{session}

[importlinter:contract:rows]
name = In rows
type = layers
layers =
    shop.web
    shop.store
    (shop.missing)
    shop.model | shop.mail

[importlinter:contract:apart]
name = Apart
type = independence
modules =
    shop.mail
    shop.store

[importlinter:contract:pure]
name = Pure
type = forbidden
source_modules =
    shop.model
forbidden_modules =
    sqlite3

[importlinter:contract:mine]
name = Mine
type = shop.checks.Mine
"""
TOML = """\
[tool.importlinter]
root_package = "shop"

[[tool.importlinter.contracts]]
name = "In rows"
type = "layers"
layers = ["web", "store", "model"]
containers = ["shop"]
ignore_imports = ["shop.helper -> shop.web", "shop.model -> shop.nothing"]
"""


def declared(output_data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in output_data["contracts"]["declared"]}


@pytest.mark.parametrize("file", [".importlinter", "setup.cfg"])
def test_violations_are_told_with_their_chain_and_lines(tmp_path: Path, file: str) -> None:
    target = write(tmp_path / "t", {**SHOP, file: INI.format(session="")})
    output = run(target, tmp_path / "out")
    rows = declared(output.data)
    assert output.data["contracts"]["declared_in"] == file
    assert {name: row["kept"] for name, row in rows.items()} == {
        "In rows": False,
        "Apart": False,
        "Pure": False,
        "Mine": None,
    }
    ways = {tuple(link["importer"] for link in row["chain"]): row for row in rows["In rows"]["violations"]}
    assert [(link["file"], link["line"]) for link in ways["shop.model", "shop.helper"]["chain"]] == [
        ("shop/model.py", 1),
        ("shop/helper.py", 2),
    ]
    assert ("shop.mail",) in ways  # for type checking, which counts unless the declaration says otherwise
    assert rows["In rows"]["unknown_modules"] == []
    assert "shop.checks.Mine" in rows["Mine"]["problem"]
    assert wrong(output.data, target, tmp_path / "out") == []


def test_imports_for_type_checking_can_be_left_out(tmp_path: Path) -> None:
    files = {**SHOP, ".importlinter": INI.format(session="exclude_type_checking_imports = True")}
    rows = declared(run(write(tmp_path / "t", files), tmp_path / "out").data)
    assert rows["Apart"]["kept"]
    assert all(row["importer"] != "shop.mail" for row in rows["In rows"]["violations"])


def test_exceptions_count_and_those_that_nothing_needs_are_told(tmp_path: Path) -> None:
    output = run(write(tmp_path / "t", {**SHOP, "pyproject.toml": TOML}), tmp_path / "out")
    row = declared(output.data)["In rows"]
    assert row["kept"] and row["file"] == "pyproject.toml" and row["line"] == 5
    assert row["idle_exceptions"] == ["shop.model -> shop.nothing"]
    assert output.data["contracts"]["proposal"] is None
    assert "layers.toml" not in [file.name for file in output.files]


def test_import_linter_says_the_same(tmp_path: Path) -> None:
    text = INI.format(session="").partition("[importlinter:contract:mine]")[0]
    target = write(tmp_path / "t", {**SHOP, ".importlinter": text})
    rows = declared(run(target, tmp_path / "out").data)
    argv = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    env = {"PYTHONPATH": str(target), "COLUMNS": "200"}
    done = subprocess.run(argv, cwd=target, env=env, capture_output=True, text=True, check=False)
    told = {name: f"{name} KEPT" in done.stdout for name in rows}
    assert all(f"{name} {'KEPT' if kept else 'BROKEN'}" in done.stdout for name, kept in told.items()), done
    assert {name: row["kept"] for name, row in rows.items()} == told


def test_the_proposed_contract_is_kept_by_import_linter(tmp_path: Path) -> None:
    target = write(tmp_path / "t", SHOP)
    output = run(target, tmp_path / "out")
    proposal = output.data["contracts"]["proposal"]
    assert proposal["exceptions"] == ["shop.helper -> shop.web"]
    assert proposal["layers"][-1] == "shop.helper | shop.mail"
    assert (tmp_path / "out" / "layers.toml").read_text() == proposal["text_to_paste"]
    assert proposal["needs_file"] == "layers.toml"
    assert wrong(proposal, target, tmp_path / "out") == []


def test_a_contract_that_names_what_is_not_there_is_not_said_to_be_kept(tmp_path: Path) -> None:
    contract = '[[tool.importlinter.contracts]]\nname = "t"\ntype = "layers"\nlayers = ["shop.gone", "shop.web"]\n'
    files = {**SHOP, "pyproject.toml": f'[tool.importlinter]\nroot_package = "shop"\n{contract}'}
    output = run(write(tmp_path / "t", files), tmp_path / "out")
    row = declared(output.data)["t"]
    assert (row["kept"], row["unknown_modules"], row["line"]) == (None, ["shop.gone"], 4)
    assert "does not have" in row["problem"]
    assert "0 of 1 declared contracts broken, 1 of them not checked" in output.summary


@pytest.mark.parametrize(
    "text",
    ["[tool.importlinter]\ncontracts = 3", "[tool.importlinter", "[tool.importlinter]\ncontracts = [{name = 7}]"],
)
def test_a_broken_declaration_harms_nothing(tmp_path: Path, text: str) -> None:
    output = run(write(tmp_path / "t", {**SHOP, "pyproject.toml": text}), tmp_path / "out")
    assert all(row["kept"] is None for row in output.data["contracts"]["declared"])


def test_a_declaration_behind_a_link_is_not_read(tmp_path: Path) -> None:
    target = write(tmp_path / "t", SHOP)
    write(tmp_path / "elsewhere", {"x.toml": TOML})
    (target / "pyproject.toml").symlink_to(tmp_path / "elsewhere" / "x.toml")
    assert run(target, tmp_path / "out").data["contracts"]["declared_in"] is None


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"source_modules": ("p.a",), "forbidden_modules": ("p.c",)}, False),
        ({"source_modules": ("p.a",), "forbidden_modules": ("p.c",), "allow_indirect_imports": ("true",)}, True),
        ({"source_modules": ("p.a",), "forbidden_modules": ("p.b",), "allow_indirect_imports": ("true",)}, False),
        ({"source_modules": ("p",), "forbidden_modules": ("p.c",)}, True),
        ({"source_modules": ("p.*",), "forbidden_modules": ("os",)}, False),
        ({"source_modules": ("p.a",), "forbidden_modules": ("unused",)}, True),
        ({"source_modules": ("p.a",), "forbidden_modules": ("p.c",), "ignore_imports": ("p.b -> p.*",)}, True),
    ],
)
def test_what_is_forbidden(options: dict[str, tuple[str, ...]], kept: bool) -> None:
    contract = Contract(name="c", kind="forbidden", line=1, options=options)
    verdict = check(contract, ["p", "p.a", "p.b", "p.c"], [("p.a", "p.b"), ("p.b", "p.c"), ("p.c", "os")])
    assert (not verdict.problem, verdict.count == 0) == (True, kept)


def test_an_expression_that_is_none_is_told() -> None:
    contract = Contract(name="c", kind="independence", line=1, options={"modules": ("p.**.*",)})
    assert "cannot be checked" in check(contract, ["p", "p.a"], []).problem
