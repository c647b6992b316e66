"""Who is there and how it fares."""

from datetime import datetime
from typing import Literal

from schemas.base import Asked, Told

State = Literal["starting", "ready", "draining"]
Severity = Literal["low", "medium", "high", "critical"]


class StatusQuery(Asked, frozen=True, kw_only=True):
    """Ask who hears this to answer with a StatusResponse; an empty body means the same."""


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
    traceback: str | None = None
    """The last lines of the exception, where there was one."""
