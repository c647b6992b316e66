"""The network as it stood at one moment."""

from datetime import datetime
from typing import Literal

import msgspec

from ops.stories import State
from schemas import InstanceChanged, QueueStatus, RoutesInForce


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """An instance that was there."""

    clone: str
    instance: str
    state: Literal["up", "suspect", "draining"]
    since: datetime


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs of workflows had not ended."""

    waiting: int
    """No Omega had taken them."""
    active: int
    asleep: int
    """They only waited, and nobody held them."""


class KnownSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule that was in force."""

    name: str
    state: Literal["on", "paused"]
    workflow: str
    command: int
    """The ledger sequence of the ScheduleChange."""
    by: str


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """A task that waited for a decision."""

    task_type: str
    task_id: str
    since: datetime
    code: str
    message: str


class PastSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The network at one moment. What is named as in `ops.status.Snapshot` means the same."""

    at: datetime
    sequence: int
    """The last entry up to then; 0: there was none."""
    entries: int
    """How many there were."""
    last_at: datetime | None
    """When the last of them was stored."""
    instances: tuple[Instance, ...]
    missing: tuple[str, ...]
    missed: tuple[InstanceChanged, ...]
    queues: tuple[QueueStatus, ...]
    runs: Runs
    schedules: tuple[KnownSchedule, ...]
    routes_revision: int
    """0: the ledger does not tell of any."""
    routes: RoutesInForce | None
    """None: as for 0."""
    tasks: dict[str, dict[State, int]]
    """By task type, how many were in each state; those that ended count from the ledger's beginning."""
    workflows: dict[str, dict[State, int]]
    """The same by a workflow's name."""
    parked: tuple[Parked, ...]
    """Those first that had been so longest."""
