"""The tests run once as they are, with the names of the tests that ran each line."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError
from clones.engines.environment import Environment, import_roots, run_env
from clones.engines.running.coverage_config import coverage_rcfile
from clones.engines.running.measured import INSIDE, pytest_arguments
from clones.engines.running.pytest_config import FoundTests
from clones.engines.running.pytest_record import fold
from clones.engines.running.watched import run_watched

_REPORT_TIMEOUT_S = 300.0
_PLUGINS = ("sanctuary_recorder", "sanctuary_contexts")


class Covering(msgspec.Struct, frozen=True, kw_only=True):
    """What the tests do to the target's own files when nothing is changed."""

    command: tuple[str, ...]
    tests: Mapping[str, Mapping[int, frozenset[str]]]
    """The tests that ran a line and passed, by file and line."""
    order: tuple[str, ...]
    """The tests as they ran."""
    failed: int
    """Tests that fail as it is; they tell nothing of a mutant."""
    problem: str
    """Why there is nothing to go by; empty where there is."""


def cover(
    copy: Path,
    found: FoundTests,
    arguments: Sequence[str],
    *,
    environment: Environment,
    scratch: Path,
    budget_s: float,
    network: bool,
) -> Covering:
    """Run the tests of `copy` for at most `budget_s` seconds.

    Raises:
        EngineError: the interpreter cannot be started.
    """
    inside, record, rcfile = scratch / "inside", scratch / "covering.jsonl", scratch / "coveragerc"
    inside.mkdir()
    for plugin in _PLUGINS:
        shutil.copy2(INSIDE / f"{plugin}.py", inside)
    rcfile.write_text(
        coverage_rcfile(copy, import_roots(copy), scratch / "coverage", over_processes=False), encoding="utf-8"
    )
    env = run_env(environment, copy, scratch, first=inside)
    env |= {"SANCTUARY_RECORD": str(record), "COVERAGE_CORE": "ctrace", "PYTHONHASHSEED": "0"}
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    own = ["-n0"] if "pytest-xdist" in environment.versions else []
    options = [*own, "-p", "no:randomly", "-p", "no:cacheprovider", *arguments]
    pytest = ["-m", "pytest", *pytest_arguments(copy, found, options, environment)]
    loaded = [part for plugin in _PLUGINS for part in ("-p", plugin)]
    argv = [environment.python, "-m", "coverage", "run", f"--rcfile={rcfile}", *pytest, *loaded]
    done = run_watched(
        argv, cwd=copy, env=env, record=record, budget_s=budget_s, on_event=lambda _: None, network=network
    )
    outcome = fold(done.events)
    problem = ""
    if done.interrupted:
        problem = f"the tests did not come to their end once in {budget_s:.0f} s"
    elif not outcome.finished or not outcome.tests_run:
        words = " / ".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-3:])[-300:]
        problem = f"the tests do not run (exit status {done.exit_status}): {words}".replace(f"{copy}/", "")
    failed = {
        str(event["test"])
        for event in done.events
        if event.get("event") == "outcome" and event.get("category") in {"failed", "error"}
    }
    tests = {} if problem else _by_line(copy, environment, env, rcfile, failed)
    return Covering(
        command=("python", *pytest),
        tests=tests,
        order=tuple(str(event["test"]) for event in done.events if event.get("event") == "running"),
        failed=len(failed),
        problem=problem or ("" if tests else "no line of the target's own packages was run by a test that passes"),
    )


def _by_line(
    copy: Path, environment: Environment, env: Mapping[str, str], rcfile: Path, failed: set[str]
) -> dict[str, dict[int, frozenset[str]]]:
    report = rcfile.parent / "contexts.json"
    for command in (["combine", "--quiet"], ["json", "--quiet", "--show-contexts", "-o", str(report)]):
        argv = [environment.python, "-m", "coverage", command[0], f"--rcfile={rcfile}", *command[1:]]
        done = process.run(argv, cwd=copy, timeout_s=_REPORT_TIMEOUT_S, env=env)
        if done.exit_status != 0:
            said = (done.stdout + done.stderr).decode(errors="replace").strip()[-300:]
            if "No data" in said:
                return {}
            raise EngineError(f"coverage {command[0]} failed: {said}")
    told = json.loads(report.read_bytes())["files"]
    found: dict[str, dict[int, frozenset[str]]] = {}
    for file, entry in sorted(told.items()):
        # one object for equal sets: most lines of a function are run by the same tests
        sets: dict[frozenset[str], frozenset[str]] = {}
        lines = found.setdefault(Path(file).as_posix(), {})
        for line, contexts in entry.get("contexts", {}).items():
            tests = frozenset(contexts) - failed - {""}
            if tests:
                lines[int(line)] = sets.setdefault(tests, tests)
    return found if any(found.values()) else {}
