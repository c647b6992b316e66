"""bandit: the project's Python files, some at a time, in processes of their own.

bandit looks at each file by itself, so the parts together report what one run over the whole target would.
"""

import math
import os
import posixpath
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError
from clones.engines.security.halving import run_halving
from clones.engines.security.reported import OUT_OF_TIME, Reported, Scan, left_s
from clones.engines.security.rules import PASSWORD_RULES
from clones.engines.security.scope import Scope

_BASE = ("bandit", "--ini", "/dev/null", "-q", "-f", "json")
"""An empty settings file stands before any `.bandit` of the target."""
_PART_BYTES = 512 * 1024
_PART_FILES = 200
_PART_TIMEOUT_S = 900.0
_WORKERS = min(4, os.cpu_count() or 1)


def scan(copy: Path, scope: Scope, progress: Callable[[float], None], *, deadline: float = math.inf) -> Scan:
    """Run bandit on the Python files of `scope` that stand in `copy`.

    Raises:
        EngineError: `tool_missing`, `engine_failed`.
    """
    begin = time.monotonic()
    python = [name for name in scope.python if name.endswith(".py")]
    parts = list(_parts(copy, python))
    results: list[Reported] = []
    unread: dict[str, str] = {}
    with ThreadPoolExecutor(_WORKERS) as pool:
        for done, (found, errors) in enumerate(pool.map(lambda part: _scan_part(copy, part, deadline), parts), start=1):
            results += found
            unread |= errors
            progress(done / len(parts))
    excluded = ",".join(f"./{name}" for name in scope.excluded) or "/dev/null"
    return Scan(
        name="bandit",
        version=version("bandit"),
        command=(*_BASE, "-x", excluded, "-r", "."),  # -x also replaces bandit's own list, which hides `.github`
        results=tuple(results),
        files_analysed=len(python) - len(unread),
        duration_s=time.monotonic() - begin,
        unread=unread,
        is_part=OUT_OF_TIME in unread.values(),
        uri="https://bandit.readthedocs.io/",
    )


def _parts(copy: Path, python: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for name in python:
        part.append(name)
        size += (copy / name).stat().st_size
        if size >= _PART_BYTES or len(part) == _PART_FILES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _scan_part(copy: Path, part: Sequence[str], deadline: float) -> tuple[list[Reported], dict[str, str]]:
    """Return what is found in some of the files, or, where the time is up before both runs have ended, nothing of them."""
    try:
        return _found(copy, part, deadline)
    except process.StoppedError:
        return [], dict.fromkeys(part, OUT_OF_TIME)


def _found(copy: Path, part: Sequence[str], deadline: float) -> tuple[list[Reported], dict[str, str]]:
    answers, culprits = run_halving(part, lambda files: _run(copy, files, deadline))
    results = [_reported(each) for answer in answers for each in answer["results"]]
    unread = {_path(each["filename"]): each["reason"] for answer in answers for each in answer["errors"]}
    unread |= dict.fromkeys(culprits, "the scanner crashed on it")
    commented = [name for name in part if name not in unread and b"nosec" in (copy / name).read_bytes()]
    left = [*results]
    for answer in run_halving(commented, lambda files: _run(copy, files, deadline, "--ignore-nosec"))[0]:
        for result in map(_reported, answer["results"]):
            if result in left:
                left.remove(result)
            else:
                results.append(msgspec.structs.replace(result, suppressed=True))
    return results, unread


def _run(copy: Path, part: Sequence[str], deadline: float, *options: str) -> dict[str, Any] | None:
    """Return bandit's report, or None where the interpreter went down or the report is too long to read."""
    argv = [*_BASE, "-x", "/dev/null", *options, *(f"./{name}" for name in part)]
    ended = process.run(argv, cwd=copy, timeout_s=left_s(deadline, _PART_TIMEOUT_S))
    if ended.exit_status not in {0, 1} and ended.exit_status >= 0:
        raise EngineError(f"bandit failed: {ended.stderr[-2000:].decode(errors='replace')}")
    try:
        return msgspec.json.decode(ended.stdout, type=dict[str, Any])
    except msgspec.DecodeError:
        return None


def _path(name: str) -> str:
    return posixpath.normpath(name)  # bandit puts another "./" before each


def _reported(each: dict[str, Any]) -> Reported:
    line = each["line_number"]
    return Reported(
        engine="bandit",
        rule=each["test_id"],
        path=_path(each["filename"]),
        line=line,
        # for a password bandit tells the range of the dictionary or call that it stands in
        end_line=line if each["test_id"] in PASSWORD_RULES else max((line, *each["line_range"])),
        message=each["issue_text"],
        severity=each["issue_severity"].lower(),
        confidence=each["issue_confidence"].lower(),
    )
