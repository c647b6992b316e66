"""What engines get of a revision: all of it that fits, in portions that git can print."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from clones.engines import git, isolation
from clones.engines.contract import EngineError
from tests.clones.engines.history import History

Point = Callable[[Path, Path], None]


@pytest.mark.parametrize(("largest", "whole", "expected"), [(12, True, {"a", "b", "c"}), (8, False, {"a", "c"})])
def test_a_revision_is_written_out_in_portions(
    largest: int, whole: bool, expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history, into = History(tmp_path / "target"), tmp_path / "into"
    files = {"a": "1234567\n", "b": "123456789\n", "c": "12\n"}
    made = history.commit("all", files)
    history.write({"a": "changed since\n"})
    monkeypatch.setattr(git, "_MAX_READ_BYTES", largest)
    assert git.extract(history.root, made, ("",), into) is whole
    assert {path.name: path.read_text() for path in into.iterdir()} == {name: files[name] for name in expected}


def _git(directory: Path, *arguments: str) -> None:
    named = ("-c", "user.name=T", "-c", "user.email=t@example.invalid", "-c", "protocol.file.allow=always")
    subprocess.run(("git", *named, *arguments), cwd=directory, check=True, capture_output=True)


def test_work_trees_and_submodules_have_a_history_and_so_has_what_is_below_them(tmp_path: Path) -> None:
    history = History(tmp_path / "other")
    made = history.commit("all", {"pkg/a.py": "1\n"})
    _git(history.root, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "side")
    _git(tmp_path, "init", "-q", "whole")
    _git(tmp_path / "whole", "submodule", "add", "-q", str(history.root), "part")
    for place in ("other", "tree", "tree/pkg", "whole/part", "whole/part/pkg"):
        assert git.why_not(tmp_path / place) is None, place
        assert git.commit_of(tmp_path / place, "HEAD") == made, place


def _named(place: Path, other: Path) -> None:
    (place / ".git").write_text(f"gitdir: {other}/.git\n")


def _named_before_a_nul(place: Path, other: Path) -> None:
    (place / ".git").write_text(f"gitdir: {other}/.git\0inner\n")


def _linked(place: Path, other: Path) -> None:
    (place / ".git").symlink_to(other / ".git")


def _shared(place: Path, other: Path) -> None:
    (place / ".git").mkdir()
    (place / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (place / ".git" / "commondir").write_text(f"{other}/.git\n")


def _shared_from_inside(place: Path, other: Path) -> None:
    (place / "inner").mkdir()
    (place / ".git").write_text("gitdir: inner\n")
    (place / "inner" / "HEAD").write_text("ref: refs/heads/main\n")
    (place / "inner" / "commondir").write_text(f"{other}/.git\n")


@pytest.mark.parametrize("point", [_named, _named_before_a_nul, _linked, _shared, _shared_from_inside])
@pytest.mark.parametrize("below", [".", "pkg"])
def test_a_history_that_is_another_projects_is_not_read(point: Point, below: str, tmp_path: Path) -> None:
    history = History(tmp_path / "other")
    history.commit("all", {"a.py": "1\n"})
    place = tmp_path / "target"
    (place / "pkg").mkdir(parents=True)
    (place / "pkg" / "a.py").touch()
    point(place, history.root)
    reason = git.why_not(place / below)
    assert reason is not None and "does not belong to this directory" in reason
    assert git.commit_of(place / below, "HEAD") is None
    with pytest.raises(EngineError, match="the history there is not read"):
        git.run(place / below, "log")
    assert isolation.copy_target(place, tmp_path / "copy").files >= 1


def test_links_in_a_circle_lead_to_no_history(tmp_path: Path) -> None:
    (tmp_path / ".git").symlink_to(".git")
    assert git.commit_of(tmp_path, "HEAD") is None


def test_a_tag_that_a_shell_would_run_is_named_by_its_commit(tmp_path: Path) -> None:
    history = History(tmp_path / "target")
    made = history.commit("one", {"a.py": "1\n"})
    history.git("tag", "v1;touch$(IFS)x")
    history.commit("two", {"a.py": "2\n"})
    found = git.since(history.root, None)
    assert found is not None
    assert (found.revision, found.name, found.commit) == ("v1;touch$(IFS)x", made[: git.SHORT], made)
    history.git("tag", "v1.1-rc1+b/c", made)
    history.git("tag", "-d", "v1;touch$(IFS)x")
    plain = git.since(history.root, None)
    assert plain is not None
    assert plain.name == "v1.1-rc1+b/c"


def test_a_revision_that_is_not_there_is_told_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no revision 'v1', for it has no git history"):
        git.since(tmp_path, "v1")
    history = History(tmp_path / "project")
    history.commit("all", {"a.py": "1\n"})
    with pytest.raises(EngineError, match="no revision 'v1'; `git tag`"):
        git.since(history.root, "v1")
