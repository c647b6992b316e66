"""What an event makes of a run: its next state, and the commands that follow from it. Pure.

Every event that does not apply (any more) leaves the state as it is, so events may come twice, and late.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from msgspec.structs import replace

from clones.workflows.commands import Command
from clones.workflows.ending import conclude
from clones.workflows.expressions import BadExpression
from clones.workflows.orders import seconds
from clones.workflows.plan import Plan, plan
from clones.workflows.state import Failure, Part, State, StepRun
from clones.workflows.turn import Turn
from schemas import (
    CancelRequested,
    DecisionMade,
    ErrorCode,
    StepEnded,
    StepInvalid,
    TimerFired,
    WorkflowBegun,
    WorkflowDefinition,
    WorkflowEntry,
    WorkflowEvent,
)


def advance(
    definition: WorkflowDefinition,
    state: State | None,
    event: WorkflowEvent,
    at: datetime,
    workflow_id: str,
    *,
    version: int,
) -> tuple[State, tuple[Command, ...]]:
    """Return what an event makes of a run, and the commands to be issued once the event is stored.

    `at` is when the event's entry was written. Commands of several events are those of the last state: a task that is to be
    submitted and cancelled in one go need not be submitted.

    Raises:
        ValueError: there is no state, and the event is no WorkflowBegun.
    """
    planned = plan(definition)
    if state is None:
        if not isinstance(event, WorkflowBegun):
            raise ValueError(f"the run {workflow_id} has not begun; its first event is {type(event).__name__}")
        return _begin(planned, event, at, workflow_id, version)
    if state.finish is not None:
        return state, ()
    turn = Turn(planned, state, at)
    if not _take(turn, event):
        return state, ()
    turn.begin_ready(())
    conclude(turn)
    return turn.frozen(), tuple(turn.commands)


def replay(definition: WorkflowDefinition, workflow_id: str, entries: Iterable[WorkflowEntry]) -> State | None:
    """Return what a history makes of a run; None: it holds no event yet.

    Raises:
        ValueError: the first event is no WorkflowBegun.
    """
    state: State | None = None
    for entry in entries:
        for event in entry.events:
            state, _ = advance(definition, state, event, entry.at, workflow_id, version=entry.version)
    return state


def _begin(
    planned: Plan, begun: WorkflowBegun, at: datetime, workflow_id: str, version: int
) -> tuple[State, tuple[Command, ...]]:
    state = State(
        workflow_id=workflow_id,
        version=version,
        begun=begun,
        at=at,
        until=None,
        kept={(end.step, end.index): end for end in begun.kept},
        steps=dict.fromkeys(planned.steps, StepRun()),
        pending=len(planned.steps),
    )
    turn = Turn(planned, state, at)
    until = None
    try:
        limit_s = begun.timeout_s or seconds(planned.timeout, turn.names(()), "timeout_s")
        until = None if limit_s is None else at + timedelta(seconds=limit_s)
    except BadExpression as error:
        turn.failure = Failure(ErrorCode.INCOMPATIBLE_TASK, str(error))
    turn.begin_ready(planned.steps)
    conclude(turn)
    return replace(turn.frozen(), until=until), tuple(turn.commands)


def _take(turn: Turn, event: WorkflowEvent) -> bool:
    """Take an event in; tell whether it applied."""
    match event:
        case StepEnded(compensation=True):
            applied = _undo_ended(turn, event.step, event.index, done=event.state == "completed")
        case StepEnded():
            applied = _part_ended(turn, event)
        case StepInvalid():
            applied = _part_invalid(turn, event) or _undo_ended(turn, event.step, event.index, done=False)
        case DecisionMade():
            applied = _decided(turn, event)
        case TimerFired():
            applied = _fired(turn, event)
        case CancelRequested():
            applied = _cancelled(turn, event)
        case WorkflowBegun():
            applied = False
    return applied


def _part(turn: Turn, step: str, index: int | None) -> Part | None:
    run = turn.steps.get(step)
    if run is None or (index is None) != (run.elements is None) or not 0 <= (index or 0) < len(run.parts):
        return None
    return run.parts[index or 0]


def _part_ended(turn: Turn, end: StepEnded) -> bool:
    part = _part(turn, end.step, end.index)
    if part is None or part.state != "running" or part.task_id != end.task_id:
        return False
    # A person may cancel one task of a run that goes on: that is a failure as any other.
    cancelled = turn.failure is not None and end.state == "failed" and end.code == ErrorCode.CANCELLED
    ended = replace(part, state="cancelled" if cancelled else end.state, end=end, code=end.code, message=end.message)
    turn.end_part(turn.plan.steps[end.step], end.index, ended)
    return True


def _part_invalid(turn: Turn, invalid: StepInvalid) -> bool:
    part = _part(turn, invalid.step, invalid.index)
    if part is None or part.state != "running":
        return False
    cancelled = turn.failure is not None and invalid.code == ErrorCode.CANCELLED
    ended = replace(part, state="cancelled" if cancelled else "failed", code=invalid.code, message=invalid.message)
    turn.end_part(turn.plan.steps[invalid.step], invalid.index, ended)
    return True


def _undo_ended(turn: Turn, step: str, index: int | None, *, done: bool) -> bool:
    part = _part(turn, step, index)
    if part is None or part.undoing != "running":
        return False
    run = turn.steps[step]
    parts = list(run.parts)
    parts[index or 0] = replace(part, undoing="done" if done else "failed")
    turn.steps[step] = replace(run, parts=tuple(parts), undoing=run.undoing - 1)
    return True


def _decided(turn: Turn, made: DecisionMade) -> bool:
    run = turn.steps.get(made.step)
    if run is None or run.state != "waiting" or turn.plan.steps[made.step].kind != "decision":
        return False
    plan = turn.plan.steps[made.step]
    output = {"verdict": made.verdict, "decided_by": made.decided_by, "comment": made.comment}
    said = f" by {made.decided_by}" + (f": {made.comment}" if made.comment else "")
    if made.verdict == "approve":
        end = turn.own_end(plan, "completed", output=output, message=f"approved{said}")
    else:
        end = turn.own_end(plan, "failed", output=output, code=ErrorCode.REJECTED, message=f"rejected{said}")
    turn.settle(plan, run, end)
    return True


def _fired(turn: Turn, fired: TimerFired) -> bool:
    if not fired.step:
        if turn.failure is not None or turn.before.until is None:
            return False
        limit_s = (turn.before.until - turn.before.at).total_seconds()
        turn.failure = Failure(ErrorCode.DEADLINE_EXCEEDED, f"the workflow took longer than its {limit_s:g} s")
        return True
    run = turn.steps.get(fired.step)
    if run is None or run.state != "waiting" or run.until is None:
        return False
    plan = turn.plan.steps[fired.step]
    if plan.kind == "wait":
        end = turn.own_end(plan, "completed")
    else:
        message = "nobody decided in time"
        end = turn.own_end(plan, "failed", code=ErrorCode.DEADLINE_EXCEEDED, message=message)
    turn.settle(plan, run, end)
    return True


def _cancelled(turn: Turn, asked: CancelRequested) -> bool:
    if turn.failure is not None:
        return False
    if asked.code != ErrorCode.CANCELLED:
        turn.failure = Failure(asked.code, asked.reason)
        return True
    who = "since its parent has ended" if asked.command is None and not asked.by else f"by {asked.by or 'somebody'}"
    message = f"cancelled {who}" + (f": {asked.reason}" if asked.reason else "")
    turn.failure = Failure(ErrorCode.CANCELLED, message)
    return True
