"""What expressions see of a run. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from clones.workflows.plan import StepPlan
from clones.workflows.state import Part, StepRun
from schemas import WorkflowBegun, to_plain


def names(
    workflow: tuple[str, str, int], begun: WorkflowBegun, steps: Mapping[str, StepRun], reads: Iterable[str]
) -> dict[str, Any]:
    """Return what expressions that read these steps see; `workflow` is the run's id, its workflow's name and version."""
    workflow_id, name, version = workflow
    return {
        "input": begun.input,
        "workflow": {"id": workflow_id, "name": name, "version": version},
        "steps": {step: value for step in reads if (value := steps[step].value) is not None},
    }


def of_element(seen: Mapping[str, Any], element: Any, index: int) -> dict[str, Any]:
    """Return what the expressions of a fan-out see for one element."""
    return {**seen, "item": element, "index": index}


def step_value(plan: StepPlan, run: StepRun) -> dict[str, Any]:
    """Return what expressions see of a step that has ended, its state and failure being set.

    A fan-out has its parts' outputs as a list, null where there is none, and the parts themselves as `items`.
    """
    if run.elements is None:
        return {**(part_value(plan, run.parts[0]) if run.parts else _nothing(plan)), **_told(run), "items": []}
    items = [part_value(plan, part) for part in run.parts]
    return {
        **_nothing(plan),
        **_told(run),
        "output": [item["output"] for item in items],
        "artifacts": [artifact for item in items for artifact in item["artifacts"]],
        "items": items,
    }


def part_value(plan: StepPlan, part: Part) -> dict[str, Any]:
    """Return what expressions see of one part."""
    end = part.end
    if end is None:
        return {**_nothing(plan), "state": part.state, "task_id": part.task_id}
    return {
        "state": part.state,
        "output": end.output,
        "task_id": end.task_id,
        "task_type": end.task_type,
        "sequence": end.sequence,
        "clone": end.clone,
        "code": end.code,
        "message": end.message,
        "artifacts": to_plain(end.artifacts),
    }


def _nothing(plan: StepPlan) -> dict[str, Any]:
    return {
        "state": "skipped",
        "output": None,
        "task_id": None,
        "task_type": plan.step.task or plan.kind,
        "sequence": None,
        "clone": "",
        "code": "",
        "message": "",
        "artifacts": [],
    }


def _told(run: StepRun) -> dict[str, Any]:
    return {"state": run.state, "code": run.code, "message": run.message}
