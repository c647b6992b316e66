"""What the streams may hold of one run of a workflow that has ended, whoever drove it: pure functions.

The rules follow from what an Omega does in which order: it appends what has happened, by compare-and-set and under its
activation, and only then asks for what follows from it, under ids that follow from the place in the run. A run that somebody
ended by command, or that no Omega could drive on, has a result that its history knows nothing of.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bus.histories import Written
from bus.subjects import WORKFLOW_TYPE
from clones.workflows.advance import advance
from clones.workflows.commands import CancelTask, CancelWorkflow, Finish, StartWorkflow, SubmitTask
from clones.workflows.ids import step_id
from clones.workflows.state import State
from clones.workflows.views import finished, lines
from schemas import (
    CancelRequested,
    Command,
    Decision,
    DecisionMade,
    StepEnded,
    TaskAssignment,
    TaskCancel,
    TaskCompletion,
    TaskFailure,
    TaskResult,
    WorkflowBegun,
    WorkflowCompletion,
    WorkflowDefinition,
    WorkflowFailure,
    WorkflowStart,
)

Key = tuple[str, str]
"""A type and an id."""


@dataclass(frozen=True)
class Child:
    """What the ledger holds that names the run as its parent: a task, or the start of a sub-workflow."""

    sequence: int
    task_type: str
    asked: TaskAssignment | WorkflowStart

    @property
    def id(self) -> str:
        """Its own id."""
        return self.asked.id or ""


@dataclass(frozen=True)
class Life:
    """What the streams hold of one run."""

    workflow_id: str
    definition: WorkflowDefinition
    """The version that its history names."""
    history: Sequence[Written]
    activations: frozenset[int]
    """The ledger sequences of its start and its wake-ups."""
    children: Sequence[Child]
    results: Mapping[Key, TaskResult]
    """All that stand, also those of others."""
    commands: Mapping[int, Command]
    """All that were given, by their number."""


@dataclass
class _Fold:
    """A history, read from its beginning."""

    life: Life
    state: State | None = None
    wanted: dict[str, tuple[int, SubmitTask | StartWorkflow]] = field(default_factory=dict)
    """By id what is to be asked for, with the entry that says so."""
    cancelled: set[Key] = field(default_factory=set)
    """What is to be cancelled, whether it was asked for or not."""
    ended: set[tuple[str, int | None, bool]] = field(default_factory=set)
    told: Counter[int] = field(default_factory=Counter)
    """The commands that events name."""
    breaches: list[str] = field(default_factory=list)
    asked: dict[str, Child] = field(default_factory=dict)
    """What was asked for first under each id."""

    def __post_init__(self) -> None:
        for child in self.life.children:
            self.asked.setdefault(child.id, child)

    def breach(self, written: Written, why: str) -> None:
        self.breaches.append(f"#{written.sequence}: {why}")

    def result(self, task_type: str, task_id: str) -> TaskResult | None:
        return self.life.results.get((task_type, task_id))


def run_breaches(life: Life) -> list[str]:
    """Return in words where the streams' contents on one run are not legal; empty where they are."""
    fold = _fold(life)
    _judge_order(fold)
    _judge_children(fold)
    _judge_end(fold)
    return fold.breaches


def strangers(life: Life) -> list[str]:
    """Return in words what names the run as its parent and is not of it, or was asked for more than once.

    Anybody may submit tasks, and name what parent he likes, so that this is no breach of the run's.
    """
    fold, counts = _fold(life), Counter(child.id for child in life.children)
    found: list[str] = []
    for child in life.children:
        at = f"#{child.sequence}: {child.task_type} {child.id}"
        if counts[child.id] > 1:
            found.append(f"{at} was asked for {counts[child.id]} times")
        if child.id not in fold.wanted:
            found.append(f"{at} is nothing that the history wants")
    return found


def cancelled(life: Life) -> set[Key]:
    """Return what the history has cancelled, whether it was asked for by then or not."""
    return _fold(life).cancelled


def _fold(life: Life) -> _Fold:
    fold = _Fold(life)
    for written in life.history:
        _take(fold, written)
    return fold


def _judge_order(fold: _Fold) -> None:
    """Hold the entries against each other, whatever they say."""
    life, activation, sequence = fold.life, 0, 0
    for written in life.history:
        entry = written.entry
        if (entry.workflow_id, entry.workflow) != (life.workflow_id, life.definition.name):
            fold.breach(written, f"it is of {entry.workflow} {entry.workflow_id}")
        if entry.version != life.history[0].entry.version:
            fold.breach(written, f"the version changes to {entry.version}")
        if written.sequence <= sequence:
            fold.breach(written, f"it stands behind #{sequence}")
        if entry.activation < activation:
            fold.breach(written, f"the activation falls from {activation} to {entry.activation}")
        if entry.activation not in life.activations or entry.activation >= written.sequence:
            fold.breach(written, f"the activation {entry.activation} is no start or wake-up before it")
        activation, sequence = entry.activation, written.sequence


def _take(fold: _Fold, written: Written) -> None:
    entry = written.entry
    if fold.state is not None and finished(fold.state) is not None:
        fold.breach(written, "the run has ended before")
    for event in entry.events:
        if (fold.state is None) != isinstance(event, WorkflowBegun):
            fold.breach(written, f"{type(event).__name__} is no beginning, or a second one")
        match event:
            case StepEnded():
                _judge_step(fold, written, event)
            case DecisionMade():
                _judge_decision(fold, written, event)
            case CancelRequested() if event.command is not None:
                _judge_cancel(fold, written, event)
        before = fold.state
        fold.state, wanted = advance(
            fold.life.definition, before, event, entry.at, entry.workflow_id, version=entry.version
        )
        if isinstance(event, StepEnded | DecisionMade) and fold.state is before:
            fold.breach(written, f"{type(event).__name__} of {event.step} changes nothing")
        for command in wanted:
            match command:
                case SubmitTask():
                    fold.wanted.setdefault(command.task_id, (written.sequence, command))
                case StartWorkflow():
                    fold.wanted.setdefault(command.workflow_id, (written.sequence, command))
                case CancelTask():
                    fold.cancelled.add((command.task_type, command.task_id))
                case CancelWorkflow():
                    fold.cancelled.add((WORKFLOW_TYPE, command.workflow_id))


def _judge_step(fold: _Fold, written: Written, event: StepEnded) -> None:
    life, place = fold.life, (event.step, event.index, event.compensation)
    if place in fold.ended:
        fold.breach(written, f"{place} has ended before")
    fold.ended.add(place)
    secret = "" if fold.state is None else fold.state.begun.secret
    own_id = step_id(life.workflow_id, event.step, event.index, compensation=event.compensation, secret=secret)
    if event.task_id != own_id:
        fold.breach(written, f"{place} has the id {event.task_id}, not {own_id}")
    child = fold.asked.get(event.task_id)
    asked = child is not None and child.sequence < written.sequence
    # What is cancelled before it was asked for gets its result all the same.
    if not asked and (event.task_type, event.task_id) not in fold.cancelled:
        fold.breach(written, f"{place} has ended and was not asked for before")
    result = fold.result(event.task_type, event.task_id)
    if result is None:
        fold.breach(written, f"{place} has ended without a result")
    elif (event.state == "completed") != isinstance(result, TaskCompletion) and event.started_at is not None:
        fold.breach(written, f"{place} is {event.state}, and its result is a {type(result).__name__}")


def _judge_decision(fold: _Fold, written: Written, event: DecisionMade) -> None:
    command = fold.life.commands.get(event.command)
    said = (event.step, event.verdict, event.decided_by, event.comment)
    if not isinstance(command, Decision) or (
        (command.step, command.verdict, command.decided_by, command.comment) != said
        or command.workflow_id != fold.life.workflow_id
        or event.command >= written.sequence
    ):
        fold.breach(written, f"the command {event.command} did not decide so on {event.step}")
    _count(fold, written, event.command)


def _judge_cancel(fold: _Fold, written: Written, event: CancelRequested) -> None:
    command = fold.life.commands.get(event.command or 0)
    if not isinstance(command, TaskCancel) or (
        (command.task_type, command.task_id, command.by) != (WORKFLOW_TYPE, fold.life.workflow_id, event.by)
        or (event.command or 0) >= written.sequence
    ):
        fold.breach(written, f"the command {event.command} did not cancel this run")
    _count(fold, written, event.command or 0)


def _count(fold: _Fold, written: Written, command: int) -> None:
    if command in fold.told:
        fold.breach(written, f"the command {command} was carried out before")
    fold.told[command] += 1


def _judge_children(fold: _Fold) -> None:
    """Each thing that is wanted was asked for, after the history said so, and as it said."""
    for task_id, (since, command) in fold.wanted.items():
        child = fold.asked.get(task_id)
        if child is None:
            if task_id not in {cancelled_id for _, cancelled_id in fold.cancelled}:
                fold.breaches.append(f"{task_id} was never asked for: {command}")
            continue
        at = f"#{child.sequence}: {child.task_type} {child.id}"
        if child.sequence < since:
            fold.breaches.append(f"{at} was asked for before #{since} said so")
        if _said(command) != (child.task_type, _given(child)):
            fold.breaches.append(f"{at} is not what the history wants: {command}")
        if fold.result(child.task_type, child.id) is None:
            fold.breaches.append(f"{at} has no result")


def _said(command: SubmitTask | StartWorkflow) -> tuple[str, object]:
    if isinstance(command, SubmitTask):
        return command.task_type, command.params
    return WORKFLOW_TYPE, command.input


def _given(child: Child) -> object:
    return child.asked.input if isinstance(child.asked, WorkflowStart) else child.asked.params


def _judge_end(fold: _Fold) -> None:
    life, result = fold.life, fold.result(WORKFLOW_TYPE, fold.life.workflow_id)
    finish = None if fold.state is None else finished(fold.state)
    by_command = result is not None and result.writer.startswith("command-")
    if result is None:
        fold.breaches.append("it has no result")
    elif by_command or isinstance(result, TaskFailure) or (finish is None and isinstance(result, WorkflowFailure)):
        return
    elif fold.state is None or finish is None:
        fold.breaches.append("its history has no end")
    elif not isinstance(result, WorkflowCompletion | WorkflowFailure):
        fold.breaches.append(f"its result is a {type(result).__name__}")
    else:
        fold.breaches += _differences(finish, result)
        if result.steps != lines(life.definition, fold.state):
            fold.breaches.append("its result tells other things of its steps than its history")


def _differences(finish: Finish, result: WorkflowCompletion | WorkflowFailure) -> Iterator[str]:
    if finish.completed != isinstance(result, WorkflowCompletion):
        yield f"its history ends as {finish}, its result is a {type(result).__name__}"
    if isinstance(result, WorkflowCompletion) and result.output != finish.output:
        yield f"its output is {result.output}, by its history {finish.output}"
    if isinstance(result, WorkflowFailure) and result.code != finish.code:
        yield f"it failed with {result.code}, by its history with {finish.code}"
