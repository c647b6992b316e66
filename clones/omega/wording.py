"""What commands are answered with, in words. Pure."""

from bus.subjects import WORKFLOW_TYPE
from bus.task import TaskError
from schemas import (
    ErrorCode,
    TaskAsked,
    TaskCompletion,
    TaskEvent,
    TaskFailure,
    TaskParked,
    TaskProgress,
    TaskReassigned,
    TaskResult,
    TaskResumed,
    TaskRetrying,
    TaskStarted,
)


def refused(message: str) -> TaskError:
    """Return the verdict on a command that cannot be carried out as things stand."""
    return TaskError(ErrorCode.COMMAND_REFUSED, message)


def of_task(task_type: str, task_id: str) -> str:
    """Return how a task is named."""
    return f"{task_type} {task_id}"


def unknown(task_type: str, task_id: str) -> str:
    """Return that nothing was submitted under this id, as far as is known."""
    if task_type == WORKFLOW_TYPE:
        return f"no run {task_id} is known, and no result under this id; check the id (sanctuary workflow list)"
    return (
        f"no unfinished {task_type} task {task_id} is known, and no result under this id; check the id and the task type "
        f"(sanctuary task show {task_id})"
    )


def how_it_ended(result: TaskResult) -> str:
    """Return when and how a task ended."""
    at = f"{result.finished_at:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(result, TaskCompletion):
        return f"{of_task(result.task_type, result.task_id)} was completed by {result.instance} at {at}"
    if result.code == ErrorCode.CANCELLED:
        return f"{of_task(result.task_type, result.task_id)} was {cancelled(result)}, at {at}"
    return f"{of_task(result.task_type, result.task_id)} failed at {at} with {result.code}: {result.message}"


def cancelled(result: TaskFailure) -> str:
    """Return how a task was cancelled, beginning with that word: `cancelled by ann: too late`."""
    # Omega's messages begin so, those of others' handlers need not.
    return result.message if result.message.startswith("cancelled") else f"cancelled: {result.message}"


def how_it_fares(task_type: str, task_id: str, last: TaskEvent | None) -> str:
    """Return how a task fares that has not ended, told by its newest event."""
    match last:
        case None:
            state = "is queued, or its first attempt has just begun"
        case TaskStarted() | TaskProgress() | TaskAsked():
            state = f"runs: attempt {last.attempt} on {last.instance}"
        case TaskRetrying():
            state = f"waits for attempt {last.attempt + 1} ({last.code})"
        case TaskParked():
            state = f"is parked ({last.code}: {last.message})"
        case TaskResumed():
            state = f"was let go on at {last.at:%H:%M:%S} UTC" + (f" by {last.by}" if last.by else "")
        case TaskReassigned():
            state = f"waits for another instance to go on with attempt {last.attempt}"
        case _:
            state = f"was begun: attempt {last.attempt}"
    return f"{of_task(task_type, task_id)} {state}"


def on_behalf(by: str, reason: str) -> str:
    """Return who wanted it and why, to follow a verb: ` by ann: too slow`; empty where neither is known."""
    return (f" by {by}" if by else "") + (f": {reason}" if reason else "")
