"""Run drafted property tests in the copy of a target: what runs is kept, what fails is a finding."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from clones.engines.properties import counterexamples, writing
from clones.engines.properties.counterexamples import Counterexample
from clones.engines.properties.drafts import Draft, Property
from clones.engines.triage.running import Failure, Ran, Runner

MAX_S = 60.0
"""For the tests of one function; most take a second or two."""
_REFUSED = "refused: "
_MAX_REASON = 200


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A property that was tried to its end."""

    item: Property
    counterexample: Counterexample | None
    """None where it holds for all that was tried."""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a draft."""

    draft: Draft
    results: tuple[Result, ...]
    left_out: tuple[str, ...]
    """Why properties are not among them, each reason once."""


def attempt(draft: Draft, root: Path, runner: Runner) -> Tried:
    """Run all tests of a draft in the copy `root`, which is afterwards what it was.

    Raises:
        EngineError: the interpreter cannot be started.
    """
    name = writing.file_name(draft)
    file = root / name
    if file.exists():
        return Tried(draft=draft, results=(), left_out=(f"the target has a file {name} of its own",))
    file.write_text(writing.write(draft, draft.properties), encoding="utf-8")
    try:
        ran = runner.tests(root, ["-p", "sanctuary_guard", name], most_s=MAX_S)
    finally:
        file.unlink(missing_ok=True)
    return judge(draft, ran)


def judge(draft: Draft, ran: Ran) -> Tried:
    """Decide what a run says of each property."""
    results: list[Result] = []
    reasons: dict[str, None] = {}
    passed = {test.rpartition("::")[2] for test in ran.passed}
    failed = {test.rpartition("::")[2]: failure for test, failure in ran.failed.items()}
    for item in draft.properties:
        test = writing.name_of_test(draft, item)
        if test in failed:
            example = _example(failed[test], draft.own)
            if example is None:
                reasons[_why_not(failed[test])] = None
            else:
                results.append(Result(item=item, counterexample=example))
        elif test in passed:
            results.append(Result(item=item, counterexample=None))
        else:
            reasons[_without_outcome(ran)] = None
    return Tried(draft=draft, results=tuple(results), left_out=tuple(reasons))


def _example(failure: Failure, own: Sequence[str]) -> Counterexample | None:
    """Read the counterexample: the message may be cut before it, the traceback's lines that begin with E are not."""
    if failure.message.startswith(_REFUSED) or _REFUSED in failure.message.partition("\n")[0]:
        return None
    lines = [line[1:].removeprefix("   ") for line in failure.said.splitlines() if line.startswith("E ")]
    found = counterexamples.read(failure.message, own) or counterexamples.read("\n".join(lines), own)
    error = counterexamples.error_of(failure.message)
    return msgspec.structs.replace(found, error=error) if found is not None else None


def _why_not(failure: Failure) -> str:
    first = failure.message.partition("\n")[0]
    if _REFUSED in first:
        return f"it reaches outside of itself ({first.partition(_REFUSED)[2]}), which made-up values are not let do"
    if first.startswith("hypothesis.errors.Unsatisfi"):
        return "it takes hardly any of the values that are made up for it"
    return f"no counterexample that can be told: {first[:_MAX_REASON]}"


def _without_outcome(ran: Ran) -> str:
    if ran.interrupted:
        return f"its tests did not come to their end in {MAX_S:g} s: for some value it may take very long"
    if ran.failed:
        return (
            f"its module cannot be imported: {next(iter(ran.failed.values())).message.splitlines()[-1][:_MAX_REASON]}"
        )
    return f"its tests do not run: {ran.last_words[:_MAX_REASON]}"
