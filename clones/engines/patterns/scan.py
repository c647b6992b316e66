"""Read the target's Python files and look for what costs time."""

import ast
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError
from clones.engines.isolation import NOT_COPIED
from clones.engines.patterns import loops, queries
from clones.engines.patterns.code import Scope, scopes
from clones.engines.patterns.rules import RUFF, Found
from clones.engines.security.halving import run_halving

MAX_FILE_BYTES = 1024 * 1024
"""Larger files are data in disguise."""
_RUFF = ("ruff", "check", "--isolated", "--no-cache", "--no-respect-gitignore", "--output-format", "json")
_TIMEOUT_S = 120.0


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, in the order of files and lines."""

    found: tuple[Found, ...]
    files: int
    spans: dict[str, list[tuple[int, int]]]
    """Each file's functions, by their first and last lines."""
    unread: dict[str, str]
    """Files that could not be read, and why."""


def scan(root: Path, is_own: Callable[[str], bool], *, deadline: float) -> Scan:
    """Look at the Python files below `root` that `is_own` takes, by their path relative to it; links are not followed.

    `deadline` is of `time.monotonic`: what is not read by then is left out.

    Raises:
        EngineError: ruff is not there, or failed.
    """
    modules: dict[str, ast.Module] = {}
    unread: dict[str, str] = {}
    for name in sorted(_files(root)):
        if not is_own(name):
            continue
        if time.monotonic() > deadline:
            unread[name] = "the time for reading the code was used up"
            continue
        try:
            source = (root / name).read_bytes()
            if len(source) > MAX_FILE_BYTES:
                unread[name] = f"larger than {MAX_FILE_BYTES // 1024} KiB"
                continue
            modules[name] = ast.parse(source)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            unread[name] = f"does not parse: {error}"[:200]
    relations: dict[str, frozenset[str]] = {}
    for module in modules.values():
        relations |= queries.relations_of(module)
    found: list[Found] = []
    spans: dict[str, list[tuple[int, int]]] = {}
    for name, module in modules.items():
        spans[name] = []
        try:
            for scope in scopes(module):
                found += _of_scope(scope, name, relations)
                spans[name].append((scope.first_line, scope.last_line))
        except RecursionError:
            unread[name] = "an expression is nested too deeply to be followed; ruff's rules were applied"
    found += _ruff(root, list(modules))
    ordered = sorted(set(found), key=lambda each: (each.file, each.line, each.rule))
    return Scan(found=tuple(ordered), files=len(modules), spans=spans, unread=unread)


def _of_scope(scope: Scope, file: str, relations: queries.Relations) -> Iterator[Found]:
    yield from loops.found_in(scope, file)
    yield from queries.found_in(scope, file, relations)


def _files(root: Path) -> Iterator[str]:
    for place, directories, files in os.walk(root):
        directories[:] = [name for name in directories if name not in NOT_COPIED]
        for name in files:
            path = Path(place, name)
            if name.endswith(".py") and name.isprintable() and stat.S_ISREG(path.lstat().st_mode):
                yield path.relative_to(root).as_posix()


def _ruff(root: Path, files: list[str]) -> Iterator[Found]:
    with tempfile.TemporaryDirectory(prefix="sanctuary-ruff-") as scratch:
        arguments = Path(scratch) / "files"
        answers, _ = run_halving(files, lambda some: _run(root, arguments, some))
    for answer in answers:
        for each in answer:
            if each["code"] in RUFF:
                file = Path(each["filename"]).relative_to(root.resolve()).as_posix()
                yield Found(rule=each["code"], file=file, line=int(each["location"]["row"]))


def _run(root: Path, arguments: Path, files: Sequence[str]) -> list[dict[str, Any]] | None:
    """Return ruff's report, None where it went down."""
    arguments.write_text("".join(f"./{name}\n" for name in files), encoding="utf-8")
    ended = process.run([*_RUFF, "--select", ",".join(RUFF), f"@{arguments}"], cwd=root, timeout_s=_TIMEOUT_S)
    if ended.exit_status > 1:
        raise EngineError(f"ruff failed: {ended.stderr[-1000:].decode(errors='replace')}")
    try:
        return msgspec.json.decode(ended.stdout, type=list[dict[str, Any]])
    except msgspec.DecodeError:
        return None
