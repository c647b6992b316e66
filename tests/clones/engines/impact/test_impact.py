"""Gamma's `impact`: what a change reaches, and that each of its statements holds by its own check."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clones.engines.contract import EngineError, EngineOutput
from clones.engines.impact import analyse
from clones.params import ImpactParams
from tests.clones.engines.claims import wrong
from tests.clones.engines.history import History

Impact = Callable[..., EngineOutput]

FILES: dict[str, str | None] = {
    "src/shop/__init__.py": "",
    "src/shop/rows.py": "class Row:\n    pass\n",
    "src/shop/tables.py": "from shop.rows import Row\n",
    "src/shop/pages.py": "from typing import TYPE_CHECKING\n\nfrom shop import tables\n",
    "src/shop/hints.py": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from shop.rows import Row\n",
    "src/shop/alone.py": "X = 1\n",
    "tests/test_pages.py": "from shop.pages import tables\n",
    "tests/test_alone.py": "import shop.alone\n",
    "README.md": "# Shop\n",
}


@pytest.fixture
def impact(tmp_path: Path) -> Impact:
    def run(target: Path, **params: Any) -> EngineOutput:
        (tmp_path / "out").mkdir(exist_ok=True)
        return analyse(target, ImpactParams(target=str(target), **params), tmp_path / "out", lambda *_: None)

    return run


@pytest.fixture
def history(tmp_path: Path) -> History:
    made = History(tmp_path / "shop")
    made.commit("Begin", FILES)
    made.git("tag", "v1")
    return made


def test_what_imports_a_changed_file_is_reached_step_by_step(impact: Impact, history: History, tmp_path: Path) -> None:
    output = impact(history.root, files=("src/shop/rows.py",))
    data = output.data
    assert [(row["module"], row["distance"]) for row in data["modules"]] == [("shop.tables", 1), ("shop.pages", 2)]
    assert [(row["file"], row["distance"]) for row in data["tests"]] == [("tests/test_pages.py", 3)]
    assert data["tests"][0]["way"] == [
        {"file": "tests/test_pages.py", "line": 1},
        {"file": "src/shop/pages.py", "line": 3},
        {"file": "src/shop/tables.py", "line": 1},
    ]
    assert data["run"] == ["tests/test_pages.py"]
    assert wrong(data, history.root) == []
    assert "tests/test_pages.py" in (tmp_path / "out" / "impact.md").read_text()


def test_a_change_of_a_packages_init_reaches_whoever_imports_what_is_below(impact: Impact, history: History) -> None:
    data = impact(history.root, files=("src/shop/__init__.py",)).data
    assert {row["file"] for row in data["tests"]} == {"tests/test_pages.py", "tests/test_alone.py"}


def test_changes_since_a_revision_committed_or_not(impact: Impact, history: History) -> None:
    history.commit("Change", {"src/shop/alone.py": "X = 2\n", "README.md": None})
    history.write({"src/shop/tables.py": "from shop.rows import Row as R\n"})
    output = impact(history.root)
    data = output.data
    assert data["since"]["revision"] == "v1"
    assert [row["file"] for row in data["changed"]] == ["README.md", "src/shop/alone.py", "src/shop/tables.py"]
    assert data["run"] == ["tests/test_alone.py", "tests/test_pages.py"]
    assert wrong(data, history.root) == []
    assert "README.md" in {item.subject for item in output.not_analysed}


def test_nothing_changed(impact: Impact, history: History) -> None:
    history.commit("Nothing")
    assert impact(history.root).summary == "Nothing was changed since v1."


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"files": ("/etc/passwd",)}, "is outside the target"),
        ({"files": ("../x.py",)}, "is outside the target"),
        ({"files": ("x.py",)}, "the target has no file 'x.py'"),
        ({"since": "v9"}, "the target has no revision 'v9'"),
    ],
)
def test_what_cannot_be_done_is_said(impact: Impact, history: History, params: dict[str, Any], said: str) -> None:
    with pytest.raises(EngineError, match=said):
        impact(history.root, **params)


def test_without_files_and_history_it_is_said(impact: Impact, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(EngineError, match="give files, or a target with a git history"):
        impact(tmp_path / "plain")


def test_what_git_does_not_know_yet_was_changed_too(impact: Impact, history: History) -> None:
    history.git("tag", "v0")
    history.commit("Go on", {"src/shop/alone.py": "X = 2\n", ".gitignore": "*.log\n"})
    files = {
        "src/shop/rows.py": "class Row: ...\n",
        "tests/test_new.py": "import shop.rows\n",
        "a.log": "",
        "venv/x.py": "",
    }
    history.write(files)
    data = impact(history.root, since="v1").data
    changed = {row["file"]: row["text"] for row in data["changed"]}
    assert set(changed) == {".gitignore", "src/shop/alone.py", "src/shop/rows.py", "tests/test_new.py"}
    assert changed["tests/test_new.py"] == "tests/test_new.py is not tracked by git"
    assert "tests/test_new.py" in data["run"]
    assert wrong(data, history.root) == []


def test_of_many_files_that_are_no_modules_the_first_are_named(impact: Impact, history: History) -> None:
    history.commit("Write", {f"docs/{number:03d}.md": "x\n" for number in range(100)})
    notes = impact(history.root, since="v1").not_analysed
    assert [note.subject for note in notes if note.subject.startswith("docs/")] == [
        f"docs/{n:03d}.md" for n in range(60)
    ]
    assert [note.reason.partition(" ")[0] for note in notes if note.subject == "other files"] == ["40"]
