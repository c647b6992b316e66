"""What engines get of a revision: all of it that fits, in portions that git can print."""

from pathlib import Path

import pytest

from clones.engines import git
from tests.clones.engines.history import History


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
