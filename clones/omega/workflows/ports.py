"""What the driver of a run needs of others, as it sees them: a test can put itself in between at every call.

Whatever is said here to be raised, the driver tries again for as long as it holds the run.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Protocol

from bus.client import Submitted
from bus.histories import Written
from bus.results import Settlement
from bus.sleepers import Sleeper, Standing
from schemas import (
    Priority,
    StepEnded,
    TaskAssignment,
    TaskResult,
    WorkflowEntry,
    WorkflowInForce,
    WorkflowStart,
)


class Histories(Protocol):
    """As `bus.histories.Histories`."""

    async def read(self, workflow_id: str, *, after: int = 0) -> list[Written]:
        """As there."""
        ...

    async def append(self, entry: WorkflowEntry, *, last: int) -> int | None:
        """As there."""
        ...


class Definitions(Protocol):
    """As `bus.definitions.Definitions`."""

    async def newest(self, name: str) -> WorkflowInForce | None:
        """As there."""
        ...

    async def version(self, name: str, version: int) -> WorkflowInForce | None:
        """As there."""
        ...

    async def unreadable(self, name: str, version: int | None = None) -> str:
        """As there."""
        ...

    async def all_newest(self) -> Mapping[str, WorkflowInForce]:
        """As there."""
        ...


class Sleepers(Protocol):
    """As `bus.sleepers.Sleepers`."""

    async def read(self, workflow_id: str) -> Standing:
        """As there."""
        ...

    async def lie_down(self, sleeper: Sleeper) -> bool:
        """As there."""
        ...

    async def get_up(self, workflow_id: str, *, activation: int) -> Standing | None:
        """As there."""
        ...

    async def remove(self, sleeper: Sleeper) -> None:
        """As there."""
        ...


class Submissions(Protocol):
    """Stores tasks and starts of workflows, as `bus.client.Submitter`, and finds those that are stored."""

    async def submit(
        self, task_type: str, assignment: TaskAssignment, *, priority: Priority | None = None
    ) -> Submitted:
        """As there."""
        ...

    async def start_workflow(self, name: str, start: WorkflowStart) -> Submitted:
        """As there."""
        ...

    async def go_on(self, subject: str, start: WorkflowStart, *, mark: str, driven: int) -> None:
        """Store what has a run that has begun go on under a message of its own, on the subject of its workflow.

        `driven` is the message under which it was driven; sent again with the same `mark`, it is stored once.

        Raises:
            SanctuaryError: it was not stored, or the server did not say so.
        """
        ...

    async def stored(self, subject: str, ids: Collection[str], *, after: int) -> Mapping[str, int]:
        """Return those of `ids` that were stored on `subject` behind the ledger's entry `after`, with their sequences.

        Raises:
            SanctuaryError: the ledger could not be read.
        """
        ...


class Results(Protocol):
    """As `bus.results.Results`."""

    async def read(self, task_type: str, task_id: str) -> TaskResult | None:
        """As there."""
        ...

    async def settle(self, result: TaskResult) -> Settlement:
        """As there."""
        ...


class Kept(NamedTuple):
    """What an ended run leaves to the one that resumes it."""

    workflow: str
    version: int
    input: dict[str, Any]
    """With the defaults filled in."""
    ended: tuple[StepEnded, ...]
    """Its steps that were completed."""
    skipped: tuple[str, ...]
    """Its steps that were skipped by their own conditions."""


class Others(Protocol):
    """Other runs than the one that is driven."""

    async def kept_of(self, workflow_id: str) -> Kept | None:
        """Return what an ended run leaves, or None where there is no run of this id, or it has not ended.

        Raises:
            SanctuaryError: its history could not be read.
        """
        ...

    async def cancel(self, workflow_id: str, reason: str) -> bool:
        """Have a sub-workflow end, whether it has begun or not; one that has ended stays as it is. False: none was ever started.

        Raises:
            SanctuaryError: whether it was told is unknown.
        """
        ...
