"""The commands that parts of steps are made of: the same whenever they are made. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from clones.workflows.commands import CancelTask, CancelWorkflow, StartWorkflow, SubmitTask
from clones.workflows.expressions import BadExpression, Names, Template
from clones.workflows.ids import step_id
from clones.workflows.plan import StepPlan
from clones.workflows.state import Part
from schemas import Priority, WorkflowBegun

YEAR_S = 31_536_000


def part_order(
    plan: StepPlan, seen: Names, workflow_id: str, begun: WorkflowBegun, *, index: int | None, since: datetime
) -> SubmitTask | StartWorkflow:
    """Return what has a part of a step done.

    Raises:
        BadExpression: an expression has no value, or not one that can stand where it stands.
    """
    step = plan.step
    timeout_s = seconds(plan.texts.get("timeout_s"), seen, "timeout_s")
    params = _params(plan.texts["params"], seen, "params")
    priority = step.priority or _priority(begun)
    task_id = step_id(workflow_id, plan.name, index, secret=begun.secret)
    if step.workflow is not None:
        return StartWorkflow(
            step=plan.name,
            index=index,
            workflow=step.workflow,
            workflow_id=task_id,
            input=params,
            timeout_s=timeout_s,
            priority=priority,
            since=since,
        )
    return SubmitTask(
        step=plan.name,
        index=index,
        task_type=step.task or "",
        task_id=task_id,
        params=params,
        priority=priority,
        timeout_s=timeout_s,
        schedule_to_close_s=seconds(plan.texts.get("schedule_to_close_s"), seen, "schedule_to_close_s"),
        retries=step.retries,
        cache=step.cache,
        since=since,
    )


def undo_order(
    plan: StepPlan, seen: Names, workflow_id: str, begun: WorkflowBegun, *, index: int | None, since: datetime
) -> SubmitTask:
    """Return what undoes a part of a step that has a compensation.

    Raises:
        BadExpression: as `part_order`.
    """
    undo = plan.step.compensate
    if undo is None:
        raise ValueError(f"the step {plan.name} has no compensation")
    return SubmitTask(
        step=plan.name,
        index=index,
        compensation=True,
        task_type=undo.task,
        task_id=step_id(workflow_id, plan.name, index, compensation=True, secret=begun.secret),
        params=_params(plan.texts["undo_params"], seen, "compensate.params"),
        priority=undo.priority or _priority(begun),
        timeout_s=seconds(plan.texts.get("undo_timeout_s"), seen, "compensate.timeout_s"),
        retries=undo.retries,
        since=since,
    )


def cancel_order(plan: StepPlan, part: Part, index: int | None, reason: str) -> CancelTask | CancelWorkflow:
    """Return what ends a part that runs."""
    if plan.kind == "workflow":
        return CancelWorkflow(step=plan.name, index=index, workflow_id=part.task_id, reason=reason, since=part.began)
    return CancelTask(
        step=plan.name,
        index=index,
        task_type=plan.step.task or "",
        task_id=part.task_id,
        reason=reason,
        since=part.began,
    )


def seconds(text: Template | None, seen: Names, field: str) -> float | None:
    """Return a duration; null is none.

    Raises:
        BadExpression: it is no number of seconds, or not more than 0 and at most a year.
    """
    value = None if text is None else text.value(seen)
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise BadExpression(f"{field} is {value!r}; it must be a number of seconds") from None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= YEAR_S:
        raise BadExpression(f"{field} is {value!r}; it must be more than 0 and at most {YEAR_S} seconds")
    return float(value)


def over_at(plan: StepPlan, seen: Names, at: datetime) -> datetime | None:
    """Return when a wait, or a decision's limit, is over that begins at `at`; None: a decision has no limit.

    Raises:
        BadExpression: it is no duration and no moment.
    """
    if plan.kind == "decision":
        limit_s = seconds(plan.texts.get("decision_timeout_s"), seen, "decision.timeout_s")
        return None if limit_s is None else at + timedelta(seconds=limit_s)
    if "for_s" in plan.texts:
        for_s = seconds(plan.texts["for_s"], seen, "wait.for_s")
        if for_s is None:
            raise BadExpression("wait.for_s is null; it must be a number of seconds")
        return at + timedelta(seconds=for_s)
    value = plan.texts["until"].value(seen)
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise BadExpression(f"wait.until is {value!r}; it must be a moment such as 2030-01-31T09:00:00+01:00") from None
    if moment.utcoffset() is None:
        raise BadExpression(f"wait.until is {value!r}, without an offset from UTC; write Z or +01:00 after it")
    return moment


def text_of(text: Template, seen: Names) -> str:
    """Return what a text for a person says.

    Raises:
        BadExpression: an expression in it has no value.
    """
    value = text.value(seen)
    return value if isinstance(value, str) else str(value)


def _params(text: Template, seen: Names, field: str) -> dict[str, Any]:
    value = text.value(seen)
    if not isinstance(value, Mapping):
        raise BadExpression(f"{field} is no object")
    return dict(value)


def _priority(begun: WorkflowBegun) -> Priority | None:
    return cast("Priority | None", begun.priority)
