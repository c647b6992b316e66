"""Try mutants one by one: each with the tests that run its line, in a copy that is as new."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from clones.engines import isolation
from clones.engines.mutation.covering import Covering
from clones.engines.mutation.mutants import Mutant, compiles
from clones.engines.triage.running import Runner

_START_S = 10.0
_TIMES_AS_LONG = 5.0
"""How much longer than without the change the tests may take, beside `_START_S`, before they count as caught in a loop."""

Outcome = Literal["killed", "timeout", "survived"]


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What the tests said of a mutant."""

    mutant: Mutant
    outcome: Outcome
    tests: tuple[str, ...]
    """Those that ran its line, in the order of the suite."""


def in_order(mutants: Sequence[Mutant], seed: int) -> list[Mutant]:
    """Return the mutants in an order that `seed` decides, the same on every machine; the first of it are a fair sample."""

    def place(mutant: Mutant) -> bytes:
        name = f"{seed}\0{mutant.file}\0{mutant.begin}\0{mutant.end}\0".encode("utf-8", "surrogatepass")
        return hashlib.sha256(name + mutant.new).digest()

    return sorted(mutants, key=place)


def tests_of(mutant: Mutant, covering: Covering) -> frozenset[str]:
    """Return the tests that run the mutant's line; coverage knows some lines only by their statement's first."""
    lines = covering.tests.get(mutant.file, {})
    return lines.get(mutant.line, frozenset()) | lines.get(mutant.statement, frozenset())


class Trial:
    """Runs mutants in the copy `root`, of which `pristine` holds the beginning."""

    def __init__(
        self, root: Path, pristine: Path, arguments: Sequence[str], *, covering: Covering, runner: Runner
    ) -> None:
        """`arguments` are the task's own for pytest."""
        self._root = root
        self._pristine = pristine
        self._arguments = arguments
        self._covering = covering
        self._runner = runner
        self._place = {test: at for at, test in enumerate(covering.order)}
        self._steady: dict[frozenset[str], tuple[tuple[str, ...], float]] = {}

    def run(
        self, mutants: Sequence[Mutant], sources: Mapping[str, bytes], most: int, tell: Callable[[int], None]
    ) -> list[Tried]:
        """Try the first `most` mutants that are programs, while there is time."""
        tried: list[Tried] = []
        for mutant in mutants:
            changed = mutant.applied(sources[mutant.file])
            if len(tried) >= most:
                break
            if not compiles(changed):
                continue
            tests, seconds = self._unchanged(tests_of(mutant, self._covering))
            limit_s = _START_S + _TIMES_AS_LONG * seconds
            if self._runner.left_s() <= limit_s:
                break
            if not tests:
                continue
            tell(len(tried))
            isolation.restore(self._root, self._pristine)
            (self._root / mutant.file).write_bytes(changed)
            ran = self._runner.some(self._root, tests, self._arguments, most_s=limit_s, stop=True)
            outcome: Outcome = "timeout" if ran.interrupted else "killed" if ran.exit_status != 0 else "survived"
            tried.append(Tried(mutant=mutant, outcome=outcome, tests=tests))
        return tried

    def _unchanged(self, tests: frozenset[str]) -> tuple[tuple[str, ...], float]:
        """Return those of `tests` that pass when only they run and nothing is changed, and the seconds that takes."""
        if tests not in self._steady:
            isolation.restore(self._root, self._pristine)
            named = sorted(tests, key=lambda test: (self._place.get(test, len(self._place)), test))
            ran = self._runner.some(self._root, named, self._arguments, most_s=self._runner.left_s())
            passing = () if ran.interrupted else tuple(test for test in named if ran.outcome(test) is True)
            self._steady[tests] = passing, ran.duration_s
        return self._steady[tests]
