"""Tests that are not Python's: `go test` and `npm test`, run in the copy where a target has none for pytest."""

import json
import re
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import process, target_files
from clones.engines.contract import EngineError
from clones.engines.running.by_hand import TOLD
from clones.engines.running.offline import offline
from clones.engines.running.pytest_record import CATEGORIES, MAX_FAILURES, MAX_SLOWEST
from clones.engines.statements import Statement

_MAX_MESSAGE = 600
_NPM_DEFAULT = "no test specified"
"""What `npm init` writes where a project has no tests."""
_GO_NAMES = {"pass": "passed", "fail": "failed", "skip": "skipped"}
# the totals of node's own runner (TAP, and its human form), of Mocha, and of Jest and Vitest
_NODE = re.compile(r"^(?:#|\N{INFORMATION SOURCE}) (pass|fail|skipped|todo|cancelled) ([0-9]+)$", re.MULTILINE)
_MOCHA = re.compile(r"^\s*([0-9]+) (passing|failing|pending)\b", re.MULTILINE)
_JEST = re.compile(r"^\s*Tests:?\s+(.*[0-9]+ (?:passed|failed).*)$", re.MULTILINE)
_TAP = re.compile(r"^(not ok|ok) [0-9]+(?: - (.*?))?( # SKIP.*)?$", re.MULTILINE | re.IGNORECASE)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_NAMES = {
    "pass": "passed",
    "passing": "passed",
    "fail": "failed",
    "failing": "failed",
    "cancelled": "failed",
    "skipped": "skipped",
    "pending": "skipped",
    "todo": "xfailed",
    "passed": "passed",
    "failed": "failed",
}


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """How a target's tests are run."""

    program: str
    declared_in: str
    install: tuple[str, ...]
    """What fetches its dependencies, with the network; empty where it has none."""
    command: tuple[str, ...]
    variables: dict[str, str] = {}
    """Of the environment, for the tests."""


def find_tools(copy: Path) -> list[Tool]:
    """Return what runs tests of a target that are not Python's, as far as it declares some."""
    return [tool for tool in (_go(copy), _npm(copy)) if tool is not None]


def _go(copy: Path) -> Tool | None:
    if not (copy / "go.mod").is_file() or not any(copy.rglob("*_test.go")):
        return None
    env = {"GOPROXY": "off"}
    if (copy / "vendor" / "modules.txt").is_file():
        download = False
    else:
        download = re.search(r"^\s*require\b", target_files.text(copy, "go.mod"), re.MULTILINE) is not None
        env["GOFLAGS"] = "-mod=mod"
    install = ("go", "mod", "download") if download else ()
    return Tool(
        program="go", declared_in="go.mod", install=install, command=("go", "test", "-json", "./..."), variables=env
    )


def _npm(copy: Path) -> Tool | None:
    try:
        package = json.loads(target_files.text(copy, "package.json"))
    except (ValueError, RecursionError):
        return None
    scripts = package.get("scripts") if isinstance(package, dict) else None
    test = scripts.get("test") if isinstance(scripts, dict) else None
    if not isinstance(test, str) or _NPM_DEFAULT in test:
        return None
    locked = (copy / "package-lock.json").is_file()
    wanted = any(package.get(kind) for kind in ("dependencies", "devDependencies"))
    # scripts of packages are not run: they could reach out, and few are needed for tests
    install = ("npm", "ci" if locked else "install", "--ignore-scripts", "--no-audit", "--no-fund") if wanted else ()
    return Tool(program="npm", declared_in="package.json", install=install, command=("npm", "test"))


def run_tool(tool: Tool, copy: Path, scratch: Path, *, budget_s: float, network: bool) -> dict[str, Any]:
    """Run the tests; returns what the engine tells of them, with a `reason` where that is not all."""
    end = time.monotonic() + budget_s
    data: dict[str, Any] = {"ran": False, "runner": tool.program, "command": list(tool.command), "duration_s": 0.0}
    data |= {"coverage": None, "files": [], "slowest": [], "failures": [], "failures_total": 0, "complete": False}
    data |= {"counts": dict.fromkeys(("total", *CATEGORIES.values()), 0), "exit_status": None}
    data["environment"] = {"kind": tool.program, "declared_in": [tool.declared_in]}
    command = " ".join(tool.command)
    if shutil.which(tool.program) is None:
        reason = f"its tests are run by `{command}` ({tool.declared_in}), and {tool.program} is not installed here"
        return data | {"reason": reason}
    home = scratch / "home"
    home.mkdir(exist_ok=True)
    env = process.minimal_env() | {"HOME": str(home), "TMPDIR": str(scratch), "CI": "true", "NO_COLOR": "1"}
    try:
        if tool.install:
            done = process.run(tool.install, cwd=copy, timeout_s=max(1.0, budget_s / 2), env=env)
            if done.exit_status != 0:
                return data | {"reason": f"`{' '.join(tool.install)}` failed: {_end(done.stderr or done.stdout)}"}
        argv = list(tool.command) if network else offline(tool.command)
        left_s = max(1.0, end - time.monotonic())
        done = process.run(argv, cwd=copy, timeout_s=left_s, env=env | tool.variables)
    except process.StoppedError as stopped:
        told = _read(tool, stopped.stdout)
        seen = f"{told['counts']['total']} tests had an outcome"
        reason = f"the budget was used up while `{command}` was running; {seen}" if told["counts"]["total"] else ""
        return data | told | {"ran": bool(reason), "reason": reason or stopped.message}
    except EngineError as error:
        return data | {"reason": error.message}
    told = _read(tool, done.stdout)
    counts = told["counts"]
    ran = counts["total"] > counts["errors"]
    said = _end(done.stdout + done.stderr)
    if ran and done.exit_status != 0 and not counts["failed"] + counts["errors"]:
        _add_error(told, f"`{command}`", f"it ended with exit status {done.exit_status}: {said}")
    data |= told | {"duration_s": round(done.duration_s, 3), "exit_status": done.exit_status, "ran": ran}
    data["complete"] = ran and not done.truncated and done.exit_status >= 0
    if counts["errors"] and not ran:
        data["reason"] = f"`{command}` came to no test: {told['failures'][0]['test']}: {told['failures'][0]['message']}"
    elif not ran:
        ended = f"`{command}` ended with exit status {done.exit_status}, and no count of tests can be read"
        data["reason"] = f"{ended} from what it says: {said}"
    return data | {"statements": [_statement(tool, done.exit_status)]}


def of_go(lines: Iterable[str]) -> dict[str, Any]:
    """Return counts, failures and the slowest tests from the lines of `go test -json` (`go doc test2json`).

    A package that fails and none of whose tests does (it does not build, or its `TestMain` ends it) is an error.
    """
    told: dict[str, Any] = {"counts": dict.fromkeys(("total", *CATEGORIES.values()), 0), "failures": []}
    counts = told["counts"]
    told["failures_total"] = 0
    said: dict[str, list[str]] = {}
    failing: set[str] = set()
    took: list[tuple[float, str]] = []
    for line in lines:
        event = _event(line)
        package, test, action = str(event.get("Package", "")), event.get("Test"), event.get("Action")
        name = package if test is None else f"{package}.{test}"
        if action == "build-output":
            said.setdefault(str(event.get("ImportPath", "")), []).append(str(event.get("Output", "")))
        elif action == "output":
            said.setdefault(name, []).append(str(event.get("Output", "")))
        elif test is None:
            if action == "fail" and package not in failing:
                built = said.pop(str(event.get("FailedBuild", "")), [])
                _add_error(told, package, _words([*built, *said.pop(package, [])]))
        elif action in _GO_NAMES:
            counts[_GO_NAMES[str(action)]] += 1
            counts["total"] += 1
            took.append((-float(event.get("Elapsed", 0.0)), name))
            output = said.pop(name, [])
            if action == "fail":
                failing.add(package)
                _add_failure(told, name, _words(output), "call")
    slowest = [{"test": name, "duration_s": -seconds} for seconds, name in sorted(took)[:MAX_SLOWEST]]
    return {**told, "slowest": slowest}


def of_npm(output: str) -> dict[str, Any]:
    """Return counts and failures from what node's runner, TAP, Mocha, Jest or Vitest print; none where it is none of them."""
    counts = dict.fromkeys(("total", *CATEGORIES.values()), 0)
    jest = _JEST.findall(output)
    totals = [(name, number) for name, number in _NODE.findall(output)]
    totals = totals or [(name, number) for number, name in _MOCHA.findall(output)]
    if jest:
        parts = re.findall(r"([0-9]+) (passed|failed|skipped|todo)", "\n".join(jest))
        totals = [(name, number) for number, name in parts]
    failed = [name for outcome, name, skip in _TAP.findall(output) if outcome.lower() == "not ok" and not skip]
    if not totals:
        lines = _TAP.findall(output)
        skipped = sum(bool(skip) for *_, skip in lines)
        totals = [
            ("passed", str(len(lines) - len(failed) - skipped)),
            ("failed", str(len(failed))),
            ("skipped", str(skipped)),
        ]
    for name, number in totals:
        counts[_NAMES[name]] += int(number)
    counts["total"] = sum(counts.values())
    failures = [{"test": name or "?", "phase": "call", "message": "", "file": None, "line": None} for name in failed]
    return {"counts": counts, "failures": failures[:MAX_FAILURES], "failures_total": counts["failed"], "slowest": []}


def _read(tool: Tool, output: bytes) -> dict[str, Any]:
    text = _COLOURS.sub("", output.decode(errors="replace"))
    return of_go(text.splitlines()) if tool.program == "go" else of_npm(text)


def _add_error(told: dict[str, Any], name: str, message: str) -> None:
    told["counts"]["errors"] += 1
    told["counts"]["total"] += 1
    _add_failure(told, name, message, "collect")


def _add_failure(told: dict[str, Any], name: str, message: str, phase: str) -> None:
    told["failures_total"] += 1
    if len(told["failures"]) < MAX_FAILURES:
        told["failures"].append({"test": name, "phase": phase, "message": message, "file": None, "line": None})


def _words(output: Iterable[str]) -> str:
    """Return what a tool says of a failure, without the lines that only frame it."""
    told = [text.strip() for text in output if text.strip() and not text.lstrip().startswith(("===", "---", "# "))]
    return " ".join(told)[:_MAX_MESSAGE]


def _statement(tool: Tool, exit_status: int) -> Mapping[str, Any]:
    command = " ".join(tool.command)
    expected = "fails" if exit_status else "passes"
    text = f"`{command}` {'succeeds' if not exit_status else f'ends with exit status {exit_status}'}"
    return Statement(text=text, how_to_check=f"{command} >/dev/null 2>&1 {TOLD}", expected=expected).plain()


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


def _end(output: bytes) -> str:
    lines: Sequence[str] = [line.strip() for line in output.decode(errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-4:])[-400:] or "it says nothing"
