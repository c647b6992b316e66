"""The `api-changes` engine: two versions of the public surface, read from their sources, compared."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from clones.engines import git
from clones.engines.api_changes import page
from clones.engines.api_changes.compare import Changes, compare
from clones.engines.api_changes.surface import Version
from clones.engines.checks import HERE, Place
from clones.engines.contract import EngineError, EngineOutput, NotAnalysed, OutputFile, Progress
from clones.params import CompareParams
from schemas.errors import ErrorCode

MAX_LISTED = 400
"""Changes of each kind in the data; `totals` counts all, `api-changes.md` has all."""
_SUFFIXES = (".py", ".pyi")


class _Earlier(msgspec.Struct, frozen=True, kw_only=True):
    root: Path
    place: Place
    told: dict[str, Any]
    not_analysed: tuple[NotAnalysed, ...] = ()


def analyse(target: Path, params: CompareParams, out: Path, progress: Progress) -> EngineOutput:
    """Compare the public API of `target`, as it lies there, with an earlier version of it.

    `data`: `ran` (with `reason` where it is false: there is nothing to compare with), `since` {revision, name, commit, how} or
    `against`, `head`, `packages`, `totals` and the lists `breaking`, `risky`, `added`, `deprecated` of changes {kind, name,
    also, what, text, file, line, how_to_check, expected}, `objects` {before, now}, `suggested` {part, reason}.
    File: `api-changes.md`.

    Raises:
        EngineError: `incompatible_task` where both `since` and `against` are given, `target_not_found` where there is no
            such revision.
    """
    if params.since is not None and params.against is not None:
        words = "give `since`, a revision of the target, or `against`, another target, and not both"
        raise EngineError(words, code=ErrorCode.INCOMPATIBLE_TASK)
    progress(0.0, "looking for the earlier version")
    with _earlier(target, params) as earlier:
        if earlier is None:
            return _nothing_to_compare(target)
        progress(0.2, "reading the earlier version")
        old = Version(earlier.root, earlier.place)
        progress(0.5, "reading the target")
        new = Version(target, HERE)
        progress(0.7, "comparing")
        changes = compare(old, new)
        left_out = (*earlier.not_analysed, *new.not_analysed)
        data = _data(earlier, old, new, changes, git.head(target))
    (out / "api-changes.md").write_text(page.render(data, changes), encoding="utf-8")
    progress(1.0, "done")
    return EngineOutput(
        summary=_summary(data),
        data=data,
        files=(OutputFile(name="api-changes.md", media_type="text/markdown"),),
        not_analysed=left_out,
    )


@contextmanager
def _earlier(target: Path, params: CompareParams) -> Iterator[_Earlier | None]:
    if params.against_path is not None:
        path = params.against_path
        at_hand = params.against_origin in (None, path)
        # what was fetched for the task is gone when the report is read: its reader says where he has it
        place = Place(directory=f"{shlex.quote(path)}/" if at_hand else '"${EARLIER:?}"/')
        told = {"against": params.against_origin or path, "since": None}
        yield _Earlier(root=Path(path), place=place, told=told)
        return
    found = git.since(target, params.since)
    if found is None:
        yield None
        return
    with TemporaryDirectory(prefix="sanctuary-earlier-") as directory:
        whole = git.extract(target, found.commit, _SUFFIXES, Path(directory))
        cut = NotAnalysed(subject=found.revision, reason="not all of its files were read: they are too large together")
        yield _Earlier(
            root=Path(directory),
            place=Place(revision=found.name),
            told={"against": None, "since": msgspec.to_builtins(found)},
            not_analysed=() if whole else (cut,),
        )


def _nothing_to_compare(target: Path) -> EngineOutput:
    if git.head(target) is None:
        reason = "the target has no git history; name another target that holds the earlier version: `against`"
    else:
        reason = "no tag precedes HEAD; name the revision to compare with: `since`"
    return EngineOutput(summary=f"Not compared: {reason}.", data={"ran": False, "reason": reason})


def _data(earlier: _Earlier, old: Version, new: Version, changes: Changes, head: str | None) -> dict[str, Any]:
    lists = {name: getattr(changes, name) for name in changes.__struct_fields__}
    return {
        "ran": True,
        **earlier.told,
        "head": head,
        "packages": sorted(name for name in old.tops.keys() | new.tops.keys() if not name.startswith("_")),
        "objects": {"before": len(old.public), "now": len(new.public)},
        "totals": {name: len(found) for name, found in lists.items()},
        "suggested": _suggested(changes),
        **{name: [change.data() for change in found[:MAX_LISTED]] for name, found in lists.items()},
    }


def _suggested(changes: Changes) -> dict[str, str]:
    """Return which part of the version has to rise by Semantic Versioning 2.0.0, rules 6 to 8."""
    if changes.breaking:
        reason = f"{_count(len(changes.breaking), 'breaking change')}; below 1.0.0 the minor part may serve (rule 4)"
        return {"part": "major", "reason": reason}
    if changes.added or changes.deprecated:
        counts = f"{_count(len(changes.added), 'addition')}, {_count(len(changes.deprecated), 'deprecation')}"
        return {"part": "minor", "reason": f"nothing breaks; {counts}"}
    return {"part": "patch", "reason": "the public surface breaks nowhere and has nothing new"}


def _summary(data: dict[str, Any]) -> str:
    totals = data["totals"]
    if not data["objects"]["before"] and not data["objects"]["now"]:
        return "No public Python module found in either version: nothing to compare."
    since = data["since"]["revision"] if data["since"] else data["against"]
    return (
        f"Since {since}: {_count(totals['breaking'], 'breaking change')}, {totals['risky']} risky, "
        f"{_count(totals['added'], 'addition')}, {_count(totals['deprecated'], 'deprecation')}; "
        f"the {data['suggested']['part']} part of the version has to rise."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
