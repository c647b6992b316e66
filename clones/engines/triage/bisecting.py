"""Which commit brought the failure: halving the history between a revision where the test passes and HEAD."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import git

MAX_COMMITS = 1000


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """One commit, as git names it."""

    commit: str
    author: str
    at: str
    """ISO 8601."""
    subject: str


class Bisected(msgspec.Struct, frozen=True, kw_only=True):
    """How far the halving came."""

    good: str | None
    """The last commit at which it passes, as far as is known."""
    bad: str | None
    """The first at which it fails; the one that brought it where nothing is between the two."""
    between: int
    """Commits between them that were not tried, or could not tell."""
    tried: tuple[tuple[str, bool | None], ...]
    """Commits and whether it passed there; None where it could not be told."""
    note: str
    """Why it ended before it found one commit; empty where it did."""


def commits(target: Path, *arguments: str) -> list[Commit]:
    """Return what `git log <arguments>` lists, in its order."""
    said = git.run(target, "log", "-z", "--format=%H%x01%an%x01%aI%x01%s", *arguments).decode(errors="replace")
    rows = (entry.split("\x01") for entry in said.split("\0") if entry)
    return [Commit(commit=row[0], author=row[1], at=row[2], subject=row[3]) for row in rows if len(row) == 4]


def bisect(
    line: Sequence[str],
    passes: Callable[[str], bool | None],
    *,
    has_time: Callable[[], bool],
    fails_at_end: bool = False,
) -> Bisected:
    """Halve `line`, commits from the one that is taken for good to the one that is taken for bad.

    `passes` says whether it passes at a commit, None where that cannot be told; both ends are tried first, the bad one
    unless `fails_at_end`.
    """
    tried: dict[str, bool | None] = {}

    def probe(at: int) -> bool | None:
        if line[at] not in tried:
            tried[line[at]] = passes(line[at])
        return tried[line[at]]

    def ended(good: int | None, bad: int | None, note: str) -> Bisected:
        return Bisected(
            good=line[good] if good is not None else None,
            bad=line[bad] if bad is not None else None,
            between=bad - good - 1 if good is not None and bad is not None else 0,
            tried=tuple(tried.items()),
            note=note,
        )

    good, bad = 0, len(line) - 1
    if bad < 1:
        return ended(None, None, "there is no commit since the good revision")
    if not fails_at_end and probe(bad) is not False:
        return ended(None, None, "it does not fail at HEAD as committed: look at the changes that are not")
    if probe(good) is not True:
        words = "it fails at the good revision already" if tried[line[good]] is False else "it cannot run there"
        return ended(None, bad, f"{words}: give an earlier one")
    while bad - good > 1:
        if not has_time():
            return ended(good, bad, "the time was used up")
        middle = (good + bad) // 2
        near = sorted(range(good + 1, bad), key=lambda at: (abs(at - middle), at))
        at = next((at for at in near if line[at] not in tried or tried[line[at]] is not None), None)
        if at is None:
            return ended(good, bad, "the commits between cannot tell: the test does not run there")
        outcome = probe(at)
        if outcome is True:
            good = at
        elif outcome is False:
            bad = at
    return ended(good, bad, "")


def first_parents(target: Path, good: str) -> list[str]:
    """Return the commits of the main line from `good` to HEAD, both included, the oldest first."""
    said = git.run(target, "rev-list", "--first-parent", f"--max-count={MAX_COMMITS}", f"{good}..HEAD")
    return [good, *reversed(said.decode("ascii").split())]


def plain(commit: Commit) -> dict[str, Any]:
    """Return a commit as JSON values."""
    return dict(msgspec.structs.asdict(commit))
