"""zizmor: GitHub's workflows, actions and Dependabot settings. It works offline and obeys no settings of the target."""

import math
import re
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError, NotAnalysed
from clones.engines.security.reported import Reported, Scan, left_s
from clones.engines.security.scope import Scope

NAME = "zizmor"
_COMMAND = (
    *("zizmor", "--offline", "--no-config", "--no-progress", "--color", "never"),
    *("--no-exit-codes", "--format", "json-v1"),
)
_TIMEOUT_S = 120.0
_MAX_BYTES = 512 * 1024
"""Larger files are no workflows that somebody wrote, and zizmor's time grows faster than a file."""
_MAX_FILES = 2000
_IGNORE = b"zizmor: ignore"
_COMPLETED = re.compile(r"completed (?:\./)?(?P<path>.+)")
_OFFICIAL = re.compile(r"(?:uses:\s*)?['\"]?(?:actions|github)/")
_SEVERITIES = {"High": "high", "Medium": "medium", "Low": "low", "Informational": "low", "Unknown": "low"}
_CWES = {
    "template-injection": 94,
    "github-env": 94,
    "insecure-commands": 77,
    "unpinned-uses": 829,
    "unpinned-images": 829,
    "dangerous-triggers": 829,
    "impostor-commit": 829,
    "excessive-permissions": 250,
    "artipacked": 312,
    "secrets-inherit": 200,
    "overprovisioned-secrets": 200,
    "unredacted-secrets": 532,
    "hardcoded-container-credentials": 798,
    "cache-poisoning": 349,
    "bot-conditions": 290,
    "self-hosted-runner": 284,
    "unsound-contains": 697,
    "unsound-condition": 697,
    "obfuscation": 506,
    "known-vulnerable-actions": 1395,
}
_PROTECTION_FAILURE = 693


def is_ci_file(name: str) -> bool:
    """Whether a file is one that zizmor knows."""
    path = PurePosixPath(name)
    if path.suffix not in {".yml", ".yaml"}:
        return False
    where = path.parent.as_posix()
    return (
        where.endswith(".github/workflows")
        or path.stem == "action"
        or (where.endswith(".github") and path.stem == "dependabot")
    )


def scan(copy: Path, scope: Scope, progress: Callable[[float], None], *, deadline: float = math.inf) -> Scan:
    """Run zizmor on the files of `scope` that stand in `copy` and are for CI; without one it is not run."""
    begin = time.monotonic()
    progress(0.0)
    files = [name for name in scope.files if is_ci_file(name)]
    unread = {name: "larger than workflows are" for name in files if (copy / name).stat().st_size > _MAX_BYTES}
    named = [f"./{name}" for name in files if name not in unread][:_MAX_FILES]
    results: list[Reported] = []
    left_out: list[NotAnalysed] = []
    is_part = False
    if len(files) - len(unread) > _MAX_FILES:
        left_out.append(NotAnalysed(subject="CI files", reason=f"of {len(files)} files, {_MAX_FILES} were looked at"))
    try:
        if named:
            found, read = _run(copy, named, deadline)
            everything = found
            if any(_IGNORE in (copy / name).read_bytes() for name in named):
                everything, _ = _run(copy, named, deadline, "--no-ignores")
            known = {_identity(each) for each in found}
            results = [_reported(each, suppressed=_identity(each) not in known) for each in everything]
            unread |= dict.fromkeys((name[2:] for name in named if name[2:] not in read), "not understood as a CI file")
    except EngineError as error:
        left_out.append(NotAnalysed(subject="CI files", reason=error.message))
        unread |= dict.fromkeys((name[2:] for name in named), "zizmor did not end")
        is_part = isinstance(error, process.StoppedError)
    return Scan(
        name=NAME,
        version=version(NAME),
        command=(*_COMMAND, *named) if named else (),
        results=tuple(sorted(results, key=lambda each: (each.path, each.line, each.rule))),
        files_analysed=len(named) - sum(f"./{name}" in named for name in unread),
        duration_s=time.monotonic() - begin,
        unread=unread,
        left_out=tuple(left_out),
        is_part=is_part,
        uri="https://docs.zizmor.sh/",
    )


def _run(
    copy: Path, files: Sequence[str], deadline: float, *options: str
) -> tuple[list[dict[str, Any]], frozenset[str]]:
    """Return what zizmor reports, and the files that it has read.

    Raises:
        EngineError: it did not end in time, or without a report.
    """
    ended = process.run([*_COMMAND, *options, *files], cwd=copy, timeout_s=left_s(deadline, _TIMEOUT_S))
    log = ended.stderr.decode(errors="replace")
    if "no inputs collected" in log:
        return [], frozenset()
    try:
        found = msgspec.json.decode(ended.stdout, type=list[dict[str, Any]])
    except msgspec.DecodeError:
        raise EngineError(f"zizmor ended with status {ended.exit_status} and no report") from None
    return found, frozenset(match["path"].strip() for match in _COMPLETED.finditer(log))


def _identity(each: dict[str, Any]) -> bytes:
    return msgspec.json.encode([each["ident"], each["locations"]])


def _reported(each: dict[str, Any], *, suppressed: bool) -> Reported:
    place = next((one for one in each["locations"] if one["symbolic"]["kind"] == "Primary"), each["locations"][0])
    at = place["concrete"]["location"]
    rule = each["ident"]
    feature = place["concrete"]["feature"].strip()
    severity = _SEVERITIES.get(each["determinations"]["severity"], "low")
    if rule == "unpinned-uses":
        # a tag is moved by whoever owns the action: GitHub itself, which runs the workflow anyway, or somebody else
        severity = "low" if _OFFICIAL.match(feature) else "medium"
    first = at["start_point"]["row"] + 1
    return Reported(
        engine=NAME,
        rule=f"zizmor/{rule}",
        path=PurePosixPath(place["symbolic"]["key"]["Local"]["verbatim_path"]).as_posix(),
        line=first,
        end_line=first if "\n" in feature else max(first, at["end_point"]["row"] + 1),
        message=f"{each['desc']}: {place['symbolic']['annotation']}",
        severity=severity,
        confidence=each["determinations"]["confidence"].lower(),
        suppressed=suppressed,
        cwe=_CWES.get(rule, _PROTECTION_FAILURE),
        title=f"CI: {each['desc']}",
        check=f"{each['url']} tells what can happen and how it is mended; who can start this workflow, and with which rights",
    )
