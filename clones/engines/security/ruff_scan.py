"""ruff's flake8-bandit rules (S): a port of bandit's that also reads what bandit's interpreter cannot."""

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError
from clones.engines.security.halving import run_halving
from clones.engines.security.reported import OUT_OF_TIME, Reported, Scan, left_s
from clones.engines.security.scope import Scope

_BASE = ("ruff", "check", "--isolated", "--no-cache", "--no-respect-gitignore", "--select", "S")
_OUTPUT = ("--output-format", "json")
_TIMEOUT_S = 600.0
_CRASHED = "the scanner crashed on it"


def scan(copy: Path, scope: Scope, progress: Callable[[float], None], *, deadline: float = math.inf) -> Scan:
    """Run ruff on the Python files of `scope` that stand in `copy`.

    Raises:
        EngineError: `tool_missing`, `engine_failed`.
    """
    begin = time.monotonic()
    listed: list[dict[str, Any]] = []
    everything: list[dict[str, Any]] = []
    culprits: list[str] = []
    unread = dict.fromkeys(scope.not_utf8, "ruff reads UTF-8 only")
    is_part = False
    with tempfile.TemporaryDirectory(prefix="sanctuary-ruff-") as scratch:
        run = partial(_run, copy, Path(scratch) / "python-files", deadline)
        try:
            answers, culprits = run_halving(scope.python, run)
            listed = [each for answer in answers for each in answer]
            read = [name for name in scope.python if name not in set(culprits)]
            everything = [
                each for answer in run_halving(read, partial(run, options=("--ignore-noqa",)))[0] for each in answer
            ]
        except process.StoppedError:
            listed, culprits, is_part = [], [], True
            unread |= dict.fromkeys(scope.python, OUT_OF_TIME)
    unread |= dict.fromkeys(culprits, _CRASHED)
    for each in listed:
        if each["code"] == "invalid-syntax":
            place = each["location"]["row"]
            unread.setdefault(_path(copy, each), f"line {place}: {each['message']}")
    known = {msgspec.json.encode(each) for each in listed}
    results = [
        _reported(copy, each, suppressed=msgspec.json.encode(each) not in known)
        for each in everything
        if each["code"] != "invalid-syntax"
    ]
    # --exclude also replaces ruff's own list
    exclude = ["--exclude=*.ipynb", *(f"--exclude=./{name}" for name in (*scope.excluded, *culprits))]
    return Scan(
        name="ruff",
        version=version("ruff"),
        command=(*_BASE, *_OUTPUT, *exclude, "."),
        results=tuple(results),
        files_analysed=len(scope.python) - len(unread),
        duration_s=time.monotonic() - begin,
        unread=unread,
        is_part=is_part,
        uri="https://docs.astral.sh/ruff/",
    )


def _run(
    copy: Path, arguments: Path, deadline: float, files: Sequence[str], options: Sequence[str] = ()
) -> list[dict[str, Any]] | None:
    """Return ruff's report, or None where it went down (its parser has no limit on depth) or is too long to read."""
    arguments.write_text("".join(f"./{name}\n" for name in files))
    ended = process.run([*_BASE, *_OUTPUT, *options, f"@{arguments}"], cwd=copy, timeout_s=left_s(deadline, _TIMEOUT_S))
    if ended.exit_status not in {0, 1} and ended.exit_status >= 0:
        raise EngineError(f"ruff failed: {ended.stderr[-2000:].decode(errors='replace')}")
    try:
        return msgspec.json.decode(ended.stdout, type=list[dict[str, Any]])
    except msgspec.DecodeError:
        return None


def _path(copy: Path, each: dict[str, Any]) -> str:
    return Path(each["filename"]).relative_to(copy.resolve()).as_posix()


def _reported(copy: Path, each: dict[str, Any], *, suppressed: bool) -> Reported:
    return Reported(
        engine="ruff",
        rule=each["code"],
        path=_path(copy, each),
        line=each["location"]["row"],
        end_line=each["end_location"]["row"],
        message=each["message"],
        suppressed=suppressed,
    )
