"""Drafts of changelogs from small histories, each statement checked by its own command."""

from pathlib import Path
from typing import Any

import pytest

from clones.engines.changelog import analyse
from clones.engines.changelog.kinds import kind_of
from clones.engines.contract import EngineError, EngineOutput
from clones.params import ChangelogParams
from tests.clones.engines.checking import failed
from tests.clones.engines.history import History


def run(target: Path, out: Path, **params: Any) -> EngineOutput:
    out.mkdir()
    return analyse(target, ChangelogParams(target=str(target), **params), out, lambda _fraction, _message: None)


def entries(output: EngineOutput) -> list[tuple[str, str]]:
    return [(entry["section"], entry["words"]) for entry in output.data["entries"]]


@pytest.fixture
def history(tmp_path: Path) -> History:
    made = History(tmp_path / "project")
    made.commit("Begin", {"src/shop/till.py": "A = 1\n", "CHANGES.md": "# 1.0\n"})
    made.git("tag", "v1.0")
    return made


def test_conventional_commits_are_placed_by_their_types(history: History, tmp_path: Path) -> None:
    history.commit("feat(till): count coins (#12)", {"src/shop/till.py": "A = 2\n"}, author="Grace Hopper")
    history.commit("fix: round half up\n\nFixes #7", {"src/shop/till.py": "A = 3\n"})
    history.commit("refactor!: split the till", {"src/shop/till.py": "A = 4\n"})
    history.commit("docs: say so", {"README.md": "So.\n"})
    history.commit("chore: deps\n\nBREAKING CHANGE: needs Python 3.12,\nor newer", {"setup.cfg": "[metadata]\n"})
    output = run(history.root, tmp_path / "out")
    assert output.data["conventional"] is True
    assert entries(output) == [
        ("Changed", "Deps"),
        ("Internal", "Say so"),
        ("Changed", "Split the till"),
        ("Fixed", "Round half up"),
        ("Added", "Count coins"),
    ]
    by_words = {entry["words"]: entry for entry in output.data["entries"]}
    assert by_words["Count coins"]["pull_request"] == "#12"
    assert by_words["Count coins"]["scope"] == "till"
    assert by_words["Round half up"]["issues"] == ["#7"]
    assert by_words["Deps"]["breaking"] == "needs Python 3.12, or newer"
    assert by_words["Split the till"]["breaking"] == "Split the till"
    assert output.data["suggested"]["part"] == "major"
    assert [author["name"] for author in output.data["new_authors"]] == ["Grace Hopper"]
    assert failed(history.root, output.data) == []
    draft = (tmp_path / "out" / "CHANGELOG.draft.md").read_text()
    headings = [line for line in draft.splitlines() if line.startswith("#")]
    assert headings == ["## [Unreleased]", "### Added", "### Changed", "### Fixed"]
    assert "- till: Count coins (#12)" in draft.replace("\\", "")


def test_without_a_convention_verbs_and_files_decide(history: History, tmp_path: Path) -> None:
    history.commit("Adds a second till", {"src/shop/second.py": "B = 1\n"})
    history.commit("Dropped the drawer", {"src/shop/till.py": "A = 5\n"})
    history.commit("Tills are quieter", {"src/shop/till.py": "A = 6\n", "src/shop/bell.py": "C = 1\n"})
    history.commit("Fix a flaky test", {"tests/test_till.py": "def test(): ...\n"})
    history.commit("Close CVE-2026-1234 in the drawer", {"src/shop/till.py": "A = 7\n"})
    history.commit("Release 1.1.0", {"src/shop/till.py": "A = 8\n", "CHANGES.md": "# 1.1\n"})
    output = run(history.root, tmp_path / "out")
    assert output.data["conventional"] is False
    assert entries(output) == [
        ("Internal", "Release 1.1.0"),
        ("Security", "Close CVE-2026-1234 in the drawer"),
        ("Internal", "Fix a flaky test"),
        ("Changed", "Tills are quieter"),
        ("Removed", "Dropped the drawer"),
        ("Added", "Adds a second till"),
    ]
    assert [entry["scope"] for entry in output.data["entries"]] == ["till", "till", "", "", "till", "second"]
    assert {fact["text"] for fact in output.data["facts"]} >= {
        "6 commits",
        "1 author",
        "CHANGES.md is changed by 1 of the commits",
    }
    assert failed(history.root, output.data) == []


def test_a_merged_request_is_one_entry_with_its_title(history: History, tmp_path: Path) -> None:
    history.git("checkout", "--quiet", "-b", "coins")
    history.commit("Work on it", {"src/shop/coins.py": "C = 1\n"}, author="Grace Hopper")
    history.commit("More work", {"src/shop/coins.py": "C = 2\n"}, author="Alan Turing")
    history.git("checkout", "--quiet", "main")
    history.commit("Meanwhile", {"src/shop/till.py": "A = 9\n"})
    message = "Merge pull request #34 from grace/coins\n\nAdd coins"
    history.git("merge", "--quiet", "--no-ff", "-m", message, "coins")
    history.git("checkout", "--quiet", "-b", "aside", "HEAD~1")
    history.commit("Aside", {"src/shop/aside.py": "D = 1\n"})
    history.git("checkout", "--quiet", "main")
    history.git("merge", "--quiet", "--no-ff", "-m", "Merge branch 'aside'", "aside")
    output = run(history.root, tmp_path / "out")
    assert entries(output) == [("Changed", "Aside"), ("Added", "Add coins"), ("Changed", "Meanwhile")]
    request = output.data["entries"][1]
    assert request["pull_request"] == "#34"
    assert request["authors"] == ["Grace Hopper", "Alan Turing"]
    assert len(request["commits"]) == 3
    assert output.data["totals"]["merges"] == 2
    assert failed(history.root, output.data) == []


def test_what_was_reverted_is_left_out_and_told(history: History, tmp_path: Path) -> None:
    first = history.commit("Add bells", {"src/shop/bell.py": "D = 1\n"})
    revert = history.commit(f'Revert "Add bells"\n\nThis reverts commit {first}.', {"src/shop/bell.py": None})
    history.commit(f'Revert "Revert "Add bells""\n\nThis reverts commit {revert}.', {"src/shop/bell.py": "D = 1\n"})
    gone = history.commit("Add whistles", {"src/shop/whistle.py": "E = 1\n"})
    history.commit(f'Revert "Add whistles"\n\nThis reverts commit {gone}.', {"src/shop/whistle.py": None})
    output = run(history.root, tmp_path / "out")
    assert entries(output) == [("Added", "Add bells")]
    assert len(output.data["reverted"]) == 2
    assert failed(history.root, output.data) == []


def test_without_a_tag_it_goes_back_to_the_beginning(tmp_path: Path) -> None:
    history = History(tmp_path / "young")
    history.commit("Add everything", {"a.py": "A = 1\n"})
    history.commit("Fix everything", {"a.py": "A = 2\n"})
    output = run(history.root, tmp_path / "out")
    assert output.data["since"] is None
    assert entries(output) == [("Fixed", "Fix everything"), ("Added", "Add everything")]
    assert failed(history.root, output.data) == []


def test_below_the_top_of_a_repository_only_its_own_commits_count(tmp_path: Path) -> None:
    history = History(tmp_path / "mono")
    history.commit("Begin", {"a/one.py": "A = 1\n", "b/two.py": "B = 1\n"})
    history.git("tag", "v1")
    history.commit("Add to one", {"a/one.py": "A = 2\n"})
    history.commit("Add to two", {"b/two.py": "B = 2\n"})
    output = run(history.root / "a", tmp_path / "out")
    assert entries(output) == [("Added", "Add to one")]
    assert failed(history.root / "a", output.data) == []


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    history = History(tmp_path / "hostile")
    history.commit("Begin", {"a.py": "A = 1\n"})
    history.git("tag", "v1")
    history.commit("Add --> <script>alert(1)</script> | `x`", {"a.py": "A = 2\n"}, author="Eve $(id) 'quoted'")
    output = run(history.root, tmp_path / "out")
    draft = (tmp_path / "out" / "CHANGELOG.draft.md").read_text()
    assert "<script>" not in draft
    assert failed(history.root, output.data) == []


def test_without_a_history_nothing_is_claimed(tmp_path: Path) -> None:
    target = tmp_path / "plain"
    target.mkdir()
    output = run(target, tmp_path / "out")
    assert output.data == {"ran": False, "reason": "the target has no git history to draft a changelog from"}
    assert output.files == ()


def test_a_revision_that_is_not_there_is_told(history: History, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no revision 'v9'"):
        run(history.root, tmp_path / "out", since="v9")


@pytest.mark.parametrize(
    ("subject", "section"),
    [
        ("Stopped tills ring", "Changed"),
        ("till: fixes the bell", "Fixed"),
        ("[till] dropped the bell", "Removed"),
        ("Deprecating the bell", "Deprecated"),
        ("bump version to 2.0", "Internal"),
        ("v2.0.1", "Internal"),
        ("Bump flask from 2.3 to 3.0", "Internal"),
        ("Address the address book", "Changed"),
        ("", "Changed"),
    ],
)
def test_a_subjects_verb_says_where_it_belongs(subject: str, section: str) -> None:
    assert kind_of(subject, "", ("src/till.py",), conventional=False).section == section
