"""Run single tests, or one command, again and again in copies of the target."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from clones.engines.contract import EngineError
from clones.engines.environment import Environment, run_env
from clones.engines.environment.layout import add_built_files
from clones.engines.running.measured import INSIDE, pytest_arguments
from clones.engines.running.pytest_config import FoundTests
from clones.engines.running.python_command import python_command
from clones.engines.running.watched import run_watched
from clones.engines.triage.frames import last_words

_MOST_S = 300.0
"""For one run of single tests or of the command."""
_MOST_NAMES = 50
"""On one command line; more are read from a file."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of one failure."""

    message: str
    said: str
    """The traceback, or the end of the error output."""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    passed: frozenset[str]
    failed: Mapping[str, Failure]
    """By test, as pytest names it; by the empty name for a command."""
    order: tuple[str, ...]
    """The tests as they were begun."""
    interrupted: bool
    exit_status: int | None
    duration_s: float
    last_words: str
    """The end of its output, for when it did not run at all."""

    def outcome(self, test: str) -> bool | None:
        """Return whether `test` passed; None where it had no outcome."""
        return False if test in self.failed else True if test in self.passed else None


class Runner:
    """Runs what is looked into, each run in a process of its own and within the time that is left."""

    def __init__(
        self,
        environment: Environment,
        found: FoundTests,
        scratch: Path,
        deadline: float,
        *,
        network: bool,
        packages: Path | None = None,
    ) -> None:
        """`deadline` is a time of `time.monotonic`; `network` is what the code gets beside loopback.

        `packages` is a directory from which modules are imported that neither the target nor INSIDE has.
        """
        self._environment = environment
        self._found = found
        self.scratch = scratch
        self._deadline = deadline
        self._network = network
        self._packages = packages
        self._count = 0

    def left_s(self) -> float:
        """Return the seconds that are left."""
        return max(0.0, self._deadline - time.monotonic())

    def tests(
        self, root: Path, tests: Sequence[str], *, seed: int = 0, most_s: float = _MOST_S, order: str = ""
    ) -> Ran:
        """Run `tests` in this order, or all where there are none; `seed` is the `PYTHONHASHSEED`.

        `order` is another order, as `sanctuary_order` takes it; `tests` may then hold any arguments of pytest.

        Raises:
            EngineError: the interpreter cannot be started.
        """
        own = ["-n0"] if "pytest-xdist" in self._environment.versions else []
        arguments = [*own, "-p", "no:randomly", "-p", "no:cacheprovider", "--tb=short", *tests]
        pytest = ["-m", "pytest", *pytest_arguments(root, self._found, arguments, self._environment)]
        argv = [self._environment.python, *pytest, "-p", "sanctuary_recorder", "-p", "sanctuary_order"]
        return self._run(argv, root, seed, most_s, command=False, order=order)

    def some(
        self, root: Path, tests: Sequence[str], arguments: Sequence[str], *, most_s: float, stop: bool = False
    ) -> Ran:
        """Run `tests`, however many, in this order, with the task's own `arguments` for pytest; `stop` at the first failure.

        Raises:
            EngineError: the interpreter cannot be started.
        """
        own = ["-x"] if stop else []
        if not arguments and len(tests) <= _MOST_NAMES:
            return self.tests(root, [*own, *tests], most_s=most_s)
        names = self.scratch / "order.txt"
        names.write_text("".join(f"{test}\n" for test in tests), encoding="utf-8")
        return self.tests(root, [*own, *arguments], most_s=most_s, order=f"file:{names}")

    def command(self, root: Path, command: tuple[str, ...], *, seed: int = 0) -> Ran:
        """Run a Python command; it fails where its exit status is not 0.

        Raises:
            EngineError: `incompatible_task` for what is not Python.
        """
        program = python_command(command, root, self._environment.bin())
        argv = [self._environment.python, *program.flags, *program.program]
        return self._run(argv, root, seed, _MOST_S, command=True)

    def prepared(self, root: Path) -> Path:
        """Give a tree at another commit what only a build makes."""
        add_built_files(self._environment, root)
        return root

    def _run(self, argv: list[str], root: Path, seed: int, most_s: float, *, command: bool, order: str = "") -> Ran:
        self._count += 1
        place = self.scratch / f"run-{self._count}"
        place.mkdir()
        record = place / "record.jsonl"
        env = run_env(self._environment, root, place, first=INSIDE)
        env |= {"SANCTUARY_RECORD": str(record), "PYTHONHASHSEED": str(seed), "PYTHONDONTWRITEBYTECODE": "1"}
        env |= {"SANCTUARY_ORDER": order} if order else {}
        if self._packages is not None:
            env["PYTHONPATH"] += f"{os.pathsep}{self._packages}"
        budget_s = max(1.0, min(most_s, self.left_s()))
        done = run_watched(
            argv,
            cwd=root,
            env=env,
            record=record,
            budget_s=budget_s,
            on_event=lambda _: None,
            network=self._network,
        )
        words = last_words(done.stderr.strip() or done.stdout)
        if command:
            ended = done.exit_status if done.exit_status is not None else "killed"
            failed = {"": Failure(message=words or f"exit status {ended}", said=done.stderr[-20_000:])}
            return Ran(
                passed=frozenset() if done.exit_status else frozenset(("",)),
                failed=failed if done.exit_status != 0 else {},
                order=(),
                interrupted=done.interrupted,
                exit_status=done.exit_status,
                duration_s=done.duration_s,
                last_words=words,
            )
        outcomes = [event for event in done.events if event.get("event") == "outcome"]
        return Ran(
            passed=frozenset(
                str(event["test"])
                for event in outcomes
                if event.get("category") in ("passed", "xpassed", "skipped", "xfailed")
            ),
            failed={
                str(event["test"]): Failure(message=str(event.get("message", "")), said=str(event.get("traceback", "")))
                for event in outcomes
                if event.get("category") in ("failed", "error")
            },
            order=tuple(str(event["test"]) for event in done.events if event.get("event") == "running"),
            interrupted=done.interrupted,
            exit_status=done.exit_status,
            duration_s=done.duration_s,
            last_words=words,
        )


def check_tests(tests: Sequence[str]) -> None:
    """Refuse what is no test's name.

    Raises:
        EngineError: `incompatible_task`, with the name and the reason.
    """
    for test in tests:
        path = Path(test.partition("::")[0])
        if test.startswith("-") or "\0" in test or path.is_absolute() or ".." in path.parts:
            words = f"params.tests: {test[:100]!r} is no test of the target; give names as pytest does: tests/test_a.py::test_b"
            raise EngineError(words, code="incompatible_task")
