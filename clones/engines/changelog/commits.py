"""The commits of a range, as git tells them."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from clones.engines import git

MAX_COMMITS = 5000
_UNIT = "\x1f"
_FIELDS = 7


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """One commit."""

    hash: str
    parents: tuple[str, ...]
    author: str
    """The name, as `.mailmap` has it."""
    date: str
    """The day it was committed, `2026-11-22`."""
    subject: str
    body: str
    files: tuple[str, ...] = ()
    """What it changes below the target; of merges, nothing."""

    @property
    def short(self) -> str:
        """The beginning of the hash, as commands and readers name it."""
        return self.hash[: git.SHORT]

    @property
    def is_merge(self) -> bool:
        """Whether it has several parents."""
        return len(self.parents) > 1


def read(target: Path, span: str) -> list[Commit]:
    """Return the commits of `span` (`v1..HEAD`), children before parents, at most `MAX_COMMITS`.

    In a target below the work tree's top, those that change something in it.
    """
    where = ("--", ".") if git.prefix(target) else ("--",)
    common = ("log", "-z", "--topo-order", "--no-show-signature", f"--max-count={MAX_COMMITS}")
    form = "%x1f".join(("%H", "%P", "%aN", "%cs", "%s", "%b", ""))
    told = git.run(target, *common, f"--format={form}", span, *where).decode(errors="replace")
    files = _files(target, (*common, "--format=%x01%H", "--name-only", "--no-renames", "--relative"), span, where)
    found = []
    for record in filter(None, told.split("\0")):
        fields = record.split(_UNIT, _FIELDS - 1)
        if len(fields) < _FIELDS:
            continue
        name, parents, author, date, subject, body, _ = fields
        found.append(
            Commit(
                hash=name,
                parents=tuple(parents.split()),
                author=author,
                date=date,
                subject=" ".join(subject.split()),
                body=body,
                files=tuple(files.get(name, ())),
            )
        )
    return found


def authors_before(target: Path, commit: str) -> set[str]:
    """Return everyone who wrote a commit up to `commit`."""
    return set(git.run(target, "log", "--format=%aN", commit).decode(errors="replace").splitlines())


def _files(target: Path, arguments: Sequence[str], span: str, where: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    files: list[str] = []
    for part in git.run(target, *arguments, span, *where).decode(errors="replace").split("\0"):
        word = part.lstrip("\n")
        if word.startswith("\x01"):
            found[word[1:]] = files = []
        elif word:
            files.append(word)
    return found
