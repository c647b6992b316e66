"""All that the ledger tells of one task or workflow and of what it asked for, put together. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from bus.histories import Written
from bus.subjects import COMMAND_TYPE, ESCALATION_TYPE, WORKFLOW_TYPE
from clones.schedule_times import LABEL
from clones.workflows.advance import replay
from clones.workflows.views import lines
from ops.entries import Entry, text
from ops.lookup import About, workflow_name
from ops.proofs.signers import Claimed, verified
from ops.spans import Span, spans
from ops.stories import Key, Story, fold
from ops.timeline import Moment, timeline
from schemas import (
    SEQUENCE_PREFIX,
    ArtifactRef,
    SchemaError,
    StepLine,
    TaskCompletion,
    TaskResult,
    WorkflowCompletion,
    WorkflowDefinition,
    WorkflowEntry,
    WorkflowFailure,
    decode,
)

Definitions = Mapping[tuple[str, int], WorkflowDefinition]
"""By a workflow's name and version."""

DEEPEST = 50
"""So many levels of tasks that asked for others are told."""


class Signature(NamedTuple):
    """What a result says about who wrote it."""

    key: str
    """The public nkey; the server knows its user by it."""
    is_right: bool
    """Whether that key signed this result."""


@dataclass(frozen=True, slots=True)
class Case:
    """One task or workflow from its beginning to its end."""

    story: Story
    spans: tuple[Span, ...]
    moments: tuple[Moment, ...]
    history: tuple[Written, ...]
    """Of a workflow."""
    steps: tuple[StepLine, ...]
    """Of a workflow, as far as its definition is known."""
    children: tuple["Case", ...]
    """What it asked for, in the order in which that was stored."""

    @property
    def workflow(self) -> str | None:
        """The workflow that this is a run of; None: it is a task."""
        if self.story.task_type != WORKFLOW_TYPE:
            return None
        if self.history:
            return self.history[0].entry.workflow
        return workflow_name(self.story.assignment) if self.story.assignment else None

    @property
    def submitter(self) -> str | None:
        """Who asked for it, as far as the ledger knows: a workflow, a task or a schedule. NATS hands nobody's identity on."""
        assignment = self.story.assignment
        if assignment is None:
            return None
        if (parent := assignment.parent_id) is not None:
            return f"{text(assignment.fields.get('parent_type')) or WORKFLOW_TYPE} {parent}"
        schedule = text(self.story.labels.get(LABEL)) if self.workflow else None
        return f"schedule {schedule}" if schedule else None

    @property
    def retry_of(self) -> str | None:
        """The ended task or run that this one does again."""
        return text(self.story.assignment.fields.get("retry_of")) if self.story.assignment else None

    @property
    def traceparent(self) -> str | None:
        """The W3C Trace Context that it was submitted with."""
        told = self.story.assignment.fields.get("traceparent") if self.story.assignment else None
        return text(told) or (self.story.result.traceparent if self.story.result else None)

    @property
    def signature(self) -> Signature | None:
        """Whose signature its result carries; None: none, which is legal."""
        entry = self.story.result_entry
        if entry is None or entry.signer is None:
            return None
        claimed = Claimed(entry.sequence or 0, entry.subject, entry.data, entry.signer, entry.signature or "")
        return Signature(entry.signer, is_right=verified([claimed])[0])

    @property
    def artifacts(self) -> tuple[ArtifactRef, ...]:
        """What its result names in the object store."""
        return self.story.result.artifacts if isinstance(self.story.result, TaskCompletion) else ()

    @property
    def end(self) -> datetime | None:
        """When the last thing ended that belongs to it; None: something goes on, or nothing is known."""
        ends = [self.spans[-1].end if self.spans else None, *(child.end for child in self.children)]
        known = [end for end in ends if end is not None]
        return max(known) if len(known) == len(ends) else None


def cases(
    entries: Sequence[Entry], task_id: str, aliases: Mapping[str, str], definitions: Definitions
) -> tuple[Case, ...]:
    """Return what `entries`, a family, tells of an id: of each type under which it was used, the one that was stored first first."""
    teller = _Teller(entries, aliases, definitions)
    return tuple(teller.case(story) for story in teller.stories if story.task_id == task_id)


def begun_versions(entries: Iterable[Entry]) -> set[tuple[str, int]]:
    """Return the names and versions of the workflows whose histories are among `entries`."""
    found = (_written(entry) for entry in entries if entry.family == "history")
    return {(each.entry.workflow, each.entry.version) for each in found if each is not None}


class _Teller:
    """Knows all entries, and what belongs together."""

    def __init__(self, entries: Sequence[Entry], aliases: Mapping[str, str], definitions: Definitions) -> None:
        folded = fold(entries)
        # Verdicts on commands and escalations are results too, of no task.
        self.stories = sorted(
            (each for each in folded.values() if each.task_type not in (COMMAND_TYPE, ESCALATION_TYPE)), key=_place
        )
        said = [entry for entry in entries if entry.family in ("command", "escalation")]
        self._about = About(said, dict(_verdicts(folded.values())), aliases)
        self._definitions = definitions
        self._told: set[Key] = set()
        self._histories: dict[str, list[Written]] = {}
        for entry in entries:
            if entry.family == "history" and entry.task_id and (written := _written(entry)) is not None:
                self._histories.setdefault(entry.task_id, []).append(written)
        self._children: dict[str, list[Story]] = {}
        for story in self.stories:
            if story.assignment is not None and (parent := story.assignment.parent_id) is not None:
                self._children.setdefault(parent, []).append(story)

    def case(self, story: Story, depth: int = 0) -> Case:
        """Return a task's case. Whoever submits chooses ids and parents, so nothing is told twice, or below `DEEPEST`."""
        self._told.add((story.task_type, story.task_id))
        history = tuple(self._histories.get(story.task_id, ())) if story.task_type == WORKFLOW_TYPE else ()
        about = [entry for entry in self._about.entries if self._about.concerns(entry, story)]
        asked_for = self._children.get(story.task_id, ()) if depth < DEEPEST else ()
        return Case(
            story=story,
            spans=spans(story, history),
            moments=tuple(timeline(story, about, self._about.verdicts)),
            history=history,
            steps=self._steps(story, history),
            children=tuple(
                self.case(child, depth + 1)
                for child in asked_for
                if self._is_of(child, story) and (child.task_type, child.task_id) not in self._told
            ),
        )

    def _is_of(self, child: Story, parent: Story) -> bool:
        """Tell whether a task was asked for by this one, and not by one of another type under the same id."""
        named: Any = child.assignment.fields.get("parent_type") if child.assignment else None
        return named is None or named == parent.task_type

    def _steps(self, story: Story, history: Sequence[Written]) -> tuple[StepLine, ...]:
        if isinstance(story.result, WorkflowCompletion | WorkflowFailure):
            return story.result.steps
        definition = self._definitions.get((history[0].entry.workflow, history[0].entry.version)) if history else None
        if definition is None:
            return ()
        try:
            return lines(definition, replay(definition, story.task_id, (written.entry for written in history)))
        except ValueError:
            return ()  # its history does not begin with its beginning


def _place(story: Story) -> tuple[bool, int]:
    sequence = story.assignment.sequence if story.assignment else None
    return sequence is None, sequence or 0


def _verdicts(stories: Iterable[Story]) -> Iterable[tuple[int, TaskResult]]:
    for story in stories:
        digits = story.task_id.removeprefix(SEQUENCE_PREFIX)
        if story.task_type in (COMMAND_TYPE, ESCALATION_TYPE) and story.result and digits.isdecimal():
            yield int(digits), story.result


def _written(entry: Entry) -> Written | None:
    try:
        return Written(entry.sequence or 0, entry.stored_at, decode(WorkflowEntry, entry.data, entry.content_type))
    except SchemaError:
        return None
