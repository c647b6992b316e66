"""What tells targets apart, and what does not."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from clones.engines.digest import DigestParams, digest


def of(target: Path) -> str:
    return str(digest(target, DigestParams(), target, lambda *_: None).data["digest"])


def git(directory: Path, *arguments: str) -> None:
    subprocess.run(
        ("git", "-C", directory, "-c", "user.name=A", "-c", "user.email=a@example.org", *arguments),
        check=True,
        capture_output=True,
    )


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A work tree with one commit."""
    directory = tmp_path / "one"
    (directory / "pkg" / "empty").mkdir(parents=True)
    (directory / "pkg" / "a.py").write_text("a = 1\n")
    (directory / "b.txt").write_text("b")
    (directory / "link").symlink_to("b.txt")
    (directory / ".gitignore").write_text("*.log\n")
    git(directory, "init", "-q")
    git(directory, "add", ".")
    git(directory, "commit", "-q", "-m", "first")
    return directory


def test_the_same_lies_elsewhere(target: Path, tmp_path: Path) -> None:
    shutil.copytree(target, tmp_path / "two", symlinks=True)
    assert of(tmp_path / "two") == of(target)


def store(target: Path) -> None:
    """A network's store, as `sanctuary up` has it."""
    (target / ".sanctuary").mkdir()
    for name in ("lock", "nats-server.json", "keys"):
        (target / ".sanctuary" / name).touch()


def cache(target: Path) -> None:
    (target / "pkg" / "__pycache__").mkdir()
    (target / "pkg" / "__pycache__" / "a.pyc").write_bytes(b"x")


@pytest.mark.parametrize(
    "change",
    [
        lambda target: os.utime(target / "b.txt", (1, 1)),
        lambda target: (target / "b.txt").chmod(0o600),
        lambda target: git(target, "gc", "-q"),
        lambda target: git(target, "config", "user.name", "B"),
        store,
    ],
)
def test_what_does_not_count(target: Path, change: Callable[[Path], object]) -> None:
    before = of(target)
    change(target)
    assert of(target) == before


def test_what_tools_leave_behind_does_not_count(target: Path) -> None:
    (target / ".gitignore").write_text("__pycache__\n")
    before = of(target)
    cache(target)
    assert of(target) == before


def moved(target: Path) -> None:
    (target / "b.txt").rename(target / "c.txt")


@pytest.mark.parametrize(
    "change",
    [
        lambda target: (target / "pkg" / "a.py").write_text("a = 2\n"),
        lambda target: (target / "b.txt").chmod(0o755),
        lambda target: (target / "pkg" / "empty").rmdir(),
        lambda target: (target / "new").touch(),
        lambda target: (target / "new.log").touch(),
        lambda target: os.mkfifo(target / "pipe"),
        moved,
        lambda target: (target / "link").unlink() or (target / "link").symlink_to("pkg"),
        lambda target: git(target, "commit", "-q", "--allow-empty", "-m", "second"),
        lambda target: git(target, "tag", "v1"),
        lambda target: git(target, "rm", "-q", "--cached", "b.txt") or (target / ".gitignore").write_text("b.txt\n"),
        lambda target: shutil.rmtree(target / ".git"),
    ],
)
def test_what_counts(target: Path, change: Callable[[Path], object]) -> None:
    before = of(target)
    change(target)
    assert of(target) != before


def test_names_that_are_no_text(tmp_path: Path) -> None:
    before = of(tmp_path)
    (tmp_path / os.fsdecode(b"\xff.py")).write_text("x")
    assert of(tmp_path) != before
