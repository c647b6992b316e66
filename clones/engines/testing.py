"""Delta's engine: run the target's own tests with branch coverage, in a copy, in the target's own environment."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import isolation, shuffles
from clones.engines.contract import EngineError, EngineOutput, NotAnalysed, OutputFile, Progress
from clones.engines.environment import Environment, prepare, run_env
from clones.engines.running import gates, offline, other_tests, pytest_config, pytest_record, stated
from clones.engines.running.coverage_report import FileCoverage, by_file, totals
from clones.engines.running.coverage_svg import coverage_svg
from clones.engines.running.diff_coverage import diff_coverage
from clones.engines.running.measured import MeasuredRun, run_measured
from clones.engines.triage.running import Runner
from clones.params import TestingParams

INSTALL_SHARE = 0.6
"""Part of the budget that building the environment may take."""

_SHUFFLES_SHARE = 0.95
"""Where in the budget the last shuffled run ends."""
_MAX_NAMED = 50


def analyse(target: Path, params: TestingParams, out: Path, progress: Progress) -> EngineOutput:
    """Run the target's tests with pytest and report what happened, with counts as in pytest's summary.

    No tests, dependencies that do not install, failing collection, a crash and a used-up budget are results and no
    errors; `data["reason"]` then says what happened.

    Raises:
        EngineError: `incompatible_task` for arguments that pytest or this engine refuses; the copy or the environment
            cannot be made.
    """
    pytest_config.check_arguments(params.pytest_args)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sanctuary-testing-") as scratch_name:
        scratch = Path(scratch_name)
        progress(0.0, "copying the target")
        copied = isolation.copy_target(target, scratch / "copy")
        found = pytest_config.find_tests(copied.root)
        tools = other_tests.find_tools(copied.root)
        if not found.files and found.configured_in is None and not params.pytest_args:
            if tools:
                tool, *others = tools
                progress(0.1, f"running {' '.join(tool.command)}")
                told = other_tests.run_tool(
                    tool, copied.root, scratch, budget_s=params.budget_s * 0.95, network=params.network
                )
                return _of_tool(params, told, (*copied.left_out[:_MAX_NAMED], *_other_tests(others)))
            reason = (
                "no tests found: no configuration of pytest, no file named test*.py or *_test.py, no go.mod with tests "
            )
            reason += "and no `test` script in package.json"
            return _not_run(params, reason, copied.left_out)
        environment = prepare(
            target, copied.root, progress, deadline=begin + params.budget_s * INSTALL_SHARE, network=params.network
        )
        if "pytest" not in environment.versions:
            why = next((item.reason for item in environment.missing if item.requirement == "pytest"), "unknown reason")
            return _not_run(
                params, f"pytest is not installed in the target's environment: {why}", copied.left_out, environment
            )
        if params.shuffles:
            shutil.copytree(copied.root, scratch / "pristine", symlinks=True)
        run = run_measured(
            copied.root,
            found=found,
            arguments=params.pytest_args,
            environment=environment,
            env=run_env(environment, copied.root, scratch, first=scratch / "inside"),
            scratch=scratch,
            budget_s=max(1.0, begin + params.budget_s - time.monotonic()),
            progress=progress,
            network=params.network,
        )
        shuffled = None
        if params.shuffles and run.complete and run.outcome.tests_run:
            runner = Runner(
                environment, found, scratch, begin + params.budget_s * _SHUFFLES_SHARE, network=params.network
            )
            shuffled = shuffles.look(
                copied.root,
                scratch / "pristine",
                params.pytest_args,
                asked=params.shuffles,
                runner=runner,
                progress=progress,
            )
        progress(0.97, "writing the results")
        output = _output(params, run, shuffled, target=target, environment=environment, copied=copied, out=out)
        return msgspec.structs.replace(output, not_analysed=(*output.not_analysed, *_other_tests(tools)))


def _output(
    params: TestingParams,
    run: MeasuredRun,
    shuffled: shuffles.Shuffled | None,
    *,
    target: Path,
    environment: Environment,
    copied: isolation.Copied,
    out: Path,
) -> EngineOutput:
    outcome = run.outcome
    # A conftest that cannot be imported is the target's or its environment's matter, and not the arguments'.
    if params.pytest_args and run.exit_status == 4 and "while loading conftest" not in run.last_words:
        raise EngineError(
            f"params.pytest_args: pytest refuses {' '.join(params.pytest_args)!r}: {run.last_words}",
            code="incompatible_task",
        )
    reason = explain(run, params.budget_s)
    ran = outcome.tests_run > 0
    data: dict[str, Any] = {
        "ran": ran,
        "command": list(run.command),
        "exit_status": run.exit_status,
        "complete": run.complete,
        "counts": outcome.counts,
        "other_outcomes": outcome.other,
        "collected": outcome.collected,
        "deselected": outcome.deselected,
        "duration_s": round(run.duration_s, 3),
        "coverage": totals(run.coverage),
        "files": by_file(run.coverage),
        "slowest": list(outcome.slowest),
        "failures": stated.failures(outcome.failures, copied.root, network=params.network),
        "failures_total": outcome.failures_total,
        "environment": environment.report(),
    }
    if reason:
        data["reason"] = reason
    files = _write_files(target, run, run.coverage, out)
    data["statements"] = stated.totals(out)
    not_analysed = [*copied.left_out[:_MAX_NAMED], *_environment_gaps(environment)]
    messages = [str(failure["message"]) for failure in outcome.failures]
    not_analysed += offline.notes(network=params.network, messages=messages)
    if shuffled is not None:
        data["shuffles"] = shuffles.told(shuffled, params.shuffles, copied.root)
        (out / shuffles.RECORD).write_text(shuffles.record(shuffled), encoding="utf-8", errors="surrogateescape")
        files = (*files, OutputFile(name=shuffles.RECORD, media_type="text/plain"))
        not_analysed += shuffles.left_out(shuffled, params.shuffles)
    elif params.shuffles:
        not_analysed.append(NotAnalysed(subject="shuffles", reason="the tests did not come to their end once"))
    if params.since is not None or (params.gates is not None and params.gates.diff_percent is not None):
        data["diff_coverage"] = diff_coverage(target, run.coverage, params.since)
    if params.gates is not None:
        data["gates"] = gates.judge(params.gates, data)
    if reason:
        not_analysed.append(NotAnalysed(subject="tests", reason=reason))
    if run.no_coverage:
        not_analysed.append(NotAnalysed(subject="coverage", reason=run.no_coverage))
    return EngineOutput(summary=_summary(data), data=data, files=files, not_analysed=tuple(not_analysed))


def explain(run: MeasuredRun, budget_s: float) -> str:
    """Return why fewer tests ran than the target has, in one sentence; empty where all ran."""
    outcome = run.outcome
    where = f" while {outcome.running} was running" if outcome.running else ""
    done = f"{outcome.counts['total']} of {outcome.collected or 'an unknown number of'} tests had an outcome"
    if run.interrupted:
        return f"the budget of {budget_s:g} s was used up{where}; {done}"
    if not outcome.started:
        return f"pytest did not start (exit status {run.exit_status}): {run.last_words}"
    if not outcome.finished:
        return f"the test process ended with exit status {run.exit_status}{where}, before pytest was done; {done}"
    if run.exit_status == 2 and not outcome.tests_run:
        errors = f"{outcome.counts['errors']} errors" if outcome.counts["errors"] != 1 else "1 error"
        return f"pytest stopped at collection with {errors} and ran no test"
    deselected = f" ({outcome.deselected} deselected)" if outcome.deselected else ""
    return {
        2: f"pytest was interrupted; {done}",
        3: f"pytest had an internal error: {run.last_words}",
        4: f"pytest refuses its configuration: {run.last_words}",
        5: f"pytest collected no tests{deselected}",
    }.get(run.exit_status or 0, "")


def _covered(percent: float) -> str:
    """Write a percentage as the picture and the report do: cut, so that what is not whole is never called 100."""
    return f"{int(percent * 10) / 10:.1f} %"


def _summary(data: dict[str, Any]) -> str:
    counts = data["counts"]
    judged = gates.in_words(data["gates"]) if "gates" in data else ""
    if not data["ran"]:
        return f"The tests did not run: {data['reason']}{judged}."
    parts = [f"{counts['passed']} of {counts['total']} tests passed"]
    parts += [
        f"{counts[name]} {'error' if name == 'errors' and counts[name] == 1 else name}"
        for name in ("failed", "errors", "skipped", "xfailed", "xpassed")
        if counts[name]
    ]
    coverage = data["coverage"]
    text = ", ".join(parts) + f" in {data['duration_s']:.1f} s"
    if coverage:
        text += f"; {_covered(coverage['line_percent'])} of lines"
        text += (
            f" and {_covered(coverage['branch_percent'])} of branches" if coverage["branch_percent"] is not None else ""
        )
        text += " covered"
    text += shuffles.in_words(data["shuffles"]) if "shuffles" in data else ""
    text += judged
    return f"{text}; incomplete: {data['reason']}." if data.get("reason") else f"{text}."


def _write_files(
    target: Path, run: MeasuredRun, coverage: tuple[FileCoverage, ...], out: Path
) -> tuple[OutputFile, ...]:
    files: list[OutputFile] = []
    for name, source in (("junit.xml", run.junit), ("coverage.xml", run.coverage_xml)):
        if source.is_file():
            shutil.copyfile(source, out / name)
            files.append(OutputFile(name=name, media_type="application/xml"))
    if coverage:
        (out / "coverage.svg").write_text(coverage_svg(coverage, target.resolve().name), encoding="utf-8")
        files.append(OutputFile(name="coverage.svg", media_type="image/svg+xml"))
    return tuple(files)


def _environment_gaps(environment: Environment) -> list[NotAnalysed]:
    return [
        NotAnalysed(subject=f"requirement {item.requirement}", reason=f"did not install: {item.reason}")
        for item in environment.missing[:_MAX_NAMED]
    ]


def _other_tests(tools: Sequence[other_tests.Tool]) -> list[NotAnalysed]:
    """Say which tests of a target in several languages were not run."""
    return [
        NotAnalysed(
            subject=" ".join(tool.command), reason=f"{tool.declared_in} declares these tests as well; others were run"
        )
        for tool in tools
    ]


def _of_tool(params: TestingParams, data: dict[str, Any], left_out: tuple[NotAnalysed, ...]) -> EngineOutput:
    """Return what came of tests that are not Python's; coverage and other orders are for pytest."""
    not_analysed = [*left_out, *offline.notes(network=params.network)]
    if "reason" in data:
        not_analysed.append(NotAnalysed(subject="tests", reason=data["reason"]))
    only = f"not measured for tests that {data['runner']} runs"
    not_analysed += [NotAnalysed(subject=subject, reason=only) for subject in ("coverage", "shuffles")]
    if params.gates is not None:
        data["gates"] = gates.judge(params.gates, data)
    return EngineOutput(summary=_summary(data), data=data, not_analysed=tuple(not_analysed))


def _not_run(
    params: TestingParams, reason: str, left_out: tuple[NotAnalysed, ...], environment: Environment | None = None
) -> EngineOutput:
    counts: dict[str, int] = dict.fromkeys(("total", *pytest_record.CATEGORIES.values()), 0)
    data: dict[str, Any] = {
        "ran": False,
        "reason": reason,
        "command": [],
        "counts": counts,
        "duration_s": 0.0,
        "coverage": None,
        "files": [],
        "slowest": [],
        "failures": [],
        "environment": environment.report() if environment else {},
    }
    if params.gates is not None:
        data["gates"] = gates.judge(params.gates, data)
    not_analysed = (*left_out[:_MAX_NAMED], NotAnalysed(subject="tests", reason=reason))
    return EngineOutput(summary=_summary(data), data=data, not_analysed=not_analysed)
