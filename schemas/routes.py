"""The routing table: which clone serves which task type, and under which limits. One table is in force at a time."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.base import Asked, Told
from schemas.identifiers import Token
from schemas.status import Severity
from schemas.tasks import Seconds

Priority = Literal["high", "medium", "low"]
Retries = Annotated[int, Meta(ge=0, le=100)]
Person = Annotated[str, Meta(max_length=256)]
"""Who asks, as they name themselves: NATS hands nobody's identity on."""
Words = Annotated[str, Meta(max_length=4096)]


class Weights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a free slot goes to each priority while all have tasks waiting. None is 0: low never starves."""

    high: Annotated[int, Meta(ge=1, le=1000)] = 8
    medium: Annotated[int, Meta(ge=1, le=1000)] = 3
    low: Annotated[int, Meta(ge=1, le=1000)] = 1


class Backoff(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a task waits before its next attempt: `initial_s * coefficient ** (attempt - 1)`, at most `maximum_s`, with jitter.

    Jitter takes the delay to a random share between `1 - jitter` and 1 of it, so that tasks which failed together do not
    come back together.
    """

    initial_s: Annotated[float, Meta(ge=0, le=86_400)] = 1.0
    coefficient: Annotated[float, Meta(ge=1, le=100)] = 2.0
    maximum_s: Annotated[float, Meta(ge=0, le=86_400)] = 60.0
    jitter: Annotated[float, Meta(ge=0, le=1)] = 0.5


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How tasks of one type are served; a task's own limits come first."""

    clone: Token
    """The primary."""
    fallback: Annotated[tuple[Token, ...], Meta(max_length=8)] = ()
    """Who takes over, in this order, with the primary's handler."""
    fallback_when: Literal["absent", "busy"] = "absent"
    """`absent`: while no instance of the primary is there; `busy`: also while all of them are busy."""
    default_priority: Priority = "medium"
    """What a task counts as whose subject names no priority."""
    timeout_s: Seconds = 60.0
    """Start-to-close of one attempt."""
    schedule_to_start_s: Seconds | None = None
    """How long a task may wait for its first start; None: for ever."""
    retries: Retries = 0
    """Attempts after the first that follow a retryable failure."""
    backoff: Backoff = Backoff()
    non_retryable: tuple[str, ...] = ()
    """Error codes that are not retried although they would be."""
    concurrency: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    """Tasks of this type that each instance runs at once; None: as many as it has slots."""
    rate_per_s: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None
    """Tasks of this type that each instance starts a second; None: no limit."""
    when_exhausted: Literal["fail", "fallback", "park"] = "fail"
    """What happens when the attempts run out: the task fails, goes to the next fallback clone, or waits for a person."""
    severity: Severity = "high"
    """Of the escalation when the attempts run out or the handler raises."""
    may_ask: Annotated[tuple[Token, ...], Meta(max_length=32)] = ()
    """The task types that a task of this type may ask other clones for, through Omega. No type may reach itself this way."""


class RoutingTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All routes of a network."""

    weights: Weights = Weights()
    aliases: dict[Token, Token] = {}
    """Other names of task types; resolved by the command line and by calls, not by subjects."""
    routes: dict[Token, Route]
    """By task type."""


class RouteChange(Asked, frozen=True, kw_only=True):
    """Put this table into force: `sanctuary.command.routes`."""

    table: RoutingTable
    base_revision: Annotated[int, Meta(ge=0)]
    """The revision that this one replaces, 0 for none; refused where another one is in force by then."""
    by: Person = ""
    reason: Words = ""


class RoutesInForce(Told, frozen=True, kw_only=True):
    """A revision of the routing table, as the bucket `sanctuary_routes` holds it under the key `table`; its number is the bucket's."""

    table: RoutingTable
    at: datetime
    command: int
    """The ledger sequence of the RouteChange."""
    by: str = ""
    reason: str = ""
