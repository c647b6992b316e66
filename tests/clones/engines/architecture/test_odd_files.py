"""Files as strangers leave them: what is said of them stays what their commands print, and none of them ends the analysis."""

from pathlib import Path
from typing import Any

import pytest

from clones.engines.architecture.by_grimp import seen_by_grimp
from clones.engines.architecture.survey import survey
from clones.engines.statements import Lines
from tests.clones.engines.architecture.checking import wrong
from tests.clones.engines.architecture.projects import run, write

CYCLE: dict[str, str | bytes] = {"p/__init__.py": "", "p/a.py": "from p import b", "p/b.py": "from p import a\n"}


@pytest.mark.parametrize("text", ["from .... import x\n", "from ...a import y\nfrom ..... import *\n"])
def test_an_import_from_above_the_topmost_package_leaves_the_rest(tmp_path: Path, text: str) -> None:
    output = run(write(tmp_path / "t", {**CYCLE, "p/lost.py": text}), tmp_path / "out")
    assert output.data["cycles"] == [["p.a", "p.b"]]
    notes = {note.subject: note.reason for note in output.not_analysed}
    assert "leads above the topmost package" in notes["p/lost.py"]
    assert wrong(output.data, tmp_path / "t", tmp_path / "out") == []


@pytest.mark.parametrize(
    "files",
    [
        {"p/wide.py": "import p.a\n".encode("utf-16")},
        {"p/marked.py": b"\xef\xbb\xbfimport p.a\n"},
        {"p/open.py": "import p.a", "p/more.py": "import p.b"},
        {"p/x;y.py": "import p.a\n", "p/$(id).py": "import p.b\n", "p/new\nline.py": "import p.a\n"},
        {"p/returns.py": b"import p.a\r\nimport p.b\r\n"},
    ],
    ids=["no UTF-8", "byte order mark", "no line end", "names for a shell", "carriage returns"],
)
def test_every_statement_holds_by_its_own_check(tmp_path: Path, files: dict[str, str | bytes]) -> None:
    target = write(tmp_path / "t", {**CYCLE, **files})
    output = run(target, tmp_path / "out")
    assert output.data["cycles"] == [["p.a", "p.b"]]
    assert wrong(output.data, target, tmp_path / "out") == []


def test_no_command_builds_the_graph_by_grimp_where_one_file_would_end_it(tmp_path: Path) -> None:
    assert seen_by_grimp(survey(write(tmp_path / "whole", CYCLE)).subjects) != []
    assert seen_by_grimp(survey(write(tmp_path / "broken", {**CYCLE, "p/c.py": "def ("})).subjects) == []


@pytest.mark.parametrize("points", ["{'console_scripts': 5}", "{'x': [None, 7, 'y = p.a:f']}", "['x']", "{[]: 1}"])
def test_entry_points_that_are_none_are_passed_over(tmp_path: Path, points: str) -> None:
    files = {**CYCLE, "setup.py": f"from setuptools import setup\nsetup(entry_points={points})\n"}
    assert run(write(tmp_path / "t", files), tmp_path / "out").data["modules"] == 3


def test_a_name_that_is_not_ascii_is_found_where_it_stands(tmp_path: Path) -> None:
    files = {"p/__init__.py": "", "p/a.py": "def größe_alt():\n    pass\n\n\n# größe_alt, not xgröße_alt\n"}
    target = write(tmp_path / "t", files)
    output = run(target, tmp_path / "out")
    (row,) = output.data["unused"]
    assert row["expected"] == "p/a.py:1\np/a.py:5"
    assert wrong(output.data, target, tmp_path / "out") == []


def test_methods_of_a_family_without_end_are_spared(tmp_path: Path) -> None:
    def family(size: int) -> list[dict[str, Any]]:
        chain = "".join(f"class C{n}(C{n - 1}):\n    def m{n}(self): pass\n" for n in range(1, size))
        target = write(tmp_path / str(size), {"p/__init__.py": "", "p/a.py": f"class C0: pass\n{chain}"})
        found: list[dict[str, Any]] = run(target, tmp_path / f"out-{size}").data["unused"]
        return [row for row in found if row["kind"] == "method"]

    assert len(family(4)) == 3
    assert len(family(1000)) < 1000 / 4


def test_lines_that_have_no_end_or_a_mark_are_printed_as_they_are_told(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "one\ntwo", "b.py": b"\xef\xbb\xbfthree\nfour\n"})
    lines = Lines(tmp_path)
    assert lines.of("b.py") == ["three", "four"]
    assert lines.shown([("a.py", 1)])[0] == "sed -n '1p' a.py"
    assert lines.shown([("b.py", 2)])[0] == "sed -n '2p' b.py"
    command, expected = lines.shown([("a.py", 1), ("a.py", 2), ("b.py", 1)])
    assert expected == "one\ntwo\nthree"
    row = {"text": "they stand there", "how_to_check": command, "expected": expected}
    assert wrong(row, tmp_path, tmp_path) == []
