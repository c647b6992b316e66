"""How a target's tests went over its past tasks: counts, coverage, time, unsteady tests, and mutants that were noticed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from bus.network import Network
from clones.engines.worktree import redact
from ops.lookup import Wanted, newest
from ops.result_data import data_of
from ops.stories import State, Story
from schemas import TaskCompletion

MAX_TASKS = 500
"""The newest of both types that are looked at, whatever their target."""

Better = Literal["higher", "lower"]


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure that a task of a type leaves."""

    name: str
    title: str
    better: Better | None = None
    """None: more is neither good nor bad, or the difference may be noise."""


MEASURES: Mapping[str, tuple[Measure, ...]] = {
    "testing": (
        Measure(name="total", title="tests"),
        Measure(name="failed", title="failed", better="lower"),
        Measure(name="skipped", title="skipped"),
        Measure(name="line_percent", title="lines %", better="higher"),
        Measure(name="branch_percent", title="branches %", better="higher"),
        Measure(name="duration_s", title="seconds"),
        Measure(name="flaky", title="flaky", better="lower"),
        Measure(name="order_dependent", title="by order", better="lower"),
    ),
    "mutation": (
        Measure(name="score_percent", title="noticed %", better="higher"),
        Measure(name="tried", title="tried"),
        Measure(name="survived", title="survived", better="lower"),
    ),
}
"""By task type, in the order in which they are shown."""
_COMPLETED: tuple[State, ...] = ("completed",)
_SELECTION = {"testing": ("pytest_args",), "mutation": ("files", "since", "pytest_args")}
"""Parameters that decide what a task looks at: with others, figures cannot be compared."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One past task."""

    task_type: str
    task_id: str
    at: datetime
    revision: str | None
    selection: str
    """What it was asked to look at, for comparing."""
    values: dict[str, float | None]
    """By measure; None where the task did not measure it."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """How a measure went from the first run that has it to the last."""

    measure: str
    first: float
    before: float
    """In the run before the last."""
    last: float
    verdict: Literal["better", "worse", "same"] | None
    """Of the last run beside the one before; None where more is neither."""


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of one task type that can be compared, the oldest first."""

    task_type: str
    runs: tuple[Run, ...]
    others: int
    """Runs that looked at something else than the newest, and are left out."""

    @property
    def changes(self) -> list[Change]:
        """The measures with at least two values."""
        found = []
        for measure in MEASURES[self.task_type]:
            values = [value for run in self.runs if (value := run.values.get(measure.name)) is not None]
            if len(values) > 1:
                first, before, last = values[0], values[-2], values[-1]
                verdict = _verdict(before, last, measure.better)
                found.append(Change(measure=measure.name, first=first, before=before, last=last, verdict=verdict))
        return found


async def trends(network: Network, target: str, *, limit: int) -> list[Trend]:
    """Return the trend of each task type that has runs of `target`, of at most `limit` runs.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    names = names_of(target)
    wanted = Wanted(types=tuple(MEASURES), states=_COMPLETED)
    runs: list[Run] = []
    for story in await newest(network, wanted, limit=MAX_TASKS):
        result = story.result
        if not isinstance(result, TaskCompletion) or result.cached_from is not None:
            continue  # what is answered from an earlier result measured nothing
        output = result.output if isinstance(result.output, dict) else {}
        if _without_revision(str(output.get("target"))) not in names:
            continue
        runs.append(_run(story, result, output, await data_of(network, result) or {}))
    return [found for task_type in MEASURES if (found := comparable(task_type, runs, limit)).runs]


def comparable(task_type: str, runs: Iterable[Run], limit: int) -> Trend:
    """Return the newest runs of a type that looked at the same as the newest of them, the oldest first."""
    of_type = sorted((run for run in runs if run.task_type == task_type), key=lambda run: (run.at, run.task_id))
    alike = [run for run in of_type if run.selection == of_type[-1].selection]
    return Trend(task_type=task_type, runs=tuple(alike[-limit:]), others=len(of_type) - len(alike))


def names_of(target: str) -> frozenset[str]:
    """Return the names under which results may have a target: a directory is known by its whole path."""
    path = Path(target).resolve()
    return frozenset({_without_revision(redact(target)), *((str(path),) if path.is_dir() else ())})


def figures(task_type: str, data: Mapping[str, Any]) -> dict[str, float | None]:
    """Return what an engine's data measured, by measure."""
    if task_type == "mutation":
        totals = _part(data, "totals") if data.get("ran") else {}
        return {measure.name: _number(totals.get(measure.name)) for measure in MEASURES[task_type]}
    counts, coverage = _part(data, "counts") if data.get("ran") else {}, _part(data, "coverage")
    failed, errors = _number(counts.get("failed")), _number(counts.get("errors"))
    shuffled = _part(data, "shuffles").get("tests")
    verdicts = [row.get("verdict") for row in shuffled if isinstance(row, dict)] if isinstance(shuffled, list) else None
    return {
        "total": _number(counts.get("total")),
        "failed": failed + (errors or 0) if failed is not None else None,
        "skipped": _number(counts.get("skipped")),
        "line_percent": _number(coverage.get("line_percent")),
        "branch_percent": _number(coverage.get("branch_percent")),
        "duration_s": _number(data.get("duration_s")) if counts else None,
        "flaky": float(verdicts.count("flaky")) if verdicts is not None else None,
        "order_dependent": float(verdicts.count("order-dependent")) if verdicts is not None else None,
    }


def _run(story: Story, result: TaskCompletion, output: Mapping[str, Any], data: Mapping[str, Any]) -> Run:
    params = story.assignment.fields.get("params") if story.assignment else None
    asked = params if isinstance(params, dict) else {}
    chosen: Sequence[Any] = [asked.get(name) or None for name in _SELECTION[story.task_type]]
    revision = output.get("revision")
    return Run(
        task_type=story.task_type,
        task_id=story.task_id,
        at=result.finished_at,
        revision=revision if isinstance(revision, str) else None,
        selection=msgspec.json.encode(chosen).decode(),
        values=figures(story.task_type, data),
    )


def _without_revision(target: str) -> str:
    """Return a repository's address without the revision behind it; other targets as they are."""
    return target.partition("#")[0] if "://" in target or "@" in target.partition("/")[0] else target


def _verdict(before: float, last: float, better: Better | None) -> Literal["better", "worse", "same"] | None:
    if better is None:
        return None
    if last == before:
        return "same"
    return "better" if (last > before) == (better == "higher") else "worse"


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = data.get(name)
    return part if isinstance(part, dict) else {}


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
