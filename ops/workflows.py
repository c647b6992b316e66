"""Runs of workflows as the ledger tells of them, and asking for what is to become of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from bus.definitions import Definitions
from bus.errors import SanctuaryError
from bus.histories import Histories, Written
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from clones.tables import table_of
from clones.workflows.advance import replay
from clones.workflows.problems import did_you_mean
from clones.workflows.state import State
from clones.workflows.views import Awaited, awaited_decisions, lines
from ops.commanding import person, verdict_on
from ops.hints import command_line
from ops.lookup import Wanted, find, newest, workflow_name
from ops.stories import Story, fold
from schemas import (
    SchemaError,
    StepEnded,
    StepLine,
    TaskFailure,
    WorkflowBegun,
    WorkflowCompletion,
    WorkflowDefinition,
    WorkflowFailure,
    WorkflowInForce,
    WorkflowPut,
    WorkflowStart,
    decode,
    new_id,
)

RUNS = Wanted(types=(WORKFLOW_TYPE,))
NEAR = 50
"""So many of the newest runs are looked through for the one that a mistyped id may mean."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a workflow."""

    story: Story
    name: str
    history: tuple[Written, ...]
    """Oldest first; empty: it has not begun."""
    definition: WorkflowDefinition | None
    """The version that it began with; None: it has not begun, or that version is not to be found."""
    state: State | None

    @property
    def id(self) -> str:
        """The run's id."""
        return self.story.task_id

    @property
    def status(self) -> str:
        """As its story's state; a run is begun as soon as it has a history, which its first event in the ledger tells later."""
        return "running" if self.history and self.story.state == "queued" else self.story.state

    @property
    def version(self) -> int | None:
        """Of its definition; None: it has not begun."""
        return self.history[0].entry.version if self.history else None

    @property
    def begun(self) -> WorkflowBegun | None:
        """Its first event."""
        events = [event for written in self.history[:1] for event in written.entry.events]
        return next((event for event in events if isinstance(event, WorkflowBegun)), None)

    @property
    def lines(self) -> tuple[StepLine, ...]:
        """How its steps fare, in the definition's order; empty where that is not known."""
        if isinstance(self.story.result, WorkflowCompletion | WorkflowFailure):
            return self.story.result.steps
        return lines(self.definition, self.state) if self.definition and self.state else ()

    @property
    def awaited(self) -> tuple[Awaited, ...]:
        """The decisions that it waits for."""
        if self.story.result is not None or self.definition is None or self.state is None:
            return ()
        return awaited_decisions(self.definition, self.state)

    @property
    def ended(self) -> tuple[StepEnded, ...]:
        """The results of its steps' tasks, with those that were kept of the run that it goes on with."""
        kept = self.begun.kept if self.begun else ()
        told = [event for written in self.history for event in written.entry.events if isinstance(event, StepEnded)]
        return (*kept, *told)


async def history_of(network: Network, workflow_id: str) -> tuple[Written, ...]:
    """Return the entries of a run's history, oldest first.

    Raises:
        SanctuaryError: the ledger cannot be read, or holds an entry of this run that is not known here.
    """
    try:
        return tuple(await Histories(network).read(workflow_id))
    except SchemaError as error:
        raise SanctuaryError(f"the history of {workflow_id} cannot be read here: {error.message}") from None


async def find_run(network: Network, definitions: Definitions, workflow_id: str) -> Run:
    """Return the run of this id.

    Raises:
        SanctuaryError: there is none, or the ledger cannot be read.
    """
    story = fold(await find(network, workflow_id, only=WORKFLOW_TYPE)).get((WORKFLOW_TYPE, workflow_id))
    if story is None:
        near = did_you_mean(workflow_id, [each.task_id for each in await newest(network, RUNS, limit=NEAR)])
        raise SanctuaryError(f"there is no run {workflow_id}{near}; `{command_line('workflow list')}` shows the newest")
    history = await history_of(network, workflow_id)
    name = history[0].entry.workflow if history else (workflow_name(story.assignment) if story.assignment else "?")
    definition, state = None, None
    if history:
        found = await definitions.version(name, history[0].entry.version)
        definition = found.definition if found else None
    if definition is not None:
        state = replay(definition, workflow_id, (written.entry for written in history))
    return Run(story, name, history, definition, state)


def again(run: Run, *, resume: bool) -> WorkflowStart:
    """Return the start that runs an ended run again, or with `resume` goes on where it failed.

    It has that run's input, labels, limit and priority; resumed, its version too, otherwise the newest.

    Raises:
        ValueError: the run has not ended, or there is nothing to go on with.
    """
    if run.story.result is None:
        raise ValueError(
            f"the run {run.id} has not ended: it is {run.status}. `{command_line('workflow cancel', run.id)}` ends it"
        )
    again_by = f"`{command_line('workflow retry', run.id)}`"
    if resume and run.story.state == "completed":
        raise ValueError(f"the run {run.id} was completed: nothing is left to go on with. {again_by} runs it again")
    if resume and run.begun is None:
        raise ValueError(f"the run {run.id} never began: nothing of it can be kept. {again_by} runs it again")
    start = _start(run)
    given: dict[str, Any] = run.begun.input if run.begun else start.input
    return msgspec.structs.replace(
        start,
        id=new_id(),
        input=given,
        version=run.version if resume else None,
        retry_of=run.id,
        resume=resume,
        reply_to=None,
        parent_id=None,
    )


def _start(run: Run) -> WorkflowStart:
    entry = run.story.assignment
    if entry is None:
        raise ValueError(f"the start of {run.id} is not in the ledger")
    try:
        start: WorkflowStart = decode(WorkflowStart, entry.data, entry.content_type)
    except SchemaError as error:
        raise ValueError(f"the start of {run.id} cannot be used: {error.message}") from None
    return start


async def known(definitions: Definitions, name: str) -> WorkflowInForce:
    """Return the newest version of a workflow.

    Raises:
        ValueError: there is none of this name; the message names those that there are.
        SanctuaryError: the bucket cannot be read.
    """
    found = await definitions.newest(name)
    if found is None:
        names = await definitions.all_newest()
        known = ", ".join(names) or "none, as no Omega has stored any"
        raise ValueError(f"there is no workflow {name!r}{did_you_mean(name, names)}. Known: {known}")
    return found


async def known_to(network: Network) -> tuple[frozenset[str], Mapping[str, WorkflowDefinition]]:
    """Return the task types of the network, with their aliases, and its workflows' newest definitions.

    Raises:
        SanctuaryError: they cannot be read.
    """
    table = await table_of(network)
    newest = await Definitions(network).all_newest()
    return frozenset({*table.routes, *table.aliases}), {name: each.definition for name, each in newest.items()}


async def store_definition(
    network: Network,
    definition: WorkflowDefinition,
    *,
    reason: str,
    within_s: float,
    waiting: Callable[[str], None] | None = None,
) -> tuple[int, str]:
    """Have Omega store a definition; return its version, and the verdict in words. One that is stored already keeps its version.

    `waiting` is as of `verdict_on`.

    Raises:
        SanctuaryError: it was not stored; the message is Omega's.
    """
    wanted = WorkflowPut(definition=definition, by=person(), reason=reason)
    verdict = await verdict_on(network, wanted, within_s=within_s, waiting=waiting)
    if isinstance(verdict, TaskFailure):
        raise SanctuaryError(f"the definition of {definition.name} was not stored: {verdict.message}")
    return int(verdict.output["version"]), verdict.summary
