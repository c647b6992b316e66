"""The limits on a task's time: pure functions of the assignment and the clock, in Temporal's terms."""

from datetime import datetime

from schemas import TaskAssignment


def to_start_s(assignment: TaskAssignment, default_s: float | None) -> float | None:
    """Return how long the task may wait for its first start, in seconds, or None for ever; `default_s` is the route's."""
    return default_s if assignment.schedule_to_start_s is None else assignment.schedule_to_start_s


def missed_deadline(
    assignment: TaskAssignment,
    stored_at: datetime,
    now: datetime,
    *,
    begun: bool,
    default_to_start_s: float | None = None,
) -> str | None:
    """Return in words which limit has passed, or None; `begun` says that an attempt has started before."""
    waited_s = (now - stored_at).total_seconds()
    if assignment.schedule_to_close_s is not None and waited_s >= assignment.schedule_to_close_s:
        return f"the task was to end within {assignment.schedule_to_close_s:g} s (schedule_to_close_s) and {waited_s:.1f} s have passed"
    start_s = to_start_s(assignment, default_to_start_s)
    if not begun and start_s is not None and waited_s >= start_s:
        return f"the task was to start within {start_s:g} s (schedule_to_start_s) and {waited_s:.1f} s have passed"
    return None


def time_limit_s(assignment: TaskAssignment, stored_at: datetime, now: datetime, default_s: float) -> float:
    """Return how long an attempt that starts `now` may run, in seconds."""
    limit_s = default_s if assignment.timeout_s is None else assignment.timeout_s
    if assignment.schedule_to_close_s is not None:
        limit_s = min(limit_s, assignment.schedule_to_close_s - (now - stored_at).total_seconds())
    return limit_s
