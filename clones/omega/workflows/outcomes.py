"""From results to a run's events, and from a run's end to its result. Pure but for the writer's nonce."""

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from bus.identity import Identity
from bus.task import Task, printable
from clones.workflows.commands import Finish
from clones.workflows.state import State
from clones.workflows.views import lines, needed, pruned
from schemas import (
    ErrorCode,
    StepEnded,
    TaskCompletion,
    TaskResult,
    WorkflowCompletion,
    WorkflowDefinition,
    WorkflowFailure,
)

Place = tuple[str, int | None, bool]
"""A step, the index of an element of its fan-out, and whether it is the compensation."""


def step_ended(definition: WorkflowDefinition, place: Place, result: TaskResult, sequence: int | None) -> StepEnded:
    """Return the event that `result` is to the run: of its output, what the definition refers to."""
    step, index, compensation = place
    ended = StepEnded(
        step=step,
        index=index,
        compensation=compensation,
        state="completed" if isinstance(result, TaskCompletion) else "failed",
        task_type=result.task_type,
        task_id=result.task_id,
        clone=result.clone,
        sequence=sequence,
        started_at=result.started_at,
        finished_at=result.finished_at,
    )
    if not isinstance(result, TaskCompletion):
        return replace(ended, code=result.code, message=result.message)
    ended = replace(ended, message=result.summary, cached_from=result.cached_from)
    if compensation:
        return ended
    artifacts = result.artifacts if needed(definition, step).artifacts else ()
    return replace(ended, output=pruned(definition, step, result.output), artifacts=artifacts)


def step_failed(place: Place, task_type: str, task_id: str, code: ErrorCode, message: str) -> StepEnded:
    """Return the event that a result is to the run which cannot be used, and why."""
    step, index, compensation = place
    return StepEnded(
        step=step,
        index=index,
        compensation=compensation,
        state="failed",
        task_type=task_type,
        task_id=task_id,
        code=code,
        message=message,
    )


def result_of(
    definition: WorkflowDefinition,
    state: State,
    finish: Finish,
    *,
    task: Task,
    identity: Identity,
    finished_at: datetime,
) -> WorkflowCompletion | WorkflowFailure:
    """Return the result of a run that has ended."""
    told: dict[str, Any] = {
        "task_id": task.id,
        "task_type": task.task_type,
        "clone": identity.clone,
        "instance": identity.instance,
        "attempt": task.attempt,
        "started_at": state.at,
        "finished_at": finished_at,
        "writer": identity.writer(),
        "labels": state.begun.labels,
        "retry_of": state.begun.retry_of,
        "traceparent": state.begun.traceparent,
        "workflow": definition.name,
        "version": state.version,
        "steps": lines(definition, state),
    }
    if finish.completed:
        summary = printable(finish.summary)
        return WorkflowCompletion(**told, summary=summary, output=finish.output, artifacts=finish.artifacts)
    return WorkflowFailure(**told, code=finish.code, message=printable(finish.message), details=finish.details)
