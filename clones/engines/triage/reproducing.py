"""Whether it fails always, sometimes, or only after other tests."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from clones.engines.triage.running import Failure, Ran, Runner

Verdict = Literal["always", "sometimes", "hash order", "after others", "never", "unknown"]


class Reproduced(msgspec.Struct, frozen=True, kw_only=True):
    """What came of running one test, or the command, by itself."""

    test: str
    """Empty for the command."""
    verdict: Verdict
    """`always`, `sometimes` (same conditions, both outcomes), `hash order` (follows `PYTHONHASHSEED`), `after others` (passes
    alone, fails behind other tests), `never`, `unknown` (no outcome at all)."""
    runs: int
    """By itself, each with another `PYTHONHASHSEED`, from 0."""
    failed_seeds: tuple[int, ...]
    failure: Failure | None
    last_words: str
    polluters: tuple[str, ...] = ()
    """Tests after which it fails, for `after others`."""
    narrowed: bool = False
    """Whether `polluters` is a single test."""


def reproduce(test: str, run: Callable[[int], Ran], repeats: int, left_s: Callable[[], float]) -> Reproduced:
    """Run `test` by itself up to `repeats` times, while there is time for one more."""
    failed: list[int] = []
    failure: Failure | None = None
    runs = unknown = 0
    longest = 0.0
    words = ""
    for seed in range(repeats):
        if runs and left_s() < longest * 2:
            break
        done = run(seed)
        longest = max(longest, done.duration_s)
        runs += 1
        words = done.last_words
        outcome = done.outcome(test)
        if outcome is False:
            failed.append(seed)
            failure = done.failed[test]
        unknown += outcome is None
    verdict: Verdict = "always" if len(failed) == runs else "never" if not failed else "sometimes"
    if unknown:
        verdict = "unknown" if not failed else "sometimes"
    elif verdict == "sometimes" and left_s() > longest * 4:
        passed = next(seed for seed in range(runs) if seed not in failed)
        again = run(failed[0]).outcome(test), run(passed).outcome(test)
        verdict = "hash order" if again == (False, True) else "sometimes"
    return Reproduced(
        test=test, verdict=verdict, runs=runs, failed_seeds=tuple(failed), failure=failure, last_words=words
    )


def after_others(found: Reproduced, root: Path, runner: Runner, order: Sequence[str]) -> Reproduced:
    """Look for the tests after which `found.test` fails; `order` are the tests that ran before it where it failed.

    Halves the list as long as either half suffices; what then is left is told as it is.
    """
    candidates = list(order)
    failure: Failure | None = None
    longest = 0.0

    def fails(before: Sequence[str]) -> bool:
        nonlocal failure, longest
        done = runner.tests(root, [*before, found.test])
        longest = max(longest, done.duration_s)
        if done.outcome(found.test) is False:
            failure = done.failed[found.test]
            return True
        return False

    if not candidates or not fails(candidates):
        return found
    while len(candidates) > 1 and runner.left_s() > longest * 2:
        half = len(candidates) // 2
        if fails(candidates[half:]):
            candidates = candidates[half:]
        elif fails(candidates[:half]):
            candidates = candidates[:half]
        else:
            break
    return msgspec.structs.replace(
        found,
        verdict="after others",
        failure=failure,
        polluters=tuple(candidates),
        narrowed=len(candidates) == 1,
    )
