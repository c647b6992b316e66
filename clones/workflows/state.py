"""How far a run has come: what its events have made of its definition."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from clones.workflows.commands import Finish
from schemas import StepEnded, StepState, WorkflowBegun

Undoing = Literal["", "running", "done", "failed"]
"""Of a completed part's compensation; empty: none was begun."""


class Cause(NamedTuple):
    """Why a step was not done: a step before it failed, or the branch before it was not taken."""

    step: str
    """The step that failed, or the branch."""
    untaken: bool


class Part(msgspec.Struct, frozen=True):
    """A step's task or sub-workflow, or that of one element of its fan-out."""

    task_id: str
    began: datetime
    """When the entry was written that asks for it."""
    state: Literal["running", "completed", "failed", "cancelled"] = "running"
    end: StepEnded | None = None
    """Its result, once it stands; one that could not be begun has none."""
    code: str = ""
    message: str = ""
    """A failure's message, or a completion's summary."""
    undoing: Undoing = ""
    undo_began: datetime | None = None


class StepRun(msgspec.Struct, frozen=True):
    """One step of a run."""

    state: StepState = "pending"
    began: datetime | None = None
    """When it became ready."""
    ended: datetime | None = None
    until: datetime | None = None
    """When its wait, or its decision's limit, is over."""
    prompt: str = ""
    """Of its decision."""
    elements: tuple[Any, ...] | None = None
    """Of its fan-out, once that began."""
    parts: tuple[Part, ...] = ()
    """One, or those elements of the fan-out that were begun, in order."""
    open: int = 0
    """How many parts run."""
    failed: int = 0
    """How many parts have failed."""
    looked_at: int = 0
    """Of how many parts it is known, from the first on, whether they are to be undone."""
    undoing: int = 0
    """How many compensations run."""
    code: str = ""
    message: str = ""
    value: Mapping[str, Any] | None = None
    """What expressions see of it, once it has ended."""
    by_condition: bool = False
    """Whether it was skipped by its own condition."""
    causes: frozenset[Cause] = frozenset()
    """Why it was skipped, otherwise."""


class Failure(msgspec.Struct, frozen=True):
    """Why a run ends without being done."""

    code: str
    message: str
    details: Mapping[str, Any] = {}


class State(msgspec.Struct, frozen=True):
    """A run."""

    workflow_id: str
    version: int
    begun: WorkflowBegun
    at: datetime
    """When it began."""
    until: datetime | None
    """Its own limit."""
    kept: Mapping[tuple[str, int | None], StepEnded]
    """What the run that this one resumes had ended, by step and index."""
    steps: Mapping[str, StepRun]
    pending: int
    """How many steps have not ended."""
    done: tuple[str, ...] = ()
    """The steps with a part that can be undone, in the order in which the first part of each was completed."""
    failure: Failure | None = None
    """Set once it is to end: what runs is cancelled, and what is done is undone."""
    undoing: tuple[str, ...] | None = None
    """The steps yet to be undone, the current one first; None: nothing is undone yet."""
    finish: Finish | None = None
    """How it ended, once it has."""
