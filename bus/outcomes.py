"""The results that a worker writes, from how an attempt ended. Pure but for the clock and the writer's nonce."""

from datetime import UTC, datetime

import msgspec

from bus.identity import Identity
from bus.intake import Refusal, Request
from bus.task import Done, TaskError
from schemas import TaskCompletion, TaskFailure, TaskResult


def completion(identity: Identity, request: Request, done: Done, attempt: int, started_at: datetime) -> TaskCompletion:
    """Return the result of a task that was done."""
    return TaskCompletion(
        task_id=request.id,
        task_type=request.task_type,
        clone=identity.clone,
        instance=identity.instance,
        attempt=attempt,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        writer=identity.writer(),
        summary=done.summary,
        output=done.output,
        artifacts=done.artifacts,
        cached_from=done.cached_from,
        labels=request.assignment.labels,
        retry_of=request.assignment.retry_of,
        traceparent=request.assignment.traceparent,
    )


def attempt_failure(
    identity: Identity, request: Request, error: TaskError, attempt: int, started_at: datetime
) -> TaskFailure:
    """Return the result of a task whose last attempt failed with `error`."""
    return msgspec.structs.replace(
        failure(identity, request, error.code, error.message, attempt=attempt),
        started_at=started_at,
        retryable=error.retryable,
        details=error.details,
    )


def failure(
    identity: Identity, request: Request | Refusal, code: str, message: str, *, attempt: int = 0
) -> TaskFailure:
    """Return the failure of `request`; `attempt` is the last one that was begun, 0 for none."""
    assignment = request.assignment if isinstance(request, Request) else None
    return TaskFailure(
        task_id=request.id,
        task_type=request.task_type,
        code=code,
        message=message,
        clone=identity.clone,
        instance=identity.instance,
        attempt=attempt,
        finished_at=datetime.now(UTC),
        writer=identity.writer(),
        labels=assignment.labels if assignment else {},
        retry_of=assignment.retry_of if assignment else None,
        traceparent=assignment.traceparent if assignment else None,
    )


def instead(outcome: TaskResult, code: str, message: str) -> TaskFailure:
    """Return a failure that fits where `outcome` does not."""
    return TaskFailure(
        task_id=outcome.task_id,
        task_type=outcome.task_type,
        code=code,
        message=message,
        clone=outcome.clone,
        instance=outcome.instance,
        attempt=outcome.attempt,
        started_at=outcome.started_at,
        finished_at=outcome.finished_at,
        writer=outcome.writer,
    )
