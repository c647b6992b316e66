"""ruff's flake8-bandit rules (S): a port of bandit's that also reads what bandit's interpreter cannot."""

import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError
from clones.engines.security.reported import Reported, Scan
from clones.engines.security.scope import Scope

_BASE = ("ruff", "check", "--isolated", "--no-cache", "--no-respect-gitignore", "--select", "S")
_OUTPUT = ("--output-format", "json")
_TIMEOUT_S = 600.0


def scan(copy: Path, scope: Scope, scratch: Path) -> Scan:
    """Run ruff on the Python files of `scope` that stand in `copy`; `scratch` is a directory for its list of files.

    Raises:
        EngineError: `tool_missing`, `engine_timeout`, `engine_failed`.
    """
    begin = time.monotonic()
    listed: list[dict[str, Any]] = []
    everything: list[dict[str, Any]] = []
    if scope.python:
        arguments = scratch / "python-files"
        arguments.write_text("".join(f"./{name}\n" for name in scope.python))
        listed = _run(copy, arguments)
        everything = _run(copy, arguments, "--ignore-noqa")
    unread = dict.fromkeys(scope.not_utf8, "ruff reads UTF-8 only")
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
    exclude = [f"--exclude=./{name}" for name in scope.excluded] or ["--exclude=/dev/null"]
    return Scan(
        name="ruff",
        version=version("ruff"),
        command=(*_BASE, *_OUTPUT, *exclude, "."),  # --exclude also replaces ruff's own list
        results=tuple(results),
        files_analysed=len(scope.python) - len(unread),
        duration_s=time.monotonic() - begin,
        unread=unread,
    )


def _run(copy: Path, arguments: Path, *options: str) -> list[dict[str, Any]]:
    ended = process.run([*_BASE, *_OUTPUT, *options, f"@{arguments}"], cwd=copy, timeout_s=_TIMEOUT_S)
    try:
        if ended.exit_status in {0, 1} and not ended.truncated:
            return msgspec.json.decode(ended.stdout, type=list[dict[str, Any]])
    except msgspec.DecodeError:
        pass
    raise EngineError(f"ruff failed: {ended.stderr[-2000:].decode(errors='replace')}")


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
