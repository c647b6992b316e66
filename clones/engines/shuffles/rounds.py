"""Run the tests in several orders, and tell what the order decides from what nothing decides. No input or output of its own."""

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from clones.engines.triage.running import Ran

MAX_LOOKED_INTO = 10
"""Tests for which the cause is looked for; of the others it is told that their outcome changed."""
_CONFIRMATIONS = 3
"""Runs that must all agree before a test is said to follow the order."""
_ALONE = 8
"""Runs by itself in which a flaky test may show both outcomes."""

Verdict = Literal["flaky", "order-dependent", "undecided"]
Run = Callable[[Sequence[str], int | None], Ran]
"""Runs the named tests in that order, or all of them: in the order that a seed names, or in pytest's own where it is None."""


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One run of all tests."""

    seed: int | None
    ran: Ran


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What a test's outcome follows."""

    verdict: Verdict
    """`flaky`: both outcomes in the same order. `order-dependent`: each order always has the same. `undecided`: there was
    no time to tell, or it was not among the first."""
    alone: bool | None = None
    """For `order-dependent`: whether it passes by itself."""
    behind: tuple[str, ...] = ()
    """For `order-dependent`: tests after which its outcome is the other one."""
    both_alone: bool = False
    """For `flaky`: whether it showed both outcomes by itself."""


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A test with both outcomes."""

    test: str
    cause: Cause
    passed_in: tuple[int | None, ...]
    failed_in: tuple[int | None, ...]
    """The orders by their seeds, None for pytest's own; one for each run."""
    message: str


class Shuffled(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    rounds: tuple[Round, ...]
    """pytest's own order first, then a round for each seed; a round that was repeated comes twice."""
    done: int
    """Shuffled orders that were run, whole."""
    changed: tuple[Changed, ...]


def shuffle(run: Run, asked: int, left_s: Callable[[], float], tell: Callable[[str], None]) -> Shuffled:
    """Run all tests in pytest's order and in `asked` others, as far as time allows, and look into what changes."""
    look = _Look(run, left_s, tell)
    for seed in (None, *range(1, asked + 1)):
        if not look.whole(seed):
            break
    seen = look.outcomes()
    both = [test for test, outcomes in seen.items() if {True, False} <= {passed for _, passed in outcomes}]
    done = len({found.seed for found in look.rounds} - {None})
    undecided = Cause(verdict="undecided")
    causes = [look.into(test) if at < MAX_LOOKED_INTO else undecided for at, test in enumerate(both)]
    seen = look.outcomes()
    changed = [
        Changed(
            test=test,
            cause=cause,
            passed_in=tuple(seed for seed, passed in seen[test] if passed),
            failed_in=tuple(seed for seed, passed in seen[test] if not passed),
            message=look.message(test),
        )
        for test, cause in zip(both, causes, strict=True)
    ]
    return Shuffled(rounds=tuple(look.rounds), done=done, changed=tuple(changed))


class _Look:
    """Runs what is needed, while there is time for one more of its kind."""

    def __init__(self, run: Run, left_s: Callable[[], float], tell: Callable[[str], None]) -> None:
        self.rounds: list[Round] = []
        self._run = run
        self._left_s = left_s
        self._tell = tell
        self._longest = {"whole": 0.0, "part": 0.0}

    def whole(self, seed: int | None) -> bool:
        """Run all tests in one order; returns whether that came to its end."""
        self._tell("running the tests in their own order" if seed is None else f"running the tests in order {seed}")
        ran = self._timed("whole", (), seed)
        if ran is None or ran.interrupted:
            return False
        self.rounds.append(Round(seed=seed, ran=ran))
        return True

    def outcomes(self) -> dict[str, list[tuple[int | None, bool]]]:
        """Return how each test ended, by round, the tests by name."""
        found: dict[str, list[tuple[int | None, bool]]] = {}
        for each in self.rounds:
            for test in sorted({*each.ran.passed, *each.ran.failed}):
                found.setdefault(test, []).append((each.seed, test not in each.ran.failed))
        return dict(sorted(found.items()))

    def message(self, test: str) -> str:
        """Return what was said of its first failure."""
        return next((each.ran.failed[test].message for each in self.rounds if test in each.ran.failed), "")

    def into(self, test: str) -> Cause:
        """Decide what a test's outcome follows."""
        passing = next(each for each in self.rounds if each.ran.outcome(test) is True)
        failing = next(each for each in self.rounds if each.ran.outcome(test) is False)
        for seed in (failing.seed, passing.seed):
            if sum(each.seed == seed for each in self.rounds) < 2:
                self.whole(seed)
        by_order: dict[int | None, set[bool]] = {}
        for seed, passed in self.outcomes()[test]:
            by_order.setdefault(seed, set()).add(passed)
        if any(len(outcomes) == 2 for outcomes in by_order.values()):
            return Cause(verdict="flaky", both_alone=self._both_alone(test))
        self._tell(f"looking for what {test} depends on")
        alone = self._outcome((), test)
        if alone is None:
            return Cause(verdict="undecided")
        # Whatever ran after it cannot matter: what decides stands before it in the order with the other outcome.
        other = failing if alone else passing
        before = other.ran.order[: other.ran.order.index(test)] if test in other.ran.order else ()
        behind = self._narrowed(test, before, alone)
        again = [self._again(test, behind, behind_first=bool(at % 2)) for at in range(_CONFIRMATIONS - 1) if behind]
        if again and all(outcomes == (alone, not alone) for outcomes in again):
            return Cause(verdict="order-dependent", alone=alone, behind=behind)
        both_alone = self._both_alone(test)
        contradicted = any(first is (not alone) or second is alone for first, second in again)
        return Cause(verdict="flaky" if both_alone or contradicted else "undecided", both_alone=both_alone)

    def _again(self, test: str, behind: Sequence[str], *, behind_first: bool) -> tuple[bool | None, bool | None]:
        """Return how it ends alone and behind the others; in either turn, as an outcome may change with every run."""
        if behind_first:
            second = self._outcome(behind, test)
            return self._outcome((), test), second
        return self._outcome((), test), self._outcome(behind, test)

    def _narrowed(self, test: str, before: Sequence[str], alone: bool) -> tuple[str, ...]:
        """Leave out of `before` what the other outcome does not need; empty where all of it is not enough for that."""
        behind = tuple(before)
        if not behind or self._outcome(behind, test) is not (not alone):
            return ()
        size = len(behind)
        while len(behind) > 1 and size:
            # delta debugging: leave out pieces, smaller and smaller ones, so that two tests far apart are found, too
            size = min(size, max(1, len(behind) // 2))
            pieces = [behind[at : at + size] for at in range(0, len(behind), size)]
            for piece in pieces:
                left = tuple(name for name in behind if name not in set(piece))
                if left and self._outcome(left, test) is (not alone):
                    behind = left
                    break
            else:
                if size == 1:
                    break
                size //= 2
        return behind

    def _both_alone(self, test: str) -> bool:
        """Run it by itself until both outcomes were seen."""
        seen: set[bool | None] = set()
        for _ in range(_ALONE):
            seen.add(self._outcome((), test))
            if {True, False} <= seen:
                return True
            if None in seen:
                break
        return False

    def _outcome(self, before: Sequence[str], test: str) -> bool | None:
        """Return whether it passes behind `before`; None where there was no time, or it had no outcome."""
        ran = self._timed("part", (*before, test), None)
        return None if ran is None else ran.outcome(test)

    def _timed(self, kind: str, tests: Sequence[str], seed: int | None) -> Ran | None:
        if self._left_s() <= 1.5 * self._longest[kind]:
            return None
        ran = self._run(tests, seed)
        self._longest[kind] = max(self._longest[kind], ran.duration_s)
        return ran
