"""What the driver of a run needs of others, as it sees them: a test can put itself in between at every call."""

from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from schemas import StepEnded, WorkflowInForce
from schemas.base import Told


class Sought(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task or sub-workflow whose result a run waits for."""

    task_type: str
    """`workflow` for a sub-workflow."""
    task_id: str
    sequence: int | None = None
    """The ledger sequence of its assignment or start, where it is known."""


class Sleeper(Told, frozen=True, kw_only=True):
    """A run that only waits, as the bucket `<realm>_sleepers` holds it under the run's id."""

    workflow_id: str
    workflow: str
    """Its name."""
    activation: int
    """The ledger sequence of the start, or wake-up, under which it was driven last: that entry is what is stored anew."""
    until: datetime | None = None
    """Its next timer; None: it has none."""
    seeks: tuple[Sought, ...] = ()
    """The results that wake it. All of these are submitted, so whoever takes the run up submits none of them again."""


class Sleepers(Protocol):
    """The bucket of sleepers."""

    async def put(self, sleeper: Sleeper) -> None:
        """Store the record of a run, in place of any other of that run.

        Raises:
            SanctuaryError: whether it is stored is unknown.
        """
        ...

    async def read(self, workflow_id: str) -> Sleeper | None:
        """Return a run's record, or None where there is none; raises as `put`."""
        ...

    async def remove(self, workflow_id: str) -> None:
        """Remove a run's record where there is one; raises as `put`."""
        ...


class Definitions(Protocol):
    """The definitions in force."""

    async def find(self, name: str, version: int | None = None) -> WorkflowInForce | None:
        """Return a version of a definition, the newest where none is named; None: there is none of that name, or version.

        Raises:
            SanctuaryError: it could not be read.
        """
        ...

    async def names(self) -> tuple[str, ...]:
        """Return the names of all definitions, in order; raises as `find`."""
        ...


class Kept(NamedTuple):
    """What an ended run leaves to the one that resumes it."""

    workflow: str
    version: int
    input: dict[str, object]
    """With the defaults filled in."""
    ended: tuple[StepEnded, ...]
    """Its steps that were completed."""
    skipped: tuple[str, ...]
    """Its steps that were skipped by their own conditions."""


class Previous(Protocol):
    """Reads what ended runs leave."""

    async def kept_of(self, workflow_id: str) -> Kept | None:
        """Return what an ended run leaves, or None where there is no run of this id, or it has not ended.

        Raises:
            SanctuaryError: its history could not be read.
        """
        ...
