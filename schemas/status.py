"""Who is there and how it fares."""

from datetime import datetime
from typing import Literal

import msgspec

from schemas.base import Asked, Told

State = Literal["starting", "ready", "draining"]
Severity = Literal["low", "medium", "high", "critical"]


class StatusQuery(Asked, frozen=True, kw_only=True):
    """Ask who hears this to answer with a StatusResponse; an empty body means the same."""


class QueueStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What waits on one task subject."""

    task_type: str
    priority: str
    """A subject without one counts under its route's default; empty for workflows."""
    waiting: int
    """Tasks that nobody has taken yet."""
    taken: int
    """Tasks that run, wait for a retry, are parked, or were handed back and wait for the next free slot."""
    oldest_s: float | None = None
    """How long the oldest of those that wait has waited; None: none waits, or it is not known."""


class StatusResponse(Told, frozen=True, kw_only=True):
    """One instance's state."""

    clone: str
    instance: str
    state: State
    version: str
    host: str
    pid: int
    started_at: datetime
    uptime_s: float
    task_types: tuple[str, ...]
    in_flight: int
    capacity: int
    succeeded: int
    """Tasks completed since this instance started."""
    failed: int
    reconnects: int
    metrics_url: str | None = None
    fallback_types: tuple[str, ...] = ()
    """Task types that this instance takes over where the primary is not there, or is busy."""
    health: Literal["ok", "degraded"] = "ok"
    problems: tuple[str, ...] = ()
    """Why the health is degraded, in words."""
    success_rate: float | None = None
    """Of the tasks that ended here, the share that completed, 0 to 1; None: none ended yet."""
    queues: tuple[QueueStatus, ...] = ()
    """Of the task types served here; Omega tells all."""
    routes_revision: int = 0
    """The revision of the routing table in use here; 0: none yet."""
    server_version: str = ""
    """Of the NATS server that this instance is connected to."""
    handlers: tuple[str, ...] = ()
    """The task types that this instance's code can serve, in the routing table or not; none: it does not say."""
    share: float | None = None
    """Of each type's tasks, what this instance takes at most, above 0 and below 1; None: it is no canary."""


class Heartbeat(Told, frozen=True, kw_only=True):
    """An instance lives; sent every second on `sanctuary.heartbeat.<clone>.<instance>`."""

    clone: str
    instance: str
    state: State
    in_flight: int
    capacity: int
    at: datetime


class ErrorEscalation(Told, frozen=True, kw_only=True):
    """Something that a person or Omega should look at: `sanctuary.escalation.<severity>.<clone>`."""

    severity: Severity
    clone: str
    instance: str
    code: str
    message: str
    at: datetime
    task_id: str | None = None
    task_type: str | None = None
    attempt: int | None = None
    awaits_decision: bool = False
    """The task is about to be parked: Omega decides by the route, or a person does."""
    traceback: str | None = None
    """The last lines of the exception, where there was one."""
