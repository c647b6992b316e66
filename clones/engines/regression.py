"""The second half of `performance` with `against` or `beside`: both profiled in turn, and the difference with its noise."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import git
from clones.engines.contract import EngineOutput, NotAnalysed, Progress
from clones.engines.environment import Environment
from clones.engines.environment.layout import add_built_files
from clones.engines.running.compared import CONFIDENCE, Change, Place, functions
from clones.engines.statements import Lines, Statement, quoted

_LEAST_ROUNDS = 2


class Profiled(msgspec.Struct, frozen=True, kw_only=True):
    """One profile."""

    wall_s: float
    cpu_s: float
    own: Mapping[Place, float]
    """Seconds in each function of the target itself."""
    complete: bool
    exit_status: int | None


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Where the program is run, and what it is compared with."""

    now: Path
    scratch: Path
    environment: Environment
    earlier: git.Since | None
    """The revision; None where another command is run in the same tree."""
    name: str
    """What it is compared with, as a reader would type it."""


RunOnce = Callable[[str, Path, Path, float], Profiled | None]
"""Profiles what is called `before` or `after` in a tree, with a directory of its own, within seconds."""


def compare(
    output: EngineOutput,
    target: Path,
    pair: Pair,
    *,
    rounds: int,
    run_once: RunOnce,
    deadline: float,
    progress: Progress,
) -> EngineOutput:
    """Return `output` with `data["compared"]`: both profiled in turn until the rounds or the time are used up.

    Where one of them cannot be profiled, `data["compared"]` is None and `not_analysed` says why.
    """
    before = pair.now
    if pair.earlier is not None:
        before = pair.scratch / "earlier" / pair.now.name
        before.mkdir(parents=True)
        if not git.extract(target, pair.earlier.commit, ("",), before):
            return _without(output, f"{pair.name} is too large to be written out")
        add_built_files(pair.environment, before)
    warm = pair.scratch / "before-warm"
    warm.mkdir()
    run_once(
        "before", before, warm, (deadline - time.monotonic()) / 2
    )  # compiles its modules, as the other's are by now
    done: list[tuple[Profiled, Profiled]] = []
    longest = 0.0
    while len(done) < rounds and (len(done) < _LEAST_ROUNDS or deadline - time.monotonic() > longest * 1.2):
        started = time.monotonic()
        progress(0.5 + 0.4 * len(done) / rounds, f"round {len(done) + 1} of {rounds}, of both")
        found: dict[str, Profiled] = {}
        order = [("before", before), ("after", pair.now)]
        for word, root in order if len(done) % 2 == 0 else reversed(order):  # a machine that slows down slows both
            place = pair.scratch / f"{word}-{len(done)}"
            place.mkdir()
            profiled = run_once(word, root, place, max(5.0, (deadline - time.monotonic()) / 2))
            if profiled is None or not profiled.complete:
                return _without(output, _why(word, pair, profiled))
            found[word] = profiled
        done.append((found["before"], found["after"]))
        longest = max(longest, time.monotonic() - started)
    compared = _told(done, target, pair)
    notes = output.not_analysed
    statuses = {profiled.exit_status for each in done for profiled in each}
    if len(statuses) > 1:
        reason = f"the program ended with different exit statuses ({sorted(map(str, statuses))}): it may not do the same work"
        notes = (*notes, NotAnalysed(subject="comparison", reason=reason))
    return msgspec.structs.replace(
        output,
        summary=f"{output.summary.removesuffix('.')}; {_summary(compared)}.",
        data={**output.data, "compared": compared},
        not_analysed=notes,
    )


def _without(output: EngineOutput, why: str) -> EngineOutput:
    return msgspec.structs.replace(
        output,
        summary=f"{output.summary.removesuffix('.')}; not compared: {why}.",
        data={**output.data, "compared": None},
        not_analysed=(*output.not_analysed, NotAnalysed(subject="comparison", reason=why)),
    )


def _why(word: str, pair: Pair, profiled: Profiled | None) -> str:
    if pair.earlier is None:
        where = f"started as `{pair.name}`" if word == "before" else "as it was asked for"
    else:
        where = f"at {pair.name}" if word == "before" else "as it is now"
    what = "left no profile" if profiled is None else "did not end within its part of the budget"
    return f"the program {where} {what}; give a smaller command, a larger budget, or another revision"


def _told(rounds: list[tuple[Profiled, Profiled]], target: Path, pair: Pair) -> dict[str, Any]:
    befores, afters = [each[0] for each in rounds], [each[1] for each in rounds]
    lines = Lines(target)
    wall = Change(before=tuple(each.wall_s for each in befores), after=tuple(each.wall_s for each in afters))
    cpu = Change(before=tuple(each.cpu_s for each in befores), after=tuple(each.cpu_s for each in afters))
    changed = functions([each.own for each in befores], [each.own for each in afters])
    seen = len({place for each in (*befores, *afters) for place in each.own})
    return {
        "against": pair.name,
        "commit": pair.earlier.commit if pair.earlier is not None else None,
        "rounds": len(rounds),
        "wall": wall.plain(),
        "cpu": cpu.plain(),
        "functions": [_function(place, change, target, pair.earlier, lines) for place, change in changed],
        "functions_seen": seen,
        "expected_by_chance": round(seen * (1 - wall.plain()["confidence"]), 2),
    }


def _function(place: Place, change: Change, target: Path, earlier: git.Since | None, lines: Lines) -> dict[str, Any]:
    """Return one function, with the commits that touched its file: what a reader looks at next, and can check."""
    file, name = place
    row = {"file": file, "function": name, **change.plain()}
    if earlier is None or not lines.of(file):
        return row  # one revision; or it is gone, or was made by the build
    span = f"{earlier.commit}..HEAD"
    count = git.run(target, "rev-list", "--no-merges", "--count", span, "--", file).decode("ascii").strip()
    text = f"{count} commit{'' if count == '1' else 's'} since {earlier.revision} touched {file}, where `{name}` is"
    statement = Statement(
        text=text, how_to_check=f"git rev-list --no-merges --count {span} -- {quoted(file)}", expected=count
    )
    return {**row, "commits": int(count), **statement.plain()}


def _summary(compared: Mapping[str, Any]) -> str:
    wall = compared["wall"]
    percent = wall["change_percent"] or 0.0
    low, high = wall["interval_s"]
    span = f"{wall['confidence']:.0%} interval {low:+.3f} to {high:+.3f} s, noise {wall['noise_s']:.3f} s"
    span += f", {compared['rounds']} rounds each"
    if not wall["certain"]:
        few = "; more rounds are needed" if wall["confidence"] < CONFIDENCE else ""
        return f"against {compared['against']} no difference seen (medians differ by {wall['change_s']:+.3f} s, {span}{few})"
    text = f"{abs(percent):.0f} % {wall['verdict']} than {compared['against']} ({wall['change_s']:+.3f} s, {span})"
    first = next((row for row in compared["functions"] if row["certain"]), None)
    return f"{text}, most of it in {first['function']} ({first['change_s']:+.3f} s)" if first else text
