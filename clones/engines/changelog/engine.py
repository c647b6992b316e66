"""The `changelog` engine: the commits since an earlier version, as a draft in the form of Keep a Changelog."""

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import git
from clones.engines.changelog import page
from clones.engines.changelog.commits import MAX_COMMITS, Commit, authors_before, read
from clones.engines.changelog.entries import Draft, Entry, draft
from clones.engines.checks import Check
from clones.engines.contract import EngineOutput, NotAnalysed, OutputFile, Progress
from clones.params import ChangelogParams

MAX_LISTED = 400
"""Entries in the data; `totals` counts all, `CHANGELOG.draft.md` has all."""
_MAX_COMMITS_IN_CHECK = 20
_CHANGELOGS = ("changelog", "changes", "history", "news", "releases", "whatsnew")


def analyse(target: Path, params: ChangelogParams, out: Path, progress: Progress) -> EngineOutput:
    """Draft the changelog of `target` from its commits.

    `data`: `ran` (with `reason` where it is false: there is no history), `since` {revision, name, commit, how} or None from
    the beginning, `head`, `conventional`, `totals` by section and of `commits`, `merges`, `authors`, `reverted`, the
    `facts` and `entries` and `reverted` and `new_authors`, each with text, how_to_check and expected, and `suggested`
    {part, reason}. File: `CHANGELOG.draft.md`.

    Raises:
        EngineError: `target_not_found` where there is no such revision.
    """
    progress(0.0, "reading the history")
    head = git.head(target)
    if head is None:
        reason = "the target has no git history to draft a changelog from"
        return EngineOutput(summary=f"No changelog: {reason}.", data={"ran": False, "reason": reason})
    since = git.since(target, params.since)
    span = f"{since.name}..{head[: git.SHORT]}" if since else head[: git.SHORT]
    commits = read(target, span)
    progress(0.6, f"sorting {len(commits)} commits")
    drafted = draft(commits)
    earlier = authors_before(target, since.commit) if since else set()
    data = _data(since, head, commits, drafted, sorted({commit.author for commit in commits} - earlier))
    data["facts"] = _facts(target, since, span, commits, data)
    progress(0.9, "writing")
    (out / "CHANGELOG.draft.md").write_text(page.render(data, drafted.entries), encoding="utf-8")
    progress(1.0, "done")
    cut = NotAnalysed(subject=span, reason=f"only its newest {MAX_COMMITS} commits were read")
    return EngineOutput(
        summary=_summary(data),
        data=data,
        files=(OutputFile(name="CHANGELOG.draft.md", media_type="text/markdown"),),
        not_analysed=(cut,) if len(commits) == MAX_COMMITS else (),
    )


def _data(
    since: git.Since | None, head: str, commits: list[Commit], drafted: Draft, new_authors: list[str]
) -> dict[str, Any]:
    sections = Counter(entry.section for entry in drafted.entries)
    return {
        "ran": True,
        "since": msgspec.to_builtins(since) if since else None,
        "head": head,
        "conventional": drafted.conventional,
        "totals": {
            **sections,
            "commits": len(commits),
            "merges": drafted.merges,
            "authors": len({commit.author for commit in commits}),
            "reverted": len(drafted.reverted),
            "breaking": sum(bool(entry.breaking) for entry in drafted.entries),
        },
        "suggested": _suggested(drafted),
        "entries": [_entry(entry) for entry in drafted.entries[:MAX_LISTED]],
        "reverted": [
            {
                "text": f"`{pair.commit.short}` “{pair.commit.subject}” is undone by `{pair.by.short}`",
                **_lines([pair.commit, pair.by]).fields(),
            }
            for pair in drafted.reverted
        ],
        "new_authors": [_new_author(name, since) for name in new_authors] if since else [],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    written = ", ".join(f"`{commit.short}`" for commit in entry.commits)
    return {
        "section": entry.section,
        "words": entry.words,
        "scope": entry.scope,
        "breaking": entry.breaking or None,
        "pull_request": entry.pull_request,
        "issues": list(entry.issues),
        "authors": list(entry.authors),
        "commits": [commit.short for commit in entry.commits],
        "date": entry.commits[-1].date,
        "why": entry.why,
        "text": f"“{entry.words}” by {', '.join(entry.authors)} ({entry.section}: {entry.why}): {written}",
        **_lines(list(entry.commits)).fields(),
    }


def _lines(commits: list[Commit]) -> Check:
    """Show who wrote the commits, and their subjects."""
    told = commits[-_MAX_COMMITS_IN_CHECK:]
    names = " ".join(commit.short for commit in told)
    return Check(
        how_to_check=f"git show -s --abbrev={git.SHORT} --format='%h %aN: %s' {names}",
        expected="\n".join(f"{commit.short} {commit.author}: {commit.subject}" for commit in told),
    )


def _new_author(name: str, since: git.Since | None) -> dict[str, str]:
    earlier = since.name if since else ""
    check = Check(how_to_check=f"git log --format=%aN {earlier} | grep -cxF -e {shlex.quote(name)}", expected="0")
    return {"name": name, "text": f"{name} wrote no commit up to {earlier}", **check.fields()}


def _facts(
    target: Path, since: git.Since | None, span: str, commits: list[Commit], data: dict[str, Any]
) -> list[dict[str, str]]:
    if len(commits) == MAX_COMMITS:
        return []
    where = " -- ." if git.prefix(target) else ""
    totals = data["totals"]
    facts = [
        _fact(_count(totals["commits"], "commit"), f"git rev-list --count {span}{where}", str(totals["commits"])),
        _fact(
            _count(totals["authors"], "author"),
            f"git log --format=%aN {span}{where} | LC_ALL=C sort -u | wc -l",
            str(totals["authors"]),
        ),
    ]
    if since is not None:
        stat = git.run(target, "diff", "--no-ext-diff", "--no-textconv", "--shortstat", *span.split(".."), "--", ".")
        words = " ".join(stat.decode().split())
        command = f"git diff --shortstat {since.name} {span.partition('..')[2]} -- . | sed 's/^ //'"
        facts.append(_fact(words or "no file differs", command, words))
    for file in _changelogs(target):
        touched = sum(file in commit.files for commit in commits)
        command = f"git rev-list --no-merges --count {span} -- {shlex.quote(file)}"
        facts.append(_fact(f"{file} is changed by {touched} of the commits", command, str(touched)))
    return facts


def _fact(text: str, command: str, expected: str) -> dict[str, str]:
    return {"text": text, **Check(how_to_check=command, expected=expected).fields()}


def _changelogs(target: Path) -> list[str]:
    """Return the changelogs that the project keeps."""
    tracked = git.run(target, "ls-files", "-z", "--", ".").decode(errors="replace").split("\0")
    return sorted(
        file
        for file in tracked
        if file.count("/") <= 1 and file.rpartition("/")[2].partition(".")[0].lower() in _CHANGELOGS
    )[:3]


def _suggested(drafted: Draft) -> dict[str, str]:
    """Return which part of the version has to rise by Semantic Versioning 2.0.0, as far as the commits say."""
    breaking = [entry for entry in drafted.entries if entry.breaking]
    sections = {entry.section for entry in drafted.entries}
    if breaking:
        return {"part": "major", "reason": f"{len(breaking)} of the entries say that they break something"}
    if "Removed" in sections:
        return {"part": "major", "reason": "something is removed; a patch may do where nobody could use it"}
    if sections & {"Added", "Deprecated"}:
        return {"part": "minor", "reason": "something is added or deprecated, and nothing is said to break"}
    reason = "nothing is said to be added, removed or broken"
    if not drafted.conventional:
        reason += ", but the subjects follow no convention: `api-changes` tells what the public surface says"
    return {"part": "patch", "reason": reason}


def _summary(data: dict[str, Any]) -> str:
    totals = data["totals"]
    if not totals["commits"]:
        return f"No commit since {data['since']['revision']}." if data["since"] else "No commit."
    since = f"since {data['since']['revision']}" if data["since"] else "since the beginning"
    noticed = sum(count for name, count in totals.items() if name[0].isupper() and name != "Internal")
    return (
        f"{_count(totals['commits'], 'commit')} by {_count(totals['authors'], 'author')} {since}: "
        f"{'1 entry' if noticed == 1 else f'{noticed} entries'} for users, "
        f"{totals.get('Internal', 0)} internal, {totals['breaking']} said to break something, "
        f"{totals['reverted']} reverted."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
