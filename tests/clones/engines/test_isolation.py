"""Copies of targets: what is in them, what is not, and that the target stays as it is."""

import hashlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from clones.engines import isolation
from clones.engines.contract import EngineError
from clones.engines.isolation import copy_target

_IDENTITY = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}


def write(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def git(root: Path, *arguments: str) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(root.parent), **_IDENTITY}
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, env=env)


def names(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir() or path.is_symlink()}


def repository(root: Path, files: Mapping[str, str]) -> Path:
    write(root, files)
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    return root


def test_a_checkout_gives_what_git_tracks_and_what_it_does_not_ignore(tmp_path: Path) -> None:
    target = repository(tmp_path / "project", {"a.py": "1", "pkg/b.py": "2", "gone.py": "", ".gitignore": "*.log\n"})
    write(target, {"new.py": "3", "debug.log": "", ".venv/x.py": "", "pkg/__pycache__/b.pyc": ""})
    (target / "gone.py").unlink()
    copied = copy_target(target, tmp_path / "out")
    assert copied.root == tmp_path / "out" / "project"
    assert names(copied.root) == {"a.py", "pkg/b.py", ".gitignore", "new.py"}
    assert (copied.files, copied.left_out) == (4, ())


def test_a_plain_directory_gives_all_but_caches_and_environments(tmp_path: Path) -> None:
    files = ["a.py", ".hidden", "env/pyvenv.cfg", "env/lib/x.py", "node_modules/x.js", ".git/config", "venv/y"]
    target = write(tmp_path / "project", dict.fromkeys(files, ""))
    assert names(copy_target(target, tmp_path / "out").root) == {"a.py", ".hidden"}


def test_a_directory_that_the_repository_around_it_ignores_is_a_plain_one(tmp_path: Path) -> None:
    outer = repository(tmp_path / "outer", {".gitignore": "inner/\n"})
    write(outer, {"inner/a.py": ""})
    assert names(copy_target(outer / "inner", tmp_path / "out").root) == {"a.py"}


def test_links_and_devices_lead_nowhere_outside_the_copy(tmp_path: Path) -> None:
    target = write(tmp_path / "project", {"pkg/real.py": "x = 1"})
    write(tmp_path, {"secret": "s"})
    (target / "absolute").symlink_to(target / "pkg" / "real.py")
    (target / "pkg" / "up").symlink_to("../pkg")
    (target / "outside").symlink_to("../secret")
    (target / "itself").symlink_to("itself")
    (target / "there").symlink_to("pkg/and_back")
    (target / "pkg" / "and_back").symlink_to("../there")
    os.mkfifo(target / "pipe")
    copied = copy_target(target, tmp_path / "out")
    assert names(copied.root) == {"pkg/real.py", "absolute", "pkg/up"}
    (copied.root / "absolute").write_text("changed", encoding="utf-8")
    assert (target / "pkg" / "real.py").read_text(encoding="utf-8") == "x = 1"
    assert {item.subject for item in copied.left_out} == {"outside", "pipe", "itself", "there", "pkg/and_back"}


def test_an_index_that_names_files_outside_brings_none_of_them(tmp_path: Path) -> None:
    target = repository(tmp_path / "project", {"aa/secret": "", "b.py": ""})
    write(tmp_path, {"secret": "s"})
    index = target / ".git" / "index"
    # git-index(5): entries, then a checksum of all that is before it; git itself writes no such path
    content = index.read_bytes()[:-20].replace(b"aa/secret", b"../secret")
    index.write_bytes(content + hashlib.sha1(content, usedforsecurity=False).digest())
    copied = copy_target(target, tmp_path / "out" / "deep")
    assert names(copied.root) == {"b.py", "aa/secret"}  # which git does not track any more
    assert sorted(path.name for path in (tmp_path / "out").rglob("secret")) == ["secret"]


def test_python_files_whose_name_is_not_utf_8_are_left_out_and_named(tmp_path: Path) -> None:
    target = write(tmp_path / "project", {"pkg/ünï.py": "", "pkg/data": ""})
    for name in (b"\xff.py", b"\xff.txt"):
        Path(os.fsdecode(bytes(target / "pkg") + b"/" + name)).touch()
    copied = copy_target(target, tmp_path / "out")
    assert names(copied.root) == {"pkg/ünï.py", "pkg/data", "pkg/\udcff.txt"}
    assert [item.subject for item in copied.left_out] == ["pkg/\udcff.py"]


def test_no_program_named_in_the_target_s_git_configuration_runs(tmp_path: Path) -> None:
    target = repository(tmp_path / "project", {"a.py": ""})
    trap = write(tmp_path, {"trap": f"#!/bin/sh\ntouch {tmp_path}/ran\n"}) / "trap"
    trap.chmod(0o755)
    git(target, "config", "core.fsmonitor", str(trap))
    copy_target(target, tmp_path / "out")
    assert not (tmp_path / "ran").exists()


def test_a_target_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "MAX_COPY_BYTES", 10)
    target = write(tmp_path / "project", {"a.py": "x" * 11})
    with pytest.raises(EngineError, match="name a smaller directory"):
        copy_target(target, tmp_path / "out")


def test_a_name_that_means_something_in_a_list_of_paths_is_plain_in_the_copy(tmp_path: Path) -> None:
    target = write(tmp_path / "a,b:[c]\n$HOME", {"a.py": ""})
    assert copy_target(target, tmp_path / "out").root == tmp_path / "out" / "a_b__c___HOME"
    assert copy_target(write(tmp_path / "é v-1.0+x", {"a.py": ""}), tmp_path / "out").root.name == "é v-1.0+x"
