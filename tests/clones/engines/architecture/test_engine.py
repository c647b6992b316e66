"""The whole engine: what it hands back, and what it writes."""

import os
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from clones.engines.architecture import analyse
from clones.engines.architecture.digraph import tangles
from clones.engines.contract import EngineOutput
from clones.params import ArchitectureParams
from tests.clones.engines.architecture.projects import run, write

SVG = "{http://www.w3.org/2000/svg}"
COMPLEX = "def knot(a):\n" + "".join(f"    if a == {index}:\n        return {index}\n" for index in range(14))
LAYERED = {
    "shop/__init__.py": "",
    "shop/web.py": "from shop import service\nfrom shop.model import item",
    "shop/service.py": "from shop.model import item\nfrom shop import store",
    "shop/store.py": "from shop.model import item\n" + COMPLEX,
    "shop/model/__init__.py": "",
    "shop/model/item.py": "",
}
CYCLIC = {
    "p/__init__.py": "",
    "p/a.py": "from p import b",
    "p/b.py": "import os\nfrom p import c",
    "p/c.py": "def f():\n    from p import a",
    "p/x.py": "from p import y",
    "p/y.py": "from p import x\nfrom p import a",
}


def parsed(svg: Path) -> ET.Element:
    return ET.fromstring(svg.read_text())  # noqa: S314 (written by the engine under test)


def texts(svg: Path) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter(f"{SVG}text")]


def rows(output: EngineOutput, key: str) -> list[dict[str, Any]]:
    found = output.data[key]
    assert isinstance(found, list)
    return found


def test_layers_go_from_the_top_to_the_bottom(tmp_path: Path) -> None:
    output = run(write(tmp_path / "t", LAYERED), tmp_path / "out")
    assert output.data["layers"] == [["shop.web"], ["shop.service"], ["shop.store"], ["shop.model.item"]]
    assert output.data["modules"] == 6
    assert output.data["imports"] == 5
    assert output.data["cycles"] == []
    assert output.data["upward_imports"] == []
    assert {row["name"]: row["layer"] for row in rows(output, "packages")} == {
        "shop.web": 4,
        "shop.service": 3,
        "shop.store": 2,
        "shop.model.item": 1,
    }


def test_coupling_counts_modules_outside(tmp_path: Path) -> None:
    output = run(write(tmp_path / "t", LAYERED), tmp_path / "out")
    found = {row["module"]: (row["afferent"], row["efferent"], row["instability"]) for row in rows(output, "coupling")}
    assert found == {
        "shop.web": (0, 2, 1.0),
        "shop.service": (1, 2, 0.667),
        "shop.store": (1, 1, 0.5),
        "shop.model.item": (3, 0, 0.0),
    }


def test_cycles_say_the_way_round_and_where_to_look(tmp_path: Path) -> None:
    target = write(tmp_path / "t", CYCLIC)
    output = run(target, tmp_path / "out")
    assert output.data["cycles"] == [["p.a", "p.b", "p.c"], ["p.x", "p.y"]]
    deferred, at_import = rows(output, "cycle_details")
    assert deferred["shortest"] == ["p.a", "p.b", "p.c"]
    assert not deferred["at_import_time"]
    assert [(cut["file"], cut["line"]) for cut in deferred["cut"]] == [("p/c.py", 2)]
    assert at_import["at_import_time"]
    for proof in (*deferred["imports"], *at_import["imports"]):
        assert (target / proof["file"]).read_text().splitlines()[proof["line"] - 1].strip() == proof["code"]


def test_a_type_checking_import_closes_no_cycle(tmp_path: Path) -> None:
    guarded = "import typing\nif typing.TYPE_CHECKING:\n    from p import a"
    output = run(
        write(tmp_path / "t", {"p/__init__.py": "", "p/a.py": "from p import b", "p/b.py": guarded}), tmp_path / "out"
    )
    assert output.data["cycles"] == []
    assert output.data["imports"] == 2
    assert output.data["typing_only_imports"] == 1
    assert output.data["layers"] == [["p.a"], ["p.b"]]


def test_upward_imports_are_what_keeps_the_layers_from_being_acyclic(tmp_path: Path) -> None:
    output = run(write(tmp_path / "t", CYCLIC), tmp_path / "out")
    written = msgspec.json.decode((tmp_path / "out" / "graph.json").read_bytes())
    level = {name: at for at, layer in enumerate(output.data["layers"]) for name in layer}
    kept: dict[str, set[str]] = {name: set() for name in level}
    for row in written["dependencies"]:
        assert row["upward"] == (level[row["importer"]] > level[row["imported"]])
        if not row["upward"]:
            kept[row["importer"]].add(row["imported"])
    assert tangles(kept) == []
    assert len(rows(output, "upward_imports")) == sum(row["upward"] for row in written["dependencies"]) == 2


def test_hot_spots_come_with_their_place_and_without_history_say_so(tmp_path: Path) -> None:
    target = write(tmp_path / "t", {**LAYERED, "tests/test_x.py": COMPLEX, "shop/gen.py": f"# DO NOT EDIT\n{COMPLEX}"})
    output = run(target, tmp_path / "out")
    (spot,) = rows(output, "hot_spots")
    assert (spot["function"], spot["file"], spot["line"], spot["complexity"]) == ("knot", "shop/store.py", 2, 15)
    assert spot["churn"] is None
    assert "lizard shop/store.py" in spot["how_to_check"]
    (note,) = [note for note in output.not_analysed if note.subject == "churn"]
    assert "not a git repository" in note.reason


def test_a_complex_method_is_named_with_what_is_around_it(tmp_path: Path) -> None:
    branches = "".join(f"            if x == {n}: return {n}\n" for n in range(12))
    text = f"class Outer:\n    class Inner:\n        @staticmethod\n        def pick(x):\n{branches}\n"
    output = run(write(tmp_path / "t", {"p/__init__.py": "", "p/a.py": text}), tmp_path / "out")
    (spot,) = output.data["hot_spots"]
    assert (spot["function"], spot["complexity"], spot["line"]) == ("Outer.Inner.pick", 13, 4)


def test_churn_counts_the_commits_that_touch_a_file(tmp_path: Path) -> None:
    target = write(tmp_path / "t" / "sub", LAYERED)
    repository = target.parent
    for text in ("first", "second", "third"):
        (target / "shop" / "store.py").write_text(f"# {text}\n{COMPLEX}")
        git(repository, "add", ".") if text != "first" else git(repository, "init", "-q")
        if text != "first":
            git(repository, "commit", "-q", "-m", text)
    output = run(target, tmp_path / "out")
    (spot,) = rows(output, "hot_spots")
    assert spot["churn"] == 2
    assert spot["score"] == 2 * spot["complexity"]
    assert not any(note.subject == "churn" for note in output.not_analysed)


def test_the_targets_git_configuration_starts_no_program(tmp_path: Path) -> None:
    target = write(tmp_path / "t", LAYERED)
    marker = tmp_path / "it-ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(0o755)
    git(target, "init", "-q")
    git(target, "add", ".")
    git(target, "commit", "-q", "-m", "x")
    tree = git(target, "rev-parse", "HEAD^{tree}").strip()
    # a commit of all files that looks signed, so that `log.showSignature` would call `gpg.program`
    signed = (
        f"tree {tree}\nauthor A <a@example.org> 1 +0000\ncommitter A <a@example.org> 1 +0000\n"
        "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\nsigned\n"
    )
    git(target, "reset", "-q", git(target, "hash-object", "-t", "commit", "-w", "--stdin", stdin=signed).strip())
    for key in ("gpg.program", "core.fsmonitor", "core.pager", "core.sshCommand", "diff.external", "core.hooksPath"):
        git(target, "config", key, str(program))
    git(target, "config", "log.showSignature", "true")
    output = run(target, tmp_path / "out")
    assert output.data["churn"]
    assert not marker.exists()
    # the trap is real: plain git springs it
    git(target, "log", "-1")
    assert marker.exists()


def git(directory: Path, *arguments: str, stdin: str = "") -> str:
    who = {f"GIT_{role}_{field}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")}
    env = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(
        ("git", *arguments), cwd=directory, env=env, check=True, capture_output=True, text=True, input=stdin
    ).stdout


def test_orphans_are_modules_that_nothing_imports_or_names(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[project.scripts]\nrun = "p.command:main"\n',
        "p/__init__.py": "from p import used\nBACKEND = 'p.loaded:Backend'",
        "p/used.py": "",
        "p/dead.py": "",
        "p/tested.py": "",
        "p/loaded.py": "",
        "p/command.py": "",
        "p/script.py": "if __name__ == '__main__':\n    pass",
        "p/__main__.py": "",
        "p/empty/__init__.py": "",
        "p/plug/__init__.py": "",
        **{f"p/plug/{name}.py": "" for name in "abc"},
        "tests/test_it.py": "from p import tested",
    }
    output = run(write(tmp_path / "t", files), tmp_path / "out")
    found = {row["module"]: row["used_by"] for row in rows(output, "orphans")}
    assert found == {"p.dead": [], "p.tested": ["tests/test_it.py"]}


def test_the_picture_is_xml_and_names_each_part_once(tmp_path: Path) -> None:
    files = {
        "a<b & c/p/__init__.py": "import q",
        "a<b & c/p/m.py": "import p",
        "q/__init__.py": "",
        "p/__init__.py": "import q",
        "p/m.py": "",
    }
    output = run(write(tmp_path / "t", files), tmp_path / "out")
    svg = tmp_path / "out" / "architecture.svg"
    shown = texts(svg)
    parts = [row["name"] for row in rows(output, "packages")]
    assert any("a<b & c:p" in name for name in parts)
    assert all(shown.count(name) == 1 for name in parts)
    root = parsed(svg)
    references = [
        value for element in root.iter() for key, value in element.attrib.items() if "href" in key or "src" in key
    ]
    assert references == []
    assert "http" not in svg.read_text().replace("http://www.w3.org/2000/svg", "")


def test_the_picture_shows_cycles_in_red_and_complexity(tmp_path: Path) -> None:
    target = write(tmp_path / "t", {**CYCLIC, "p/a.py": "from p import b\n" + COMPLEX})
    run(target, tmp_path / "out")
    svg = tmp_path / "out" / "architecture.svg"
    red = [path for path in parsed(svg).iter(f"{SVG}path") if path.get("marker-end") == "url(#arch-up)"]
    assert len(red) == 3  # two upward imports and the legend
    assert "15" in texts(svg)


def test_boxes_do_not_overlap_and_stay_inside(tmp_path: Path) -> None:
    files = {f"p/module_{index:02}.py": f"from p import module_{index // 3:02}" for index in range(1, 38)}
    run(write(tmp_path / "t", {"p/__init__.py": "", "p/module_00.py": "", **files}), tmp_path / "out")
    root = parsed(tmp_path / "out" / "architecture.svg")
    boxes = [
        tuple(float(rect.get(key, "")) for key in ("x", "y", "width", "height"))
        for rect in root.iter(f"{SVG}rect")
        if rect.get("height") == "50"
    ]
    assert len(boxes) == 38
    for index, (x, y, width, height) in enumerate(boxes):
        assert x >= 0 and x + width <= float(root.get("width", "0"))
        for x2, y2, width2, height2 in boxes[index + 1 :]:
            assert x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y


def test_a_crowd_is_drawn_in_part_and_told(tmp_path: Path) -> None:
    files = {f"p/m{index}.py": f"from p import m{(index + 1) % 60}" for index in range(60)}
    output = run(write(tmp_path / "t", {"p/__init__.py": "", **files}), tmp_path / "out")
    assert len(rows(output, "packages")) == 40
    assert len(output.data["omitted_packages"]) == 20
    assert any(note.subject == "architecture.svg" for note in output.not_analysed)
    assert len(msgspec.json.decode((tmp_path / "out" / "graph.json").read_bytes())["modules"]) == 61


def test_mermaid_marks_what_goes_against_the_layers(tmp_path: Path) -> None:
    run(
        write(
            tmp_path / "t", {"p/__init__.py": "", "p/a.py": "from p import b", "p/b.py": "def f():\n from p import a"}
        ),
        tmp_path / "out",
    )
    assert (tmp_path / "out" / "architecture.mmd").read_text() == (
        "flowchart TB\n"
        '  subgraph layer2["layer 2"]\n    n0["a"]\n  end\n'
        '  subgraph layer1["layer 1"]\n    n1["b"]\n  end\n'
        "  n0 --> n1\n  n1 --> n0\n"
        "  linkStyle 1 stroke:#dc2626,stroke-width:2px\n"
    )


@pytest.mark.parametrize("files", [LAYERED, CYCLIC])
def test_the_same_target_gives_the_same_answer(tmp_path: Path, files: dict[str, str]) -> None:
    target = write(tmp_path / "t", files)
    first, second = run(target, tmp_path / "one"), run(target, tmp_path / "two")
    assert msgspec.json.encode(first) == msgspec.json.encode(second)
    for file in first.files:
        assert (tmp_path / "one" / file.name).read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_without_python_the_other_languages_are_measured(tmp_path: Path) -> None:
    script = "function knot(a) {\n" + "".join(f"  if (a == {index}) return {index};\n" for index in range(12)) + "}\n"
    files = {"web/app.js": script, "web/lib.min.js": script, "node_modules/x/i.js": script, "main.go": "package main\n"}
    output = run(write(tmp_path / "t", files), tmp_path / "out")
    assert output.files == ()
    assert [(row["language"], row["files"], row["max_complexity"]) for row in rows(output, "languages")] == [
        ("JavaScript", 1, 13),
        ("Go", 1, 0),
    ]
    assert [spot["file"] for spot in rows(output, "hot_spots")] == ["web/app.js"]
    assert {"import graph", "web/lib.min.js"} <= {note.subject for note in output.not_analysed}
    assert output.summary.startswith("No Python module was found; ")


def test_an_empty_target_is_said_to_be_empty(tmp_path: Path) -> None:
    output = run(write(tmp_path / "t", {"README": "nothing"}), tmp_path / "out")
    assert output.summary == "No source code was found that could be analysed."


def test_the_target_is_not_written_to(tmp_path: Path) -> None:
    target = write(tmp_path / "t", LAYERED)
    before = sorted((path.relative_to(target), path.stat().st_mtime_ns) for path in target.rglob("*"))
    run(target, tmp_path / "out")
    assert before == sorted((path.relative_to(target), path.stat().st_mtime_ns) for path in target.rglob("*"))


def test_modules_that_plain_grimp_misses_are_told(tmp_path: Path) -> None:
    files = {"p/__init__.py": "from .core import wheel", "p/core/wheel.py": ""}
    output = run(write(tmp_path / "t", files), tmp_path / "out")
    assert output.data["modules"] == 2
    assert [row["implicit_modules"] for row in rows(output, "roots")] == [["p.core.wheel"]]
    assert "(1 module in directories without `__init__.py`, which grimp alone passes over)" in output.summary


@pytest.mark.parametrize(("late", "early"), [("a", "b"), ("b", "a")])
def test_the_deferred_import_of_a_cycle_is_the_one_to_cut(tmp_path: Path, late: str, early: str) -> None:
    files = {f"p/{late}.py": f"def f():\n    from p import {early}", f"p/{early}.py": f"from p import {late}"}
    output = run(write(tmp_path / "t", {"p/__init__.py": "", **files}), tmp_path / "out")
    (cycle,) = rows(output, "cycle_details")
    assert [(cut["importer"], cut["imported"]) for cut in cycle["cut"]] == [(f"p.{late}", f"p.{early}")]
    assert output.data["layers"] == [[f"p.{early}"], [f"p.{late}"]]


def test_a_package_stands_above_what_its_init_gathers(tmp_path: Path) -> None:
    files = {"p/__init__.py": "from p import a, b", "p/a.py": "import p\nfrom p import b", "p/b.py": "import p"}
    output = run(write(tmp_path / "t", files), tmp_path / "out")
    assert output.data["layers"] == [["p"], ["p.a"], ["p.b"]]


def test_when_the_time_is_over_what_is_there_is_handed_back(tmp_path: Path) -> None:
    target = write(tmp_path / "t", CYCLIC)
    out = tmp_path / "out"
    out.mkdir()
    output = analyse(target, ArchitectureParams(target="t", budget_s=0.0), out, lambda *_: None)
    assert len(rows(output, "cycles")) == 2
    assert output.data["unused"] == []
    told = {note.subject for note in output.not_analysed if "the time was over" in note.reason}
    assert told == {"dead and duplicated code", "size and complexity"}


def test_the_same_target_gives_the_same_twice(tmp_path: Path) -> None:
    target = write(tmp_path / "t", {**CYCLIC, **LAYERED})
    assert run(target, tmp_path / "one").data == run(target, tmp_path / "two").data
    for file in sorted((tmp_path / "one").iterdir()):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
