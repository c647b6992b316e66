"""Beta's engine `performance`: profile a Python command of the target, or its tests, in a copy."""

import json
import shlex
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import git, isolation, memory, svg
from clones.engines.contract import EngineError, EngineOutput, NotAnalysed, OutputFile, Progress
from clones.engines.environment import Environment, prepare
from clones.engines.environment.interpreter import standard_library
from clones.engines.patterns import told as patterns
from clones.engines.patterns.scan import scan
from clones.engines.regression import Pair, Profiled, compare
from clones.engines.running import pytest_config
from clones.engines.running.flame_svg import flame_svg
from clones.engines.running.measured import pytest_arguments
from clones.engines.running.places import Places
from clones.engines.running.profile_fold import MODULE, Hot, Kind, flame_tree, hot_functions, stacks_of, thinned
from clones.engines.running.profiler import INTERVAL_S, PROFILER, run_profiler
from clones.engines.running.python_command import PythonCommand, python_command
from clones.engines.running.watched import Watched
from clones.engines.statements import Lines, Statement
from clones.params import PerformanceParams

LEAST_SHARE = 0.001
"""Calls with a smaller share of the time are not in `profile.json`; the hottest functions are taken before that cut."""
MAX_HOT_OWN, MAX_HOT_OTHER = 40, 20

_INSTALL_SHARE = 0.6
_READING_SHARE = 0.7
"""By when the code is read, the installation included."""
_MEMORY_SHARE = 0.9
"""By when the traced run is interrupted, so that the profile before it is told in time."""
_MAX_NAMED = 50
_MAX_LAST_WORDS = 160


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    """The figures that the profiler wrote."""

    wall_s: float
    cpu_s: float
    exit_status: int
    samples: int
    peak_rss_bytes: int


Seen = tuple[str, int, int, float]
"""A file, the line where a function begins, a line in it, and the seconds it was seen there: one row of `lines.json`."""


def analyse(target: Path, params: PerformanceParams, out: Path, progress: Progress) -> EngineOutput:
    """Profile the command, or pytest where there is none, and report where the time went.

    A command that fails is a result: `data["exit_status"]` and `data["stderr_tail"]` tell of it.

    Raises:
        EngineError: `incompatible_task` for a command that is not Python, and where there is neither a command nor a
            test; `target_not_found` for a revision that the history does not have; the profiler is not installed or the
            command ended without leaving a profile.
    """
    earlier = git.since(target, params.against) if params.against is not None else None
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sanctuary-profile-") as scratch_name:
        scratch = Path(scratch_name)
        progress(0.0, "copying the target")
        copied = isolation.copy_target(target, scratch / "copy")
        found = pytest_config.find_tests(copied.root)
        if not params.argv and not found.files and found.configured_in is None:
            message = 'nothing to profile: the target has no tests, so name a command, for example ["python", "-m", "package"]'
            raise EngineError(message, code="incompatible_task")
        environment = prepare(target, copied.root, progress, deadline=begin + params.budget_s * _INSTALL_SHARE)
        if "pyinstrument" not in environment.versions:
            reasons = [item.reason for item in environment.missing if item.requirement == "pyinstrument"]
            raise EngineError(f"the profiler did not install: {(reasons or ['unknown reason'])[0]}", retryable=True)
        places = Places(copied.root, standard_library(Path(environment.python)))
        progress(0.28, "looking for code that costs more than it has to")
        until = begin + params.budget_s * _READING_SHARE
        # before anything runs in the copy
        scanned = scan(copied.root, lambda name: places.place(name)[0] is Kind.TARGET, deadline=until)
        program = _program(params.argv, copied.root, environment)
        shown = params.argv or ("python", *program.program)
        left_s = max(1.0, begin + params.budget_s - time.monotonic())
        compared = earlier is not None or bool(params.beside)
        other = python_command(params.beside, copied.root, environment.bin()) if params.beside else None
        if compared:
            left_s /= 2 * params.rounds + 4  # this profile, one to warm up, those of both, two for memory
        progress(0.3, f"profiling {' '.join(shown)[:200]}")
        done = run_profiler("time", copied.root, program, environment, place=scratch, budget_s=left_s)
        progress(0.4, "reading the profile")
        output = _output(done, shown, copied=copied, environment=environment, scratch=scratch, out=out, left_s=left_s)
        output = patterns.told(output, scanned, copied.root)
        left_s = 2 * left_s if compared else begin + params.budget_s * _MEMORY_SHARE - time.monotonic()
        if not params.memory:
            output = memory.without(output, "not asked for")
        elif left_s > done.duration_s:
            progress(0.45, "once more, with each allocation traced")
            place = scratch / "memory"
            place.mkdir()
            done = run_profiler("memory", copied.root, program, environment, place=place, budget_s=left_s)
            output = memory.told(output, done, place, root=copied.root, environment=environment, out=out)
        else:
            output = memory.without(output, "the time was used up by the profile; give a larger budget")
        if not compared:
            return output

        def run_once(word: str, root: Path, place: Path, budget_s: float) -> Profiled | None:
            chosen = other if other is not None and word == "before" else _program(params.argv, root, environment)
            return _own_times(root, chosen, environment, place, budget_s)

        name = earlier.revision if earlier is not None else shlex.join(params.beside)
        return compare(
            output,
            target,
            Pair(now=copied.root, scratch=scratch, environment=environment, earlier=earlier, name=name),
            rounds=params.rounds,
            run_once=run_once,
            deadline=begin + params.budget_s,
            progress=progress,
        )


def _program(command: tuple[str, ...], root: Path, environment: Environment) -> PythonCommand:
    if command:
        return python_command(command, root, environment.bin())
    found = pytest_config.find_tests(root)
    return PythonCommand(program=("-m", "pytest", *_in_one_process(root, found, environment)))


def _own_times(
    root: Path, program: PythonCommand, environment: Environment, place: Path, budget_s: float
) -> Profiled | None:
    """Profile once; returns the time of the whole and in each function of the target, None where it left no profile."""
    done = run_profiler("time", root, program, environment, place=place, budget_s=budget_s)
    try:
        run, session = _recorded(place)
    except (OSError, ValueError):
        return None
    places = Places(root, standard_library(Path(environment.python)))
    own: dict[tuple[str, str], float] = {}
    for hot in hot_functions(stacks_of(session, places.place, skip=PROFILER)):
        if hot.frame.kind is Kind.TARGET:
            key = hot.frame.short, hot.frame.function
            own[key] = own.get(key, 0.0) + hot.self_s
    return Profiled(
        wall_s=run.wall_s, cpu_s=run.cpu_s, own=own, complete=not done.interrupted, exit_status=done.exit_status
    )


def _recorded(place: Path) -> tuple[_Run, dict[str, Any]]:
    """Return what the profiler wrote, or the target's own code, which can write there too.

    Raises:
        OSError: there is nothing.
        ValueError: it is not what the profiler writes.
    """
    run = msgspec.json.decode((place / "run.json").read_bytes(), type=_Run)
    session = msgspec.json.decode((place / "profile.json").read_bytes(), type=dict[str, Any])
    msgspec.convert(session.get("frame_records"), type=list[tuple[list[str], float]])
    return run, session


def _in_one_process(copy: Path, found: pytest_config.FoundTests, environment: Environment) -> list[str]:
    """Return pytest's arguments; workers of pytest-xdist would do the work where the profiler does not look."""
    own = ["-n0"] if "pytest-xdist" in environment.versions else []
    return [*own, *pytest_arguments(copy, found, (), environment)]


def _output(
    done: Watched,
    command: tuple[str, ...],
    *,
    copied: isolation.Copied,
    environment: Environment,
    scratch: Path,
    out: Path,
    left_s: float,
) -> EngineOutput:
    stderr_tail = "\n".join(done.stderr.strip().splitlines()[-20:])[-4000:]
    try:
        run, session = _recorded(scratch)
    except (OSError, ValueError) as error:
        ended = f"exit status {done.exit_status}" if done.exit_status is not None else f"killed after {left_s:.0f} s"
        message = f"the command left no profile ({ended}): it ended without returning to Python. {stderr_tail[-1000:]}"
        raise EngineError(message) from error
    places = Places(copied.root, standard_library(Path(environment.python)))
    stacks = stacks_of(session, places.place, skip=PROFILER)
    whole = sum(seconds for _, seconds in stacks)
    hot = hot_functions(stacks)
    own = [item for item in hot if item.frame.kind is Kind.TARGET]
    other = [item for item in hot if item.frame.kind is not Kind.TARGET]
    chosen = [*own[:MAX_HOT_OWN], *(item for item in other[:MAX_HOT_OTHER] if item.self_s > 0)]
    lines = Lines(copied.root)
    hottest = _hottest_lines(scratch / "lines.json")
    data: dict[str, Any] = {
        "command": list(command),
        "exit_status": done.exit_status if done.exit_status is not None else run.exit_status,
        "interrupted": done.interrupted,
        "wall_s": round(run.wall_s, 4),
        "cpu_s": round(run.cpu_s, 4),
        "peak_rss_bytes": run.peak_rss_bytes,
        "sample_interval_s": INTERVAL_S,
        "samples": run.samples,
        "share_by_kind": _shares(stacks, whole),
        "hot": [_hot(item, whole, places, lines, hottest.get((item.frame.path, item.frame.line))) for item in chosen],
        "functions_seen": len(hot),
        "stderr_tail": stderr_tail if done.exit_status else "",
        "environment": environment.report(),
    }
    (out / "profile.json").write_text(json.dumps(thinned(session, least_share=LEAST_SHARE)), encoding="utf-8")
    title = " ".join(" ".join(command).split())
    shown = f"{whole:.2f} s in {run.samples} samples; {len(own)} functions of the target"
    (out / "flame.svg").write_text(flame_svg(flame_tree(stacks), title=title, shown=shown), encoding="utf-8")
    not_analysed = [*copied.left_out[:_MAX_NAMED]]
    not_analysed += [
        NotAnalysed(subject=f"requirement {item.requirement}", reason=f"did not install: {item.reason}")
        for item in environment.missing[:_MAX_NAMED]
    ]
    not_analysed.append(NotAnalysed(subject="other threads and processes", reason="only the main thread is profiled"))
    if done.interrupted:
        reason = f"interrupted after {left_s:.0f} s, when the budget was used up"
        not_analysed.append(NotAnalysed(subject="the rest of the command", reason=reason))
    return EngineOutput(
        summary=_summary(data, own, whole),
        data=data,
        files=(
            OutputFile(name="profile.json", media_type="application/json"),
            OutputFile(name="flame.svg", media_type="image/svg+xml"),
        ),
        not_analysed=tuple(not_analysed),
    )


def _summary(data: dict[str, Any], own: list[Hot], whole: float) -> str:
    text = f"{data['wall_s']:.2f} s wall, {data['cpu_s']:.2f} s CPU"
    if data["exit_status"]:
        text += f", exit status {data['exit_status']}"
        last = data["stderr_tail"].rpartition("\n")[2].strip()
        text += f" ({svg.shortened_right(last, _MAX_LAST_WORDS)})" if last else ""
    if data["interrupted"]:
        text += ", interrupted"
    if own and whole and own[0].self_s > 0:
        name = own[0].frame.label
        hottest = f"code is the top level of {name}" if own[0].frame.function == MODULE else f"function is {name}"
        text += f"; the target's hottest {hottest} with {own[0].self_s / whole:.1%} of the time"
    return f"{text}."


def _shares(stacks: list[tuple[tuple[Any, ...], float]], whole: float) -> dict[str, float]:
    shares = dict.fromkeys([kind.value for kind in Kind], 0.0)
    for stack, seconds in stacks:
        shares[stack[-1].kind.value] += seconds / whole if whole else 0.0
    return {kind: round(share, 4) for kind, share in shares.items()}


def _hottest_lines(record: Path) -> dict[tuple[str, int], int]:
    """Return the line that was seen for the longest in each function, by its file and first line; none without a record."""
    try:
        rows = msgspec.json.decode(record.read_bytes(), type=list[Seen])
    except (OSError, ValueError):
        return {}
    found: dict[tuple[str, int], tuple[float, int]] = {}
    for path, begins, line, seconds in rows:
        found[path, begins] = max((seconds, -line), found.get((path, begins), (0.0, 0)))
    return {function: -line for function, (_, line) in found.items()}


def _hot(item: Hot, whole: float, places: Places, lines: Lines, hottest: int | None) -> dict[str, Any]:
    frame = item.frame
    share = item.self_s / whole if whole else 0.0
    shown = frame.line if hottest is None else hottest
    row = {
        "function": frame.function,
        "file": frame.short,
        "line": frame.line,
        "kind": frame.kind.value,
        "self_s": round(item.self_s, 4),
        "self_share": round(share, 4),
        "total_s": round(item.total_s, 4),
        "hottest_line": hottest,
        "source": places.line(frame.path, shown),
    }
    if frame.kind is not Kind.TARGET or not whole or not lines.at(frame.short, shown).strip():
        return row
    where = "begins" if hottest is None else "was seen for the longest"
    text = f"`{frame.function}`, with {share:.1%} of the profile's time its own, {where} at {frame.short}:{shown}"
    command, expected = lines.shown([(frame.short, shown)])
    return {**row, "check": Statement(text=text, how_to_check=command, expected=expected).plain()}
