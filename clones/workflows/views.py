"""What a run's state tells: what is still to be asked for, what is waited for, how its steps stand. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from clones.workflows.commands import Command, Finish
from clones.workflows.ending import MAX_REASON_CHARS, undo_names
from clones.workflows.ids import step_id
from clones.workflows.names import names, of_element
from clones.workflows.orders import cancel_order, part_order, undo_order
from clones.workflows.plan import Needed, Plan, StepPlan, part_of, plan
from clones.workflows.state import State, StepRun
from schemas import StepEnded, StepLine, TimerFired, WorkflowDefinition


class Awaited(NamedTuple):
    """A decision that a run waits for."""

    step: str
    prompt: str
    since: datetime
    until: datetime | None
    """When the step fails for want of it; None: it waits as long as the run may take."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A result that a run waits for."""

    step: str
    index: int | None
    compensation: bool
    task_type: str
    """`workflow` for a sub-workflow."""
    task_id: str
    since: datetime
    """As in SubmitTask."""


def finished(state: State) -> Finish | None:
    """Return how a run has ended; None: it goes on."""
    return state.finish


def outstanding(definition: WorkflowDefinition, state: State) -> tuple[Command, ...]:
    """Return all commands that are in force: whoever takes a run over issues them (again).

    Of a run that goes on: its tasks and sub-workflows without a result; of one that is ending: the cancels of those, then the
    compensations without a result; of one that has ended: its end.
    """
    if state.finish is not None:
        return (state.finish,)
    planned = plan(definition)
    commands: list[Command] = []
    for name, run in state.steps.items():
        if run.open:
            commands += _of_parts(planned, planned.steps[name], state, run)
        if state.undoing:
            commands += _of_compensations(planned, planned.steps[name], state, run)
    return tuple(commands)


def _of_parts(planned: Plan, step: StepPlan, state: State, run: StepRun) -> Iterator[Command]:
    seen = _names(planned, step, state)
    for index, element, place in _places(run):
        part = run.parts[place]
        if part.state != "running":
            continue
        if state.failure is not None:
            reason = f"the workflow {state.workflow_id} ends: {state.failure.message}"[:MAX_REASON_CHARS]
            yield cancel_order(step, part, index, reason)
        else:
            own = seen if index is None else of_element(seen, element, index)
            yield part_order(step, own, state.workflow_id, state.begun, index=index, since=part.began)


def _of_compensations(planned: Plan, step: StepPlan, state: State, run: StepRun) -> Iterator[Command]:
    seen = _names(planned, step, state)
    for index, _, place in _places(run):
        part = run.parts[place]
        if part.undoing == "running" and part.undo_began is not None:
            own = undo_names(seen, step, run, index)
            yield undo_order(step, own, state.workflow_id, state.begun, index=index, since=part.undo_began)


def _places(run: StepRun) -> Iterator[tuple[int | None, Any, int]]:
    """Yield index, element and place of the parts that were begun."""
    for place in range(len(run.parts)):
        yield (None, None, place) if run.elements is None else (place, run.elements[place], place)


def _names(planned: Plan, step: StepPlan, state: State) -> dict[str, Any]:
    workflow = (state.workflow_id, planned.definition.name, state.version)
    return names(workflow, state.begun, state.steps, step.reads)


def expected(definition: WorkflowDefinition, state: State) -> tuple[Expected, ...]:
    """Return the results that a run waits for, those of what it has cancelled among them."""
    if state.finish is not None:
        return ()
    planned = plan(definition)
    found: list[Expected] = []
    for name, run in state.steps.items():
        if not run.open and not state.undoing:
            continue
        step = planned.steps[name].step
        undo = "" if step.compensate is None else step.compensate.task
        for index, _, place in _places(run):
            part = run.parts[place]
            if part.state == "running":
                found.append(
                    Expected(
                        name,
                        index,
                        compensation=False,
                        task_type=step.task or "workflow",
                        task_id=part.task_id,
                        since=part.began,
                    )
                )
            elif part.undoing == "running" and part.undo_began is not None:
                task_id = step_id(state.workflow_id, name, index, compensation=True, secret=state.begun.secret)
                found.append(
                    Expected(name, index, compensation=True, task_type=undo, task_id=task_id, since=part.undo_began)
                )
    return tuple(found)


def timers(definition: WorkflowDefinition, state: State) -> tuple[tuple[datetime, TimerFired], ...]:
    """Return when which timers fire, the soonest first."""
    if state.failure is not None or state.finish is not None:
        return ()
    found = [(state.until, TimerFired())] if state.until is not None else []
    found += [
        (run.until, TimerFired(step=name))
        for name in plan(definition).waits
        if (run := state.steps[name]).state == "waiting" and run.until is not None
    ]
    return tuple(sorted(found, key=lambda timer: (timer[0], timer[1].step)))


def awaited_decisions(definition: WorkflowDefinition, state: State) -> tuple[Awaited, ...]:
    """Return the decisions that a run waits for, in the definition's order."""
    return tuple(
        Awaited(name, run.prompt, run.began or state.at, run.until)
        for name, step in definition.steps.items()
        if step.decision is not None and (run := state.steps[name]).state == "waiting"
    )


def lines(definition: WorkflowDefinition, state: State | None) -> tuple[StepLine, ...]:
    """Return how each step stands, in the definition's order; of a run that has not begun, all are pending."""
    planned = plan(definition)
    if state is None:
        return tuple(StepLine(step=name, kind=_kind(step), state="pending") for name, step in planned.steps.items())
    return tuple(_line(step, state.steps[name], state) for name, step in planned.steps.items())


def _kind(step: StepPlan) -> str:
    return step.step.task or step.kind


def _line(step: StepPlan, run: StepRun, state: State) -> StepLine:
    undone = {part.undoing for part in run.parts}
    single = run.parts[0] if run.elements is None and run.parts else None
    end = None if single is None else single.end
    never = run.state == "pending" and state.finish is not None
    return StepLine(
        step=step.name,
        kind=_kind(step),
        state="skipped" if never else run.state,
        task_id=(single.task_id or None) if single else None,
        clone=end.clone if end else "",
        code=run.code,
        message="not begun: the run ended before" if never else _message(run),
        items=None if run.elements is None else len(run.elements),
        items_failed=0 if run.elements is None else run.failed,
        compensated="failed" if "failed" in undone else "done" if "done" in undone else None,
        started_at=(end and end.started_at) or run.began,
        # What was done for the run that this one resumes was over before.
        finished_at=end.finished_at if end and run.began and _is_before(end.finished_at, run.began) else run.ended,
    )


def _is_before(moment: datetime | None, other: datetime) -> bool:
    return moment is not None and moment < other


def _message(run: StepRun) -> str:
    if run.state == "waiting":
        return run.prompt
    if run.state != "skipped":
        return run.message
    if run.by_condition:
        return "its condition does not hold"
    return "; ".join(
        f"the branch {cause.step} was not taken" if cause.untaken else f"{cause.step} failed"
        for cause in sorted(run.causes)
    )


def kept(definition: WorkflowDefinition, state: State) -> tuple[tuple[StepEnded, ...], tuple[str, ...]]:
    """Return what a run that resumes this one need not do again: what has ended, and the steps that their conditions skipped.

    A step whose failure ended the run is done again, of a fan-out only what is not completed. So is what was undone, and
    whatever comes after what is done again, since it was made of that.
    """
    planned = plan(definition)
    again: set[str] = set()
    ended: list[StepEnded] = []
    skipped: list[str] = []
    for name in _in_order(planned):
        step, run = planned.steps[name], state.steps[name]
        if not again.isdisjoint((*step.needs, *step.catches)):
            again.add(name)
            continue
        if run.state == "skipped":
            skipped += [name] if run.by_condition else []
            continue
        handled = run.state == "failed" and step.step.on_failure != "fail"
        if not (run.state == "completed" or handled) or any(part.undoing or not part.end for part in run.parts):
            again.add(name)
        ended += [
            part.end
            for part in run.parts
            if part.end is not None and not part.undoing and (part.state == "completed" or handled)
        ]
    return tuple(ended), tuple(skipped)


def _in_order(planned: Plan) -> tuple[str, ...]:
    """Return the steps so that each comes after those that it waits for."""
    found: list[str] = []
    waits = {name: len({*step.needs, *step.catches}) for name, step in planned.steps.items()}
    ready = [name for name, count in waits.items() if not count]
    while ready:
        name = ready.pop()
        found.append(name)
        for after in planned.steps[name].dependants:
            waits[after] -= 1
            if not waits[after]:
                ready.append(after)
    return tuple(found)


def needed(definition: WorkflowDefinition, step: str) -> Needed:
    """Return what of a step's result the definition reads."""
    return plan(definition).steps[step].needed


def pruned(definition: WorkflowDefinition, step: str, output: Any) -> Any:
    """Return those parts of a step's output that the definition reads, for its StepEnded; None: none of it."""
    return part_of(output, needed(definition, step).output)
