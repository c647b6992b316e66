"""One run of pytest under coverage, with the recorder loaded, and what both left behind."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from clones.engines import process
from clones.engines.contract import EngineError, Progress
from clones.engines.environment import Environment, import_roots
from clones.engines.running.coverage_config import coverage_rcfile
from clones.engines.running.coverage_report import FileCoverage, files_of
from clones.engines.running.pytest_config import FoundTests, uses_xdist
from clones.engines.running.pytest_record import PytestOutcome, fold
from clones.engines.running.watched import Event, Watched, run_watched

INSIDE = Path(__file__).parent.parent / "inside"
"""Where the files are that the target's interpreter runs."""

_REPORT_TIMEOUT_S = 120.0
_PROGRESS_EVERY_S = 0.5


class MeasuredRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of pytest came to."""

    command: tuple[str, ...]
    """As a person would type it in the environment."""
    outcome: PytestOutcome
    exit_status: int | None
    interrupted: bool
    """Whether the budget was used up."""
    duration_s: float
    coverage: tuple[FileCoverage, ...]
    no_coverage: str
    """Why coverage is missing; empty where it is there."""
    last_words: str
    """The end of what pytest said, for when it could not run."""
    junit: Path
    coverage_xml: Path

    @property
    def complete(self) -> bool:
        """Whether pytest came to its end by itself."""
        return self.outcome.finished and not self.interrupted and self.exit_status in {0, 1, 5}


def run_measured(
    copy: Path,
    *,
    found: FoundTests,
    arguments: tuple[str, ...],
    environment: Environment,
    env: Mapping[str, str],
    scratch: Path,
    budget_s: float,
    progress: Progress,
    network: bool,
) -> MeasuredRun:
    """Run pytest in `copy` for at most `budget_s` seconds; `scratch/inside` is to be on the module path of `env`.

    Where coverage cannot start, the tests run without it.

    Raises:
        EngineError: the environment's interpreter cannot be started.
    """
    inside, junit, rcfile = scratch / "inside", scratch / "junit.xml", scratch / "coveragerc"
    inside.mkdir(exist_ok=True)
    shutil.copy2(INSIDE / "sanctuary_recorder.py", inside)
    workers = found.uses_xdist or uses_xdist(list(arguments))
    text = coverage_rcfile(copy, import_roots(copy), scratch / "coverage", over_processes=workers)
    rcfile.write_text(text, encoding="utf-8")
    pytest = ["-m", "pytest", *pytest_arguments(copy, found, arguments, environment)]
    full = [*pytest, "-p", "sanctuary_recorder", f"--junitxml={junit}"]
    measure = ["-m", "coverage", "run", f"--rcfile={rcfile}"] if "coverage" in environment.versions else []
    follow = _Follow(progress)

    def scrub(text: str) -> str:
        return text.replace(f"{copy}/", "").replace(str(environment.bin().parent), "<environment>")

    def attempt(argv: list[str], name: str, left_s: float) -> Watched:
        record = scratch / name
        variables = {**env, "SANCTUARY_RECORD": str(record)}
        return run_watched(
            argv,
            cwd=copy,
            env=variables,
            record=record,
            budget_s=max(left_s, 1.0),
            on_event=follow.take,
            network=network,
        )

    done = attempt([environment.python, *measure, *full], "record-1.jsonl", budget_s)
    no_coverage = "" if measure else "coverage is not installed in the target's environment"
    if measure and not done.events and done.exit_status == 1:  # pytest has other statuses for its own refusals
        no_coverage = f"coverage could not start: {scrub(_tail(done))}"
        done = attempt([environment.python, *full], "record-2.jsonl", budget_s - done.duration_s)
    progress(0.9, "reading the coverage")
    files: tuple[FileCoverage, ...] = ()
    if not no_coverage:
        try:
            files = _coverage(copy, environment, env, rcfile, scratch)
        except EngineError as error:
            no_coverage = error.message
    return MeasuredRun(
        command=("python", *pytest),
        outcome=fold(done.events, scrub=scrub),
        exit_status=done.exit_status,
        interrupted=done.interrupted,
        duration_s=done.duration_s,
        coverage=files,
        no_coverage=no_coverage or ("" if files else "no line of the target's own packages was measured"),
        last_words=scrub(_tail(done)),
        junit=junit,
        coverage_xml=scratch / "coverage.xml",
    )


def pytest_arguments(copy: Path, found: FoundTests, arguments: Sequence[str], environment: Environment) -> list[str]:
    """Return what pytest is started with beside the engine's own: the target's configuration decides the rest.

    `--no-cov` keeps a configured pytest-cov from measuring too, which would take the tracer away.
    """
    own = ["--no-cov"] if "pytest-cov" in environment.versions else []
    named = any((copy / argument.partition("::")[0]).exists() for argument in arguments if argument)
    return [*own, *arguments, *(() if named else found.paths)]


def _coverage(
    copy: Path, environment: Environment, env: Mapping[str, str], rcfile: Path, scratch: Path
) -> tuple[FileCoverage, ...]:
    if not list(scratch.glob("coverage.*")):
        raise EngineError("the test process ended without writing its coverage")
    for command in (
        ["combine", f"--rcfile={rcfile}", "--quiet"],
        ["json", f"--rcfile={rcfile}", "--quiet", "-o", str(scratch / "coverage.json")],
        ["xml", f"--rcfile={rcfile}", "--quiet", "-o", str(scratch / "coverage.xml")],
    ):
        argv = [environment.python, "-m", "coverage", *command]
        done = process.run(argv, cwd=copy, timeout_s=_REPORT_TIMEOUT_S, env=env)
        if b"No data to report" in done.stdout + done.stderr:
            return ()
        if done.exit_status != 0:
            said = (done.stdout + done.stderr).decode(errors="replace").strip()[-300:]
            raise EngineError(f"coverage {command[0]} failed: {said}")
    return files_of(json.loads((scratch / "coverage.json").read_bytes()))


def _tail(done: Watched) -> str:
    """Return the end of what a process said, from its last `error:` on, at most 500 characters."""
    lines = [line.strip() for line in (done.stderr.strip() or done.stdout.strip()).splitlines() if line.strip()][-6:]
    start = max((index for index, line in enumerate(lines) if "error: " in line), default=0)
    return " / ".join(lines[start:])[-500:]


class _Follow:
    """Tells how far the tests are, at most twice a second."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._collected = self._done = self._bad = 0
        self._told = 0.0

    def take(self, event: Event) -> None:
        kind = event.get("event")
        if kind == "collected":
            self._collected = int(event["tests"])
            self._progress(0.3, f"{self._collected} tests collected")
        elif kind == "phase" and event["phase"] == "teardown":
            self._done += 1
        elif kind == "outcome" and event["category"] in {"failed", "error"}:
            self._bad += 1
        now = time.monotonic()
        if self._done and (now - self._told >= _PROGRESS_EVERY_S or self._done == self._collected):
            self._told = now
            fraction = 0.3 + 0.6 * min(self._done / max(self._collected, 1), 1.0)
            all_tests = self._collected or "an unknown number of"
            self._progress(fraction, f"{self._done} of {all_tests} tests run, {self._bad} failed")
