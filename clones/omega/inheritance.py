"""What a task that was asked for has from the one that asked. Pure."""

from datetime import datetime

import msgspec

from clones.omega.agenda import attempt_limit_s
from clones.omega.submissions import LEAST_S
from schemas import Route, TaskAssignment, TaskEvent


def inherited(wanted: TaskAssignment, parent: TaskAssignment, *, left_s: float | None) -> TaskAssignment:
    """Return what is asked for with `parent`'s labels and trace, and no more time than `left_s`; None: nothing limits it."""
    limits_s = [limit_s for limit_s in (wanted.schedule_to_close_s, left_s) if limit_s is not None]
    return msgspec.structs.replace(
        wanted,
        labels={**parent.labels, **wanted.labels},
        traceparent=wanted.traceparent or parent.traceparent,
        schedule_to_close_s=min(limits_s, default=None),
        reply_to=None,
        retry_of=None,
    )


def left_s(
    assignment: TaskAssignment,
    route: Route | None,
    attempt: TaskEvent,
    *,
    stored_at: datetime,
    started_at: datetime,
    now: datetime,
) -> float | None:
    """Return how long a task may go on of which `attempt` runs since `started_at`, in seconds; None: nothing limits it.

    That is its schedule-to-close limit, and what is left of this attempt with all those that may follow it: a later one finds
    what an earlier one has asked for. Pauses between them, and a person's decision to let it go on, do not count.
    """
    limits_s = []
    if assignment.schedule_to_close_s is not None:
        limits_s.append(assignment.schedule_to_close_s - (now - stored_at).total_seconds())
    limit_s = attempt_limit_s(assignment, route)
    if limit_s is not None:
        retries = 0 if route is None else route.retries
        retries = retries if assignment.retries is None else assignment.retries
        more = max(0, attempt.forgiven + retries + 1 - attempt.attempt)
        limits_s.append(limit_s * (1 + more) - (now - started_at).total_seconds())
    return max(LEAST_S, min(limits_s)) if limits_s else None
