"""What a reader of the report can do about a task that failed, by its error code (`schemas.errors`)."""

from schemas.errors import ErrorCode

_AGAIN = "Review the project again."
_BY_CODE: dict[str, str] = {
    ErrorCode.INVALID_ASSIGNMENT: "Correct the request as the message says, and submit it again.",
    ErrorCode.INCOMPATIBLE_TASK: "Check the task's parameters, and that this clone serves its type: `sanctuary status`.",
    ErrorCode.UNKNOWN_TASK_TYPE: "Check the task type against those that are served: `sanctuary status`.",
    ErrorCode.TARGET_NOT_FOUND: "Check the target's path as the clone's machine sees it, or send the target along with `--upload`.",
    ErrorCode.TARGET_REFUSED: "Use a target inside the network's workspace.",
    ErrorCode.TARGET_UNAVAILABLE: "Check that the repository or the upload can be reached, then review again.",
    ErrorCode.TOOL_MISSING: "Install what the message names where the clone runs; `sanctuary doctor` lists what is missing.",
    ErrorCode.ENGINE_FAILED: "The message says what the engine could not do; mend that and review again.",
    ErrorCode.ENGINE_CRASHED: "The message holds the engine's last lines. " + _AGAIN,
    ErrorCode.ENGINE_TIMEOUT: "Give the task more time, or review a smaller target.",
    ErrorCode.START_TO_CLOSE_TIMEOUT: "Give the task more time, or review a smaller target.",
    ErrorCode.MEMORY_EXCEEDED: "Give the clone more memory, or review a smaller target.",
    ErrorCode.HANDLER_FAILED: "The clone's own code failed; its log and the escalation in the ledger hold the details.",
    ErrorCode.DEADLINE_EXCEEDED: "The task did not start or end in time: see with `sanctuary status` whether its clone is up.",
    ErrorCode.ATTEMPTS_EXHAUSTED: "The task took its workers down with it: look at its events before you run it again.",
    ErrorCode.CANCELLED: "Somebody cancelled the task; its events say when. " + _AGAIN,
    ErrorCode.RESULT_TOO_LARGE: "Review a part of the target.",
}


def advice(code: str) -> str:
    """Return one or two sentences; a general one for a code that this version does not know."""
    return _BY_CODE.get(code, "The message and the task's events say more.")
