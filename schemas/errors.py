"""The error codes that stand on the wire. A code once published keeps its meaning; new ones may be added."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Why a task, a call or a command failed. Readers treat a code that they do not know as not retryable."""

    INVALID_ASSIGNMENT = "invalid_assignment"
    """The body is no TaskAssignment: not JSON, an unknown field, a wrong type, a reserved or malformed id."""
    INCOMPATIBLE_TASK = "incompatible_task"
    """The clone cannot do this: a type it does not serve, or parameters that it cannot use."""
    UNKNOWN_TASK_TYPE = "unknown_task_type"
    """No route serves the type in the subject."""
    UNKNOWN_WORKFLOW = "unknown_workflow"
    TARGET_NOT_FOUND = "target_not_found"
    TARGET_REFUSED = "target_refused"
    """The target lies outside the allowed roots, or is of a kind that is not allowed."""
    TARGET_UNAVAILABLE = "target_unavailable"
    """The target exists but could not be fetched: a git error, a missing upload."""
    TOOL_MISSING = "tool_missing"
    ENGINE_FAILED = "engine_failed"
    ENGINE_CRASHED = "engine_crashed"
    """The engine's process ended without an answer; the message holds the last lines that it wrote."""
    ENGINE_TIMEOUT = "engine_timeout"
    MEMORY_EXCEEDED = "memory_exceeded"
    HANDLER_FAILED = "handler_failed"
    """The clone's own code raised; retried while attempts are left, and escalated."""
    START_TO_CLOSE_TIMEOUT = "start_to_close_timeout"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    """A schedule-to-start or schedule-to-close limit passed before the task ended."""
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    """Earlier attempts ended without a result (the worker died with the task) and none is left."""
    CANCELLED = "cancelled"
    FAILED_BY_OPERATOR = "failed_by_operator"
    """A person, or Omega by the route, decided that the task ends as failed."""
    COMMAND_REFUSED = "command_refused"
    """A command cannot be carried out as things stand: the task has ended, is not parked, or is not known."""
    ROUTES_REFUSED = "routes_refused"
    """A routing table that conflicts with itself, or replaces one that is no longer in force."""
    CLONE_ABSENT = "clone_absent"
    """The last instance of a clone is gone without a word; only in escalations."""
    DAEMON_FAILED = "daemon_failed"
    """A daemon died, or did not get to serve; only in escalations."""
    LEDGER_INCOMPLETE = "ledger_incomplete"
    """The ledger lacks something that it must hold, or holds what cannot have happened; only in escalations."""
    RESULT_TOO_LARGE = "result_too_large"
    STEP_FAILED = "step_failed"
    """A workflow ended because a step that it needs failed."""
    REJECTED = "rejected"
    """A person decided against a workflow's step."""
    ASK_REFUSED = "ask_refused"
    """A task asked for work that its type may not ask for, or that one of those who asked for it is of itself."""
    NETWORK_UNAVAILABLE = "network_unavailable"
    """The network did not confirm in time; whether the task was stored is unknown, so ask for it by its id."""


RETRYABLE = frozenset(
    {
        ErrorCode.HANDLER_FAILED,
        ErrorCode.ENGINE_CRASHED,
        ErrorCode.TARGET_UNAVAILABLE,
        ErrorCode.NETWORK_UNAVAILABLE,
    }
)
"""The codes after which the same task may succeed later."""
