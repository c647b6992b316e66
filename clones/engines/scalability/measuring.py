"""Throughput of a command by itself: k copies of it at once, for k = 1, 2, 4 and so on."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from clones.engines import isolation, process
from clones.engines.contract import EngineError, NotAnalysed, Progress
from clones.engines.environment import prepare, run_env
from clones.engines.running.python_command import python_command
from clones.engines.scalability.model import LEAST_POINTS

_ROUNDS = 3
_INSTALL_SHARE = 0.5
_LEAST_MOST = 8
"""Copies at the most on a small machine: four points, as many as the law needs."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One number of copies."""

    n: int
    elapsed_s: tuple[float, ...]
    """Of each round, from the start of all to the end of the last."""

    @property
    def throughput(self) -> float:
        """Return runs a second, of the round in the middle."""
        return self.n / statistics.median(self.elapsed_s)


def measure(
    target: Path, command: tuple[str, ...], budget_s: float, progress: Progress
) -> tuple[list[Measured], int, tuple[NotAnalysed, ...]]:
    """Run `command` in a copy of `target`, k at once; returns what was measured, the number of cores, and what was not.

    Raises:
        EngineError: `incompatible_task` for what is not Python or fails, `engine_timeout` where the budget does not
            suffice for the points that the law needs.
    """
    begin = time.monotonic()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="sanctuary-scalability-") as name:
        scratch = Path(name)
        progress(0.0, "copying the target")
        copied = isolation.copy_target(target, scratch / "copy")
        environment = prepare(target, copied.root, progress, deadline=begin + budget_s * _INSTALL_SHARE)
        program = python_command(command, copied.root, environment.bin())
        argv = [environment.python, *program.flags, *program.program]
        places = [scratch / f"at-{number}" for number in range(max(_LEAST_MOST, 2 * cores))]
        for place in places:
            place.mkdir()
        environments = [run_env(environment, copied.root, place) for place in places]

        def one(number: int) -> None:
            left_s = max(1.0, begin + budget_s - time.monotonic())
            done = process.run(argv, cwd=copied.root, timeout_s=left_s, env=environments[number])
            if done.exit_status != 0:
                said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no word of why"]
                words = f"params.command ends with exit status {done.exit_status}: {said[0][:300]}"
                raise EngineError(words, code="incompatible_task")

        found: list[Measured] = []
        n = 1
        try:
            one(0)  # what only a first run does, such as compiling modules, counts for nobody
            while n <= len(places):
                progress(0.2 + 0.7 * n / len(places), f"running {n} at once")
                found.append(Measured(n=n, elapsed_s=tuple(_round(one, n) for _ in range(_ROUNDS))))
                n *= 2
                if begin + budget_s - time.monotonic() < found[-1].elapsed_s[-1] * 2 * _ROUNDS:
                    break
        except EngineError as error:
            if error.code != "engine_timeout":
                raise
    if len(found) < LEAST_POINTS:
        words = (
            f"the budget of {budget_s:g} s was over after {len(found)} of the {LEAST_POINTS} numbers of copies that the law "
            "needs; give a larger budget_s or a shorter command"
        )
        raise EngineError(words, code="engine_timeout")
    if n > len(places):
        return found, cores, ()
    reason = f"the budget of {budget_s:g} s was over: {n} copies at once and more were not run"
    return found, cores, (NotAnalysed(subject="larger n", reason=reason),)


def _round(one: Callable[[int], None], n: int) -> float:
    with ThreadPoolExecutor(n) as pool:
        begin = time.monotonic()
        for done in [pool.submit(one, number) for number in range(n)]:
            done.result()
        return time.monotonic() - begin
