"""Fault points: every call that an Omega makes to anything else for a run of a workflow, counted, and where its process may die.

`arm` wraps what the driver and all around it call, in a process of its own. A run whose id says so, `<flow>-<p>-<n>-<side>`,
has the process killed that makes its n-th call at the point number p, before or after that call. The count of a run goes on
over the processes that drive it, in a file of its own, so that each run kills once. What an Omega does between two such calls
it does in memory.
"""

import contextlib
import fcntl
import functools
import inspect
import os
import re
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

import bus.attempt
import bus.execution
import bus.sleepers
from bus.definitions import Definitions
from bus.execution import Executor
from bus.histories import Histories
from bus.journal import Journal
from bus.lease import Lease
from bus.results import Results
from bus.sleepers import Sleepers
from bus.task import Service
from clones.omega.workflows import issuing, others, waking
from clones.omega.workflows.nudges import Nudges
from clones.omega.workflows.submissions import Submissions
from clones.omega.workflows.telling import Telling
from clones.omega.workflows.waking import Waker
from tests.faults.journals import whole_lines

POINTS: tuple[tuple[Any, str], ...] = (
    # What the driver has.
    (Histories, "read"),
    (Histories, "append"),
    (Definitions, "newest"),
    (Definitions, "version"),
    (Sleepers, "read"),
    (Sleepers, "replace"),
    (Sleepers, "_delete"),
    (Submissions, "submit"),
    (Submissions, "start_workflow"),
    (Submissions, "stored"),
    (Results, "read"),
    (Results, "settle"),
    (Nudges, "listen"),
    (Nudges, "stop"),
    (issuing, "dismiss"),
    # What the worker does for it.
    (Journal, "last"),
    (Journal, "store"),
    (bus.attempt, "acknowledge"),
    (bus.execution, "acknowledge"),
    # What is told to a run, and what wakes it.
    (Telling, "_nudge"),
    (waking, "last_sequence"),
    (waking, "publish"),
    (waking, "store_once"),
    (others, "find_open"),
    (others, "dismiss"),
)

_RUN = re.compile(r"([a-z]+)-(\d+)-(\d+)-(before|after)\Z")
_of_run: ContextVar["Plan | None"] = ContextVar("of_run", default=None)


class Plan(NamedTuple):
    """What is to happen to a run, as its id says."""

    run: str
    flow: str
    point: str
    number: int
    """Of the call at this point, from 1; 0: none."""
    side: str


class Kill(msgspec.Struct, frozen=True):
    """A process died at a point."""

    run: str
    point: str


def name_of(owner: Any, name: str) -> str:
    """How a point is called.

    Raises:
        AttributeError: there is no such call any more.
    """
    getattr(owner, name)
    return f"{owner.__name__.rpartition('.')[2]}.{name}"


NAMES = tuple(name_of(*point) for point in POINTS)
"""Of all points."""


def run_id(flow: str, point: str, number: int, side: str) -> str:
    return f"{flow}-{NAMES.index(point)}-{number}-{side}"


def plan_of(run: object) -> Plan | None:
    """Return what the id of a run says."""
    found = _RUN.match(run) if isinstance(run, str) else None
    return None if found is None else Plan(found[0], found[1], NAMES[int(found[2])], int(found[3]), found[4])


class Points:
    """The files of one test, shared by all processes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kills = directory / "kills"

    def reached(self, run: str, point: str) -> int:
        """Note a call that is made for a run, and return its number among those at this point."""
        with (self._directory / run).open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            number = file.read().splitlines().count(point.encode()) + 1
            file.write(f"{point}\n".encode())
        return number

    def calls(self, run: str) -> list[str]:
        """The points that were reached for a run, in order."""
        return whole_lines(self._directory / run)

    def die(self, run: str, point: str) -> None:
        """End this process at once, as kill -9 does."""
        with self._kills.open("ab", buffering=0) as file:
            file.write(msgspec.json.encode(Kill(run, point)) + b"\n")
        os.kill(os.getpid(), signal.SIGKILL)

    def kills(self) -> list[Kill]:
        """All that died, oldest first."""
        return [msgspec.json.decode(line, type=Kill) for line in whole_lines(self._kills)]

    @contextlib.contextmanager
    def point(self, name: str) -> Iterator[None]:
        """One call."""
        plan = _of_run.get()
        if plan is None:
            yield
            return
        here = self.reached(plan.run, name) == plan.number and name == plan.point
        if here and plan.side == "before":
            self.die(plan.run, f"before {name}")
        try:
            yield
        finally:
            if here:
                self.die(plan.run, f"after {name}")


def arm(directory: Path) -> None:
    """Have this process die where its runs say so."""
    points = Points(directory)
    for owner, name in POINTS:
        setattr(owner, name, _watched(points, owner, name))
    for owner, name, told in ((Executor, "execute", _executing), (Waker, "_wake", _waking)):
        setattr(owner, name, told(getattr(owner, name)))


def _watched(points: Points, owner: Any, name: str) -> Callable[..., Any]:
    original = getattr(owner, name)
    told = name_of(owner, name)
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def waited(*args: Any, **kwargs: Any) -> Any:
            with points.point(told):
                return await original(*args, **kwargs)

        return waited

    @functools.wraps(original)
    def called(*args: Any, **kwargs: Any) -> Any:
        with points.point(told):
            return original(*args, **kwargs)

    return called


class _Named(msgspec.Struct, frozen=True):
    id: str | None = None
    parent_id: str | None = None
    workflow_id: str | None = None
    task_id: str | None = None


def _executing(original: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def execute(self: Executor, lease: Lease, service: Service) -> None:
        named = msgspec.json.decode(lease.delivery.data, type=_Named)
        # What is done for a sub-workflow, or about a run, is done for the run.
        plans = map(plan_of, (named.parent_id, named.id, named.workflow_id, named.task_id))
        _of_run.set(next(filter(None, plans), None))
        await original(self, lease, service)

    return execute


def _waking(original: Callable[..., Awaitable[bool]]) -> Callable[..., Awaitable[bool]]:
    async def wake(self: Waker, sleeper: bus.sleepers.Sleeper, standing: bus.sleepers.Standing, behind: int) -> bool:
        before = _of_run.set(plan_of(sleeper.start.parent_id) or plan_of(sleeper.workflow_id))
        try:
            return await original(self, sleeper, standing, behind)
        finally:
            _of_run.reset(before)

    return wake
