"""A task's beginning and its one end."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from schemas.base import Asked, Told
from schemas.identifiers import TaskId, Token

Seconds = Annotated[float, Meta(gt=0, le=31_536_000)]
"""A duration of at most a year."""

Labels = Annotated[dict[str, Annotated[str, Meta(max_length=256)]], Meta(max_length=32)]
"""What a task is to be found by later; the network gives it no meaning."""


class TaskAssignment(Asked, frozen=True, kw_only=True):
    """A task for whoever serves the type in the subject: `sanctuary.task.<type>[.<priority>]`."""

    params: dict[str, Any] = {}
    """What the task type needs; see `clones.params`."""
    id: TaskId | None = None
    """Chosen by the publisher; absent: `seq-<ledger sequence>`. `seq-…` itself may not be chosen."""
    reply_to: Annotated[str, Meta(max_length=256)] | None = None
    """An `_INBOX.` subject that also gets the result, best effort. JetStream uses the reply field for its own acknowledgement."""
    timeout_s: Seconds | None = None
    """Start-to-close: how long one attempt may run; absent: the route's."""
    schedule_to_start_s: Seconds | None = None
    """How long the task may wait for its first start, from the moment it was stored."""
    schedule_to_close_s: Seconds | None = None
    """How long the task may take in all, from the moment it was stored."""
    retries: Annotated[int, Meta(ge=0, le=100)] | None = None
    """How many further attempts follow a retryable failure; absent: the route's."""
    labels: Labels = {}
    parent_id: TaskId | None = None
    """The workflow or task that asked for this one."""
    parent_type: Token | None = None
    """The type of the task that asked; None: a workflow did, or nobody."""
    cache: Literal["use", "refresh"] | None = None
    """`use`: the earlier completion of a task of the same type, parameters and target will do; `refresh`: it will not, and what
    this one gives is what later ones may have. None: neither."""
    retry_of: TaskId | None = None
    """The ended task that this one runs again."""
    traceparent: Annotated[str, Meta(max_length=128)] | None = None
    """W3C Trace Context, handed on to events and results as it came."""


class ArtifactRef(msgspec.Struct, frozen=True, kw_only=True):
    """A file in the network's object store: the claim check for what is too large for a message."""

    name: str
    """The object's name in the store."""
    filename: str
    """What the producer called it, for a person."""
    media_type: str
    size_bytes: int
    digest: str
    """`SHA-256=<base64url>`, as NATS object stores write it."""


class TaskCompletion(Told, frozen=True, kw_only=True):
    """The task's result: it was done."""

    task_id: str
    task_type: str
    clone: str
    instance: str
    attempt: int
    started_at: datetime
    finished_at: datetime
    writer: str
    """A random value of whoever wrote this result: a writer that got no answer reads the slot and knows its own by it."""
    summary: str = ""
    """One sentence for a person."""
    output: Any = None
    """What the task type gives; JSON values."""
    artifacts: tuple[ArtifactRef, ...] = ()
    cached_from: str | None = None
    """The task whose completion this one answers with, since it was asked for with `cache`; None: it was done anew."""
    labels: Labels = {}
    retry_of: str | None = None
    traceparent: str | None = None


class TaskFailure(Told, frozen=True, kw_only=True):
    """The task's result: it ended without being done, and why."""

    task_id: str
    task_type: str
    code: str
    """One of `schemas.errors.ErrorCode`."""
    message: str
    """What went wrong, where, and what to do about it."""
    clone: str
    instance: str
    finished_at: datetime
    writer: str
    """As in TaskCompletion."""
    attempt: int = 0
    """The attempt that failed; 0: none was begun."""
    started_at: datetime | None = None
    retryable: bool = False
    """Whether a new task with the same parameters may succeed."""
    details: dict[str, Any] = {}
    labels: Labels = {}
    retry_of: str | None = None
    traceparent: str | None = None
