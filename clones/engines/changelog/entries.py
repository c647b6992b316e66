"""From commits to the entries of a changelog: merged branches as one, reverted work left out. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import PurePosixPath

import msgspec

from clones.engines.changelog.commits import Commit
from clones.engines.changelog.kinds import Kind, Section, is_conventional, is_internal, kind_of

_MERGE_TITLES = (
    re.compile(r"Merge pull request (?P<number>#\d+) from \S+"),  # GitHub; the title stands in the body
    re.compile(r"Merged PR (?P<number>\d+): (?P<title>.+)"),  # Azure
    re.compile(r"Merged in \S+ \(pull request (?P<number>#\d+)\)"),  # Bitbucket
    re.compile(r"Merge branch '.+' into '.+'"),  # GitLab; `See merge request group/project!12` ends the body
)
_GITLAB = re.compile(r"^See merge request \S*(?P<number>!\d+)$", re.MULTILINE)
_SQUASHED = re.compile(r"\((?P<number>#\d+)\)\s*$")
_REVERTS = re.compile(r"\bThis reverts commit (?P<hash>[0-9a-f]{7,64})")
_ISSUE = re.compile(r"(?<![\w/&])(?:#|GH-)(?P<number>\d{1,7})\b")
_STRENGTH: tuple[Section, ...] = ("Security", "Removed", "Deprecated", "Added", "Fixed", "Changed", "Internal")
"""Of several commits in one entry, the first of these that one has."""


_SHARE_AREA = 0.5
"""More than this part of an entry's source files lie in the area that it is said to be about."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the changelog."""

    section: Section
    words: str
    scope: str
    breaking: str
    why: str
    pull_request: str | None
    """`#12`, or `!12` at GitLab."""
    issues: tuple[str, ...]
    authors: tuple[str, ...]
    """Of its commits, the first to write first; without who only merged."""
    commits: tuple[Commit, ...]
    """Oldest first; a merge stands last."""


class Reverted(msgspec.Struct, frozen=True, kw_only=True):
    """Two commits that undo each other."""

    commit: Commit
    by: Commit


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """What a range of commits comes to."""

    entries: tuple[Entry, ...]
    """Newest first."""
    reverted: tuple[Reverted, ...]
    conventional: bool
    merges: int


def draft(commits: Sequence[Commit]) -> Draft:
    """Turn commits, children before parents, into entries."""
    conventional = is_conventional(commit.subject for commit in commits if not commit.is_merge)
    reverted = _reverted(commits)
    undone = {commit.hash for pair in reverted for commit in (pair.commit, pair.by)}
    entries: list[Entry] = []
    for merge, branch in _branches(commits):
        kept = [commit for commit in branch if commit.hash not in undone]
        title = _merge_title(merge) if merge is not None else None
        if merge is not None and title is not None and merge.hash not in undone:
            if kept or not branch:
                entries.append(_merged(merge, title, kept, conventional=conventional))
        else:
            entries += [_single(commit, conventional=conventional) for commit in kept if not commit.is_merge]
    return Draft(
        entries=tuple(_without_repeats(entries if conventional else _with_areas(entries))),
        reverted=tuple(reverted),
        conventional=conventional,
        merges=sum(commit.is_merge for commit in commits),
    )


def _reverted(commits: Sequence[Commit]) -> list[Reverted]:
    """Pair commits with those that revert them, newest first: a revert that is itself reverted undoes nothing."""
    by_hash = {commit.hash: commit for commit in commits}
    undone: set[str] = set()
    pairs = []
    for commit in commits:
        match = _REVERTS.search(commit.body)
        if match is None or commit.hash in undone:
            continue
        found = next((by_hash[name] for name in by_hash if name.startswith(match["hash"])), None)
        if found is not None and found.hash not in undone and found is not commit:
            undone |= {found.hash, commit.hash}
            pairs.append(Reverted(commit=found, by=commit))
    return pairs


def _branches(commits: Sequence[Commit]) -> list[tuple[Commit | None, list[Commit]]]:
    """Return what each commit of the main line brought, newest first: a merge its branch, any other itself.

    The main line follows first parents. A commit belongs to the oldest merge that brings it.
    """
    by_hash = {commit.hash: commit for commit in commits}
    line: list[Commit] = []
    name = commits[0].hash if commits else ""
    while name in by_hash:
        line.append(by_hash[name])
        name = line[-1].parents[0] if line[-1].parents else ""
    seen = {commit.hash for commit in line}
    found: list[tuple[Commit | None, list[Commit]]] = []
    for commit in reversed(line):
        if not commit.is_merge:
            found.append((None, [commit]))
            continue
        brought = _reachable(commit.parents[1:], by_hash, seen)
        found.append((commit, [each for each in reversed(commits) if each.hash in brought]))
    # histories that path limits or several roots have cut from the main line
    rest = [commit for commit in reversed(commits) if commit.hash not in seen]
    return [(None, [commit]) for commit in reversed(rest)] + found[::-1]


def _reachable(names: Iterable[str], by_hash: Mapping[str, Commit], seen: set[str]) -> set[str]:
    """Return what can be reached and was not seen; it is seen from now on."""
    found: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name in seen or name not in by_hash:
            continue
        seen.add(name)
        found.add(name)
        pending.extend(by_hash[name].parents)
    return found


def _merge_title(merge: Commit) -> tuple[str | None, str] | None:
    """Return a merged request's number and title; None where a merge tells no title of its own."""
    for pattern in _MERGE_TITLES:
        match = pattern.match(merge.subject)
        if match is None:
            continue
        groups = match.groupdict()
        gitlab = _GITLAB.search(merge.body)
        number = gitlab["number"] if gitlab else groups.get("number")
        title = groups.get("title") or next((line.strip() for line in merge.body.splitlines() if line.strip()), "")
        if number is None or not title or _GITLAB.match(title):
            return None
        return (number if number[0] in "#!" else f"#{number}"), title
    return None


def _merged(merge: Commit, title: tuple[str | None, str], branch: Sequence[Commit], *, conventional: bool) -> Entry:
    own = [commit for commit in branch if not commit.is_merge]
    kinds = [kind_of(commit.subject, commit.body, commit.files, conventional=conventional) for commit in own]
    files = [file for commit in own for file in commit.files]
    kind = kind_of(title[1], merge.body, files, conventional=conventional)
    strongest = min(kinds, key=lambda each: _STRENGTH.index(each.section), default=kind)
    breaking = kind.breaking or next((each.breaking for each in kinds if each.breaking), "")
    placed = kind if kind.sure or strongest.section == "Changed" else strongest
    authors = [commit.author for commit in own]
    return _entry(placed, (*own, merge), authors, pull_request=title[0], breaking=breaking, words=kind.words)


def _single(commit: Commit, *, conventional: bool) -> Entry:
    kind = kind_of(commit.subject, commit.body, commit.files, conventional=conventional)
    squashed = _SQUASHED.search(commit.subject)
    number = squashed["number"] if squashed else None
    return _entry(kind, (commit,), [commit.author], pull_request=number, breaking=kind.breaking, words=kind.words)


def _entry(
    kind: Kind,
    commits: Sequence[Commit],
    authors: Iterable[str],
    *,
    pull_request: str | None,
    breaking: str,
    words: str,
) -> Entry:
    text = "\n".join(f"{commit.subject}\n{commit.body}" for commit in commits)
    issues = dict.fromkeys(f"#{match['number']}" for match in _ISSUE.finditer(text))
    return Entry(
        section=kind.section,
        words=words,
        scope=kind.scope,
        breaking=breaking,
        why=kind.why,
        pull_request=pull_request,
        issues=tuple(issue for issue in issues if issue != pull_request),
        authors=tuple(dict.fromkeys(authors)) or (commits[-1].author,),
        commits=tuple(commits),
    )


def _with_areas(entries: Sequence[Entry]) -> list[Entry]:
    """Give entries that name no scope the part of the project that most of their source files lie in."""
    sources = {
        entry: [file for commit in entry.commits for file in commit.files if not is_internal(file)] for entry in entries
    }
    every = [PurePosixPath(file).parts for files in sources.values() for file in files]
    # the directories that all of them have in common: `zip` ends with the shortest
    shared = sum(
        1 for _ in takewhile(lambda names: len(set(names)) == 1, zip(*(parts[:-1] for parts in every), strict=False))
    )
    placed = []
    for entry in entries:
        parts = Counter(PurePosixPath(file).parts[shared].removesuffix(".py") for file in sources[entry])
        area, count = min(parts.items(), key=lambda item: (-item[1], item[0]), default=("", 0))
        prevails = count > _SHARE_AREA * parts.total() and area != "__init__"
        placed.append(msgspec.structs.replace(entry, scope=entry.scope or (area if prevails else "")))
    return placed


def _without_repeats(entries: Sequence[Entry]) -> list[Entry]:
    """Join entries that say the same."""
    found: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        key = (entry.section, entry.scope, entry.words.lower())
        same = found.get(key)
        if same is None:
            found[key] = entry
            continue
        found[key] = msgspec.structs.replace(
            same,
            commits=(*entry.commits, *same.commits),
            authors=tuple(dict.fromkeys((*entry.authors, *same.authors))),
            issues=tuple(dict.fromkeys((*same.issues, *entry.issues))),
            breaking=same.breaking or entry.breaking,
            pull_request=same.pull_request or entry.pull_request,
        )
    return list(found.values())
