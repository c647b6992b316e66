"""How a run ends: done, or cut short, with what runs cancelled and what is done undone. Pure."""

from typing import Any

from msgspec.structs import replace

from clones.workflows.commands import Finish, StartWorkflow, SubmitTask
from clones.workflows.expressions import BadExpression
from clones.workflows.names import of_element, part_value
from clones.workflows.orders import cancel_order, text_of, undo_order
from clones.workflows.plan import StepPlan
from clones.workflows.state import Failure, Part, StepRun
from clones.workflows.turn import Turn
from schemas import ErrorCode

MAX_REASON_CHARS = 500


def conclude(turn: Turn) -> None:
    """Take a run as far towards its end as its state allows; one with steps to be done is left as it is."""
    if turn.finish is not None:
        return
    if turn.failure is None and turn.pending == 0:
        _complete(turn)
    if turn.failure is None:
        return
    if turn.before.failure is None:
        _halt(turn, turn.failure)
    if any(run.open for run in turn.steps.values()):
        return
    _undo(turn)
    if not turn.undoing:
        turn.finish = _failed(turn, turn.failure)
        turn.commands.append(turn.finish)


def _complete(turn: Turn) -> None:
    plan = turn.plan
    try:
        seen = turn.names(plan.steps)
        output = plan.output.value(seen)
        summary = text_of(plan.summary, seen) or _tally(turn)
    except BadExpression as error:
        message = f"all steps are done, and the result cannot be made of them: {error}"
        turn.failure = Failure(ErrorCode.INCOMPATIBLE_TASK, message)
        return
    artifacts = tuple(
        artifact
        for step in plan.definition.artifacts
        for part in turn.steps[step].parts
        if part.end is not None and part.state == "completed"
        for artifact in part.end.artifacts
    )
    turn.finish = Finish(completed=True, output=output, summary=summary, artifacts=artifacts)
    turn.commands.append(turn.finish)


def _tally(turn: Turn) -> str:
    states = [run.state for run in turn.steps.values()]
    done, total = states.count("completed"), len(states)
    others = [f"{count} {state}" for state in ("failed", "skipped") if (count := states.count(state))]
    return f"{done} of {total} steps done" + (f" ({', '.join(others)})" if others else "")


def _halt(turn: Turn, failure: Failure) -> None:
    """Cancel whatever runs or waits. What would only have begun in this turn does not begin."""
    fresh = {
        (command.step, command.index) for command in turn.commands if isinstance(command, (SubmitTask, StartWorkflow))
    }
    turn.commands.clear()
    reason = f"the workflow {turn.before.workflow_id} ends: {failure.message}"[:MAX_REASON_CHARS]
    for name, run in turn.steps.items():
        if run.state == "waiting":
            turn.steps[name] = replace(run, state="cancelled", ended=turn.at, until=None)
        elif run.open:
            plan, parts = turn.plan.steps[name], list(run.parts)
            for place, part in enumerate(run.parts):
                index = None if run.elements is None else place
                if part.state != "running":
                    continue
                if (name, index) in fresh:
                    parts[place] = replace(part, state="cancelled", code=ErrorCode.CANCELLED)
                else:
                    turn.commands.append(cancel_order(plan, part, index, reason))
            still = sum(part.state == "running" for part in parts)
            turn.steps[name] = replace(run, parts=tuple(parts), open=still)
            if not still:
                turn.close(plan)


def _undo(turn: Turn) -> None:
    """Undo what is done, the newest step first, of a fan-out as many parts at once as its `parallelism`."""
    if turn.undoing is None:
        turn.undoing = tuple(reversed(turn.done))
    while turn.undoing and not _undo_step(turn, turn.plan.steps[turn.undoing[0]]):
        turn.undoing = turn.undoing[1:]


def _undo_step(turn: Turn, plan: StepPlan) -> bool:
    """Begin to undo what there is room for; tell whether the step is still being undone."""
    run = turn.steps[plan.name]
    running, place = run.undoing, run.looked_at
    begun: dict[int, Part] = {}
    # Each part is looked at once in all, however many there are.
    while running < plan.step.parallelism and place < len(run.parts):
        if run.parts[place].state == "completed":
            begun[place] = _undone(turn, plan, run, place)
            running += begun[place].undoing == "running"
        place += 1
    if place > run.looked_at:
        turn.steps[plan.name] = replace(run, parts=_with(run.parts, begun), looked_at=place, undoing=running)
    return running > 0


def _with(parts: tuple[Part, ...], changed: dict[int, Part]) -> tuple[Part, ...]:
    found = list(parts)
    for place, part in changed.items():
        found[place] = part
    return tuple(found)


def _undone(turn: Turn, plan: StepPlan, run: StepRun, place: int) -> Part:
    part, index = run.parts[place], None if run.elements is None else place
    begun, workflow_id = turn.before.begun, turn.before.workflow_id
    try:
        seen = undo_names(turn.names(plan.reads), plan, run, index)
        order = undo_order(plan, seen, workflow_id, begun, index=index, since=turn.at)
    except BadExpression:
        return replace(part, undoing="failed")
    turn.commands.append(order)
    return replace(part, undoing="running", undo_began=turn.at)


def undo_names(seen: dict[str, Any], plan: StepPlan, run: StepRun, index: int | None) -> dict[str, Any]:
    """Return what a compensation's expressions see: of its own step, in a fan-out, the element's part alone."""
    if index is None or run.elements is None:
        return seen
    steps = {**seen["steps"], plan.name: part_value(plan, run.parts[index])}
    return of_element({**seen, "steps": steps}, run.elements[index], index)


def _failed(turn: Turn, failure: Failure) -> Finish:
    not_undone = [name for name, run in turn.steps.items() if any(part.undoing == "failed" for part in run.parts)]
    details = {**failure.details, **({"not_undone": not_undone} if not_undone else {})}
    message = failure.message + (f"; not undone: {', '.join(not_undone)}" if not_undone else "")
    return Finish(completed=False, code=failure.code, message=message, details=details)
