"""A run's history as rows for people: its entries, what follows from each, and how the run ended. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from bus.histories import Written
from clones.workflows.advance import advance
from clones.workflows.state import State, StepRun
from clones.workflows.views import lines
from ops.history_words import of_entry
from schemas import TaskCompletion, TaskResult, WorkflowDefinition


class Row(NamedTuple):
    """One line of a history."""

    at: datetime
    by: str
    words: str
    sequence: int | None = None
    """Of the entry in the ledger; None: the row is what follows from the entry above it, or the run's result."""
    under: int | None = None
    """The entry of the ledger, a start or a wake-up, for which the run was being driven."""


def rows(history: Sequence[Written], definition: WorkflowDefinition | None, result: TaskResult | None) -> Iterator[Row]:
    """Yield a run's history, oldest first; without its definition nothing is said of what follows from an entry."""
    states = list(_states(history, definition)) if definition is not None and history else []
    why = {line.step: line.message for line in lines(definition, states[-1])} if definition and states else {}
    before: State | None = None
    for place, written in enumerate(history):
        entry = written.entry
        yield Row(entry.at, entry.instance, of_entry(entry), written.sequence, entry.activation)
        if states:
            after = states[place]
            yield from (Row(entry.at, "", f"→ {words}") for words in _followed(before, after, why))
            before = after
    if result is not None:
        yield Row(result.finished_at, result.instance, _ended(result))


def _states(history: Sequence[Written], definition: WorkflowDefinition) -> Iterator[State | None]:
    """Yield the run's state after each entry."""
    state: State | None = None
    for entry in (written.entry for written in history):
        for event in entry.events:
            state, _ = advance(definition, state, event, entry.at, entry.workflow_id, version=entry.version)
        yield state


def _followed(before: State | None, after: State | None, why: dict[str, str]) -> Iterator[str]:
    """Yield what an entry led to: steps that begin, wait, are skipped or undone, and the end that a failure brings."""
    if after is None or after is before:
        return
    changed = {
        name: (None if before is None else before.steps[name], run)
        for name, run in after.steps.items()
        if before is None or before.steps[name] is not run
    }
    begun = [_with_elements(name, run) for name, (old, run) in changed.items() if _turned(old, run, "running")]
    if begun:
        yield f"{', '.join(begun)} begin{'s' if len(begun) == 1 else ''}"
    for name, (old, run) in changed.items():
        if _turned(old, run, "waiting"):
            yield f"{name} waits" + (f": {run.prompt}" if run.prompt else "")
        elif _turned(old, run, "skipped"):
            yield f"{name} is skipped" + (f": {why[name]}" if why.get(name) else "")
        if run.undoing > (old.undoing if old is not None else 0):
            yield f"{name} is being undone"
    if after.failure is not None and (before is None or before.failure is None):
        yield f"the run is to end: {after.failure.code}: {after.failure.message}"


def _turned(old: StepRun | None, run: StepRun, state: str) -> bool:
    return run.state == state and (old is None or old.state != state)


def _with_elements(name: str, run: StepRun) -> str:
    return name if run.elements is None else f"{name} ({len(run.elements)} elements)"


def _ended(result: TaskResult) -> str:
    if isinstance(result, TaskCompletion):
        return f"the run is completed: {result.summary}" if result.summary else "the run is completed"
    return f"the run has ended: {result.code}: {result.message}"
