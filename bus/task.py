"""What a handler sees of a task, and what it says about it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import msgspec

from bus.attempts import is_retryable
from schemas import ArtifactRef, Backoff, ErrorCode, Severity, TaskResult, WorkflowStart

MAX_MESSAGE_CHARS = 8192

ReportProgress = Callable[[float, str], None]


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of one task."""

    id: str
    task_type: str
    params: Mapping[str, Any]
    attempt: int
    """1 for the first; a handler that has effects outside makes them idempotent by `id` and this."""
    timeout_s: float
    """How long this attempt may run before it is cancelled."""
    cache: Literal["use", "refresh"] | None = None
    """Whether an earlier completion of the same work will do, or this one is to take its place; None: neither."""
    instance: str
    """Who runs it."""
    sequence: int
    """The ledger's entry that is this task."""
    stored_at: datetime
    """When the ledger stored the task."""
    started_at: datetime
    """When this attempt began."""
    labels: Mapping[str, str]
    parent_id: str | None
    traceparent: str | None
    report: ReportProgress
    """`report(fraction, message)`: becomes a TaskProgress event, at most one a second."""
    subject: str = ""
    """Where it was published."""
    start: WorkflowStart | None = None
    """The whole message, where it is a workflow's start."""
    mark: str = ""
    """The `Nats-Msg-Id` that it was stored with."""
    begun: bool = False
    """Whether events have told of it before this attempt, which may be the first all the same: one that was handed back counts as none."""
    given_up: int = 0
    """Which attempt this is to end the task well, all others being used up (`Service.endings`); 0: it is one of the others."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a handler returns: the task was done."""

    summary: str = ""
    output: Any = None
    artifacts: tuple[ArtifactRef, ...] = ()
    cached_from: str | None = None
    """The task that has done it; None: this one."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a handler of workflows returns: the run has this result."""

    result: TaskResult


@dataclass(frozen=True, slots=True)
class Suspended:
    """What a handler of workflows returns: the run only waits, and what it waits for has it stored anew, to be taken up again.

    A WorkflowWaiting event says so, then the message is acknowledged: no attempt is used up, and there is no result yet.
    """

    message: str
    """For what it waits, in words."""
    until: datetime | None = None
    """Its next timer."""


@dataclass(frozen=True, slots=True)
class LetGo:
    """What a handler of workflows returns: a later message under the same id is in charge of the run. This one is acknowledged."""


Outcome = Done | Ended | Suspended | LetGo


class TaskError(Exception):
    """What a handler raises: the task cannot be done, or not now. The message is for the person who asked."""

    def __init__(
        self, code: str, message: str, *, retryable: bool | None = None, details: Mapping[str, Any] | None = None
    ) -> None:
        """Take a code of `schemas.ErrorCode`; without `retryable` the code decides."""
        self.message = printable(message)
        super().__init__(self.message)
        self.code = str(code)
        self.retryable = is_retryable(code) if retryable is None else retryable
        self.details = dict(details or {})

    @classmethod
    def incompatible(cls, message: str) -> "TaskError":
        """Return the error for a type or parameters that this clone cannot use."""
        return cls(ErrorCode.INCOMPATIBLE_TASK, message)


def printable(message: str) -> str:
    """Return `message` as it can be sent: at most `MAX_MESSAGE_CHARS`, and the undecodable bytes of file names written out."""
    if len(message) > MAX_MESSAGE_CHARS:
        message = f"{message[:MAX_MESSAGE_CHARS]}… ({len(message):,} characters in all)"
    return message.encode(errors="backslashreplace").decode()


Handler = Callable[[Task], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Service:
    """One kind of task that a worker serves."""

    task_type: str
    """The token of its results and events."""
    handler: Handler
    consumers: Mapping[str, int]
    """The durable consumers that bring its tasks, each with its weight among all that the worker pulls from."""
    direct_consumers: Mapping[str, int] = field(default_factory=dict)
    """Those that bring tasks for this clone alone, whatever `place` and `only_when_absent` say."""
    place: int = 0
    """In the consumers' prioritized group: 0 for a primary, 1 to 9 for its fallbacks."""
    only_when_absent: bool = False
    """Whether, as a fallback, it takes tasks only while no primary is there; otherwise also while all of them are busy."""
    concurrency: int | None = None
    """How many of its tasks run here at once; None: as many as there are slots."""
    rate_per_s: float | None = None
    """How many of its tasks start here a second; None: no limit."""
    timeout_s: float = 60.0
    """Start-to-close where the task names none."""
    retries: int = 0
    """Further attempts after a retryable failure where the task names none."""
    endings: int = 0
    """How many attempts more the handler has, once these are used up, to end a task well that is done elsewhere too."""
    backoff: Backoff = field(default_factory=Backoff)
    non_retryable: frozenset[str] = frozenset()
    """Codes that are not retried although they would be."""
    schedule_to_start_s: float | None = None
    """How long a task may wait for its first start where the task names nothing; None: for ever."""
    parks: bool = False
    """Whether a task whose attempts have run out is parked for a decision instead of failing."""
    severity: Severity = "high"
    """Of the escalation when the attempts run out or the handler raises."""
    admits: Callable[[str, int, str], Awaitable[bool]] | None = None
    """Tells by its id, its ledger sequence and its mark (as in `Task`) whether a message may go on with a task of which another
    message's attempts are known; where not, it is acknowledged, and counts as no attempt. None: any may."""
    fenced: bool = False
    """Whether the handler itself lets go where another message under the same id is in charge; otherwise the worker sees to it."""
