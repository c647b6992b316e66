"""oxlint's rules on security for JavaScript and TypeScript; an extra, for it is a linter of 15 MB that Python projects do not need."""

import math
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError, NotAnalysed
from clones.engines.security.halving import run_halving
from clones.engines.security.reported import OUT_OF_TIME, Reported, Scan, left_s
from clones.engines.security.rules import Rule
from clones.engines.security.scope import Scope

NAME = "oxlint"
HOW_TO_GET = (
    "it is looked through for secrets alone: oxlint is not here; `pip install 'sanctuary-bus[javascript]'` adds it"
)
SUFFIXES = frozenset({".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".vue", ".svelte"})
_TIMEOUT_S = 300.0
_MAX_BYTES = 1024 * 1024
_PART_FILES = 500
_CODE = re.compile(r"(?P<plugin>\w+)\((?P<rule>[\w-]+)\)")
_EVAL_CHECK = "follow the text back: it is a flaw if anything that a user or the network can change gets into it"
_RULES = {
    "no-eval": Rule(
        title="`eval` runs text as code", cwe=95, severity="medium", confidence="medium", check=_EVAL_CHECK
    ),
    "no-implied-eval": Rule(
        title="A timer runs text as code", cwe=95, severity="medium", confidence="medium", check=_EVAL_CHECK
    ),
    "no-new-func": Rule(
        title="`Function` makes code of text", cwe=95, severity="medium", confidence="medium", check=_EVAL_CHECK
    ),
    "no-script-url": Rule(
        title="An address runs a script",
        cwe=79,
        severity="low",
        confidence="medium",
        check="does anything from outside get into the text after `javascript:`; a policy that forbids such addresses cannot be set",
    ),
    "react/no-danger": Rule(
        title="Markup is put into the page as it is",
        cwe=79,
        severity="medium",
        confidence="medium",
        check="where does the markup come from, and what takes scripts out of it on the way",
    ),
    "react/jsx-no-target-blank": Rule(
        title="A page that is opened may steer the one that opened it",
        cwe=1022,
        severity="low",
        confidence="medium",
        check='browsers from before 2021 need `rel="noopener"`; is the address one\'s own',
    ),
}
"""What is asked of oxlint, and what it means; its other rules are about quality."""
_SETTINGS = msgspec.json.encode(
    {
        "plugins": ["react", "typescript", "unicorn"],
        "categories": {"correctness": "off"},
        "rules": dict.fromkeys(_RULES, "error"),
    }
)


def scan(copy: Path, scope: Scope, progress: Callable[[float], None], *, deadline: float = math.inf) -> Scan:
    """Run oxlint, where it is installed, on the files of `scope` that stand in `copy`; else `left_out` says how to add it."""
    begin = time.monotonic()
    progress(0.0)
    files = [name for name in scope.files if PurePosixPath(name).suffix in SUFFIXES]
    own = [name for name in files if ".min." not in name and (copy / name).stat().st_size <= _MAX_BYTES]
    left_out = []
    if len(own) < len(files):
        reason = f"{len(files) - len(own)} are minified or above {_MAX_BYTES} bytes, so made by a tool"
        left_out.append(NotAnalysed(subject="JavaScript files", reason=reason))
    installed = shutil.which(NAME, path=process.minimal_env()["PATH"]) is not None
    if own and not installed:
        left_out.append(NotAnalysed(subject="JavaScript and TypeScript", reason=HOW_TO_GET))
        own = []
    results: list[Reported] = []
    unread: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="sanctuary-oxlint-") as scratch:
        settings = Path(scratch) / "oxlint.json"
        settings.write_bytes(_SETTINGS)
        for at in range(0, len(own), _PART_FILES):
            part = own[at : at + _PART_FILES]
            try:
                answers, culprits = run_halving(part, lambda names: _run(copy, settings, names, deadline))
            except process.StoppedError:
                unread |= dict.fromkeys(part, OUT_OF_TIME)
                continue
            unread |= dict.fromkeys(culprits, "oxlint crashed on it")
            for each in (one for answer in answers for one in answer):
                if (reported := _reported(each)) is not None:
                    results.append(reported)
                elif "code" not in each:
                    unread.setdefault(_path(each), f"line {_line(each)}: {each['message']}")
    return Scan(
        name=NAME,
        version=_version(copy) if installed else "not installed",
        command=(),
        results=tuple(sorted(results, key=lambda each: (each.path, each.line, each.rule))),
        files_analysed=len(own) - len(unread),
        duration_s=time.monotonic() - begin,
        unread=unread,
        left_out=tuple(left_out),
        is_part=OUT_OF_TIME in unread.values(),
        uri="https://oxc.rs",
    )


def _run(copy: Path, settings: Path, files: Sequence[str], deadline: float) -> list[dict[str, Any]] | None:
    """Return oxlint's report, or None where it went down; its parser has no limit on depth."""
    argv = (NAME, "-c", str(settings), "--disable-nested-config", "--no-ignore", "--threads=1", "-f", "json")
    ended = process.run([*argv, *(f"./{name}" for name in files)], cwd=copy, timeout_s=left_s(deadline, _TIMEOUT_S))
    try:
        return msgspec.json.decode(ended.stdout, type=_Report).diagnostics
    except msgspec.MsgspecError:
        return None


class _Report(msgspec.Struct, frozen=True):
    diagnostics: list[dict[str, Any]]


def _version(copy: Path) -> str:
    try:
        said = process.run([NAME, "--version"], cwd=copy, timeout_s=20).stdout.decode(errors="replace").strip()
    except EngineError:
        return "unknown"
    return said.rpartition(" ")[2] or "unknown"


def _reported(each: dict[str, Any]) -> Reported | None:
    """Return a result of one of the rules; None for what is no result, such as a syntax error."""
    match = _CODE.fullmatch(each.get("code", ""))
    if match is None:
        return None
    name = match["rule"] if match["plugin"] == "eslint" else f"{match['plugin']}/{match['rule']}"
    rule = _RULES.get(name) or _RULES.get(match["rule"])
    if rule is None:
        return None
    return Reported(
        engine=NAME,
        rule=f"oxlint/{name}",
        path=_path(each),
        line=_line(each),
        end_line=_line(each),
        message=each["message"],
        severity=rule.severity,
        confidence=rule.confidence,
        cwe=rule.cwe,
        title=rule.title,
        check=rule.check,
    )


def _path(each: dict[str, Any]) -> str:
    return PurePosixPath(each["filename"]).as_posix()


def _line(each: dict[str, Any]) -> int:
    labels = each.get("labels") or [{}]
    return int(labels[0].get("span", {}).get("line", 1))
