"""One turn of a run: the state while an event is taken in, the steps that it lets begin, and the commands that follow."""

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from clones.workflows.commands import Command, Finish, SubmitTask
from clones.workflows.expressions import BadExpression, Names
from clones.workflows.ids import step_id
from clones.workflows.names import names, of_element, step_value
from clones.workflows.orders import over_at, part_order, text_of
from clones.workflows.plan import Plan, StepPlan, branch_of
from clones.workflows.state import Cause, Failure, Part, State, StepRun
from schemas import ErrorCode, StepEnded
from schemas.workflows import MAX_ITEMS

ENDED = frozenset({"completed", "failed", "skipped", "cancelled"})


class Turn:
    """The working copy of a state; `frozen` is what becomes of it."""

    def __init__(self, plan: Plan, state: State, at: datetime) -> None:
        self.plan = plan
        self.before = state
        self.at = at
        self.steps: dict[str, StepRun] = dict(state.steps)
        self.pending = state.pending
        self.done = state.done
        self.failure = state.failure
        self.undoing = state.undoing
        self.finish: Finish | None = state.finish
        self.commands: list[Command] = []
        self._todo: deque[str] = deque()

    def frozen(self) -> State:
        """Return the state as it is now."""
        return replace(
            self.before,
            steps=self.steps,
            pending=self.pending,
            done=self.done,
            failure=self.failure,
            undoing=self.undoing,
            finish=self.finish,
        )

    def names(self, reads: Iterable[str]) -> dict[str, Any]:
        """Return what expressions see that read these steps."""
        workflow = (self.before.workflow_id, self.plan.definition.name, self.before.version)
        return names(workflow, self.before.begun, self.steps, reads)

    def begin_ready(self, candidates: Iterable[str]) -> None:
        """Begin, or skip, those of the steps that are ready, and whatever that makes ready."""
        self._todo.extend(candidates)
        while self._todo and self.failure is None:
            self._consider(self.plan.steps[self._todo.popleft()])
        self._todo.clear()

    def _consider(self, plan: StepPlan) -> None:
        before = (*plan.needs, *plan.catches)
        if self.steps[plan.name].state != "pending" or any(self.steps[name].state not in ENDED for name in before):
            return
        caught = [name for name in plan.catches if self.steps[name].state == "failed"]
        if plan.catches and not caught:
            self._skip(plan, causes=frozenset({Cause(plan.name, untaken=True)}))
            return
        causes = frozenset[Cause]().union(*(self._causes(name) for name in plan.needs)) - plan.joins
        if not causes:
            self._begin(plan)
        elif caught:
            # The branch cannot be gone, so the failure is nobody's.
            self.failure = self._failure(self.plan.steps[caught[0]], self.steps[caught[0]], None)
        else:
            self._skip(plan, causes=causes)

    def _causes(self, name: str) -> frozenset[Cause]:
        run = self.steps[name]
        if run.state == "failed":
            taken = branch_of(self.plan.steps[name].step) is not None
            return frozenset({Cause(name, untaken=False)}) if taken else frozenset()
        return run.causes

    def _skip(self, plan: StepPlan, *, causes: frozenset[Cause] = frozenset()) -> None:
        self._end(plan, StepRun(state="skipped", ended=self.at, causes=causes, by_condition=not causes))

    def _begin(self, plan: StepPlan) -> None:
        try:
            self._begin_with(plan, self.names(plan.reads))
        except BadExpression as error:
            self.fail_step(plan, StepRun(began=self.at), ErrorCode.INCOMPATIBLE_TASK, str(error))

    def _begin_with(self, plan: StepPlan, seen: Names) -> None:
        if plan.name in self.before.begun.skipped or (plan.when is not None and not plan.when.holds(seen)):
            self._skip(plan)
        elif plan.kind in {"decision", "wait"}:
            self._await(plan, seen)
        elif plan.foreach is None:
            self._feed(plan, StepRun(state="running", began=self.at), (None,))
        else:
            elements = _elements(plan.foreach.value(seen))
            self._feed(plan, StepRun(state="running", began=self.at, elements=elements), elements)

    def _await(self, plan: StepPlan, seen: Names) -> None:
        kept = self.before.kept.get((plan.name, None))
        if kept is not None:
            self.settle(plan, StepRun(began=self.at), kept)
            return
        until = over_at(plan, seen, self.at)
        if plan.kind == "wait" and until is not None and until <= self.at:
            self.settle(plan, StepRun(began=self.at), self.own_end(plan, "completed"))
            return
        prompt = text_of(plan.texts["prompt"], seen) if plan.kind == "decision" else ""
        self.steps[plan.name] = StepRun(state="waiting", began=self.at, until=until, prompt=prompt)

    def own_end(self, plan: StepPlan, state: Any, **fields: Any) -> StepEnded:
        """Return how a step has ended that nobody but the run does: a decision, a wait."""
        return StepEnded(step=plan.name, state=state, task_type=plan.kind, task_id="", finished_at=self.at, **fields)

    def settle(self, plan: StepPlan, run: StepRun, end: StepEnded) -> None:
        """End a step that is a decision or a wait."""
        part = Part("", run.began or self.at, end.state, end, code=end.code, message=end.message)
        failed = int(end.state == "failed")
        run = replace(run, parts=(part,), failed=failed, until=None)
        self._end(plan, replace(run, state=end.state, ended=self.at, code=end.code, message=end.message))

    def end_part(self, plan: StepPlan, index: int | None, part: Part) -> None:
        """Put a part that has ended into its step, and begin what there is room for now."""
        run = self.steps[plan.name]
        parts = list(run.parts)
        parts[index or 0] = part
        run = replace(run, parts=tuple(parts), open=run.open - 1, failed=run.failed + (part.state == "failed"))
        self._note_done(plan, part)
        if part.state == "failed" and plan.step.on_failure == "fail" and self.failure is None:
            self.failure = self._failure(plan, replace(run, code=part.code, message=part.message), index)
        self._feed(plan, run, (None,) if run.elements is None else run.elements)

    def _note_done(self, plan: StepPlan, part: Part) -> None:
        if part.state == "completed" and plan.step.compensate is not None and plan.name not in self.done:
            self.done = (*self.done, plan.name)

    def _feed(self, plan: StepPlan, run: StepRun, elements: tuple[Any, ...]) -> None:
        """Begin as many further parts as may run at once; where all have ended, so has the step."""
        parts, running, failed = list(run.parts), run.open, run.failed
        seen = self.names(plan.reads) if len(parts) < len(elements) else {}
        while len(parts) < len(elements) and running < plan.step.parallelism and self.failure is None:
            index = None if run.elements is None else len(parts)
            part = self._part(plan, seen if index is None else of_element(seen, elements[index], index), index)
            parts.append(part)
            running += part.state == "running"
            failed += part.state == "failed"
            self._note_done(plan, part)
            if part.state == "failed" and plan.step.on_failure == "fail":
                self.failure = self._failure(plan, replace(run, code=part.code, message=part.message), index)
        run = replace(run, parts=tuple(parts), open=running, failed=failed)
        self.steps[plan.name] = run
        if not running and (len(parts) == len(elements) or self.failure is not None):
            self.close(plan)

    def _part(self, plan: StepPlan, seen: Names, index: int | None) -> Part:
        """Return a part that begins now, or that the run before has done."""
        kept = self.before.kept.get((plan.name, index))
        if kept is not None:
            return Part(kept.task_id, self.at, kept.state, kept, code=kept.code, message=kept.message)
        workflow_id = self.before.workflow_id
        try:
            order = part_order(plan, seen, workflow_id, self.before.begun, index=index, since=self.at)
        except BadExpression as error:
            task_id = step_id(workflow_id, plan.name, index, secret=self.before.begun.secret)
            return Part(task_id, self.at, "failed", code=ErrorCode.INCOMPATIBLE_TASK, message=str(error))
        self.commands.append(order)
        return Part(order.task_id if isinstance(order, SubmitTask) else order.workflow_id, self.at)

    def close(self, plan: StepPlan) -> None:
        """End a step all of whose parts have ended, of those that were begun."""
        run = self.steps[plan.name]
        whole = run.elements is None or len(run.parts) == len(run.elements)
        cut = not whole or any(part.state == "cancelled" for part in run.parts)
        bad = next(((place, part) for place, part in enumerate(run.parts) if part.state == "failed"), None)
        # What the definition provides for has failed in the end alone, when all of it has been tried.
        if bad is not None and (not cut or plan.step.on_failure == "fail"):
            place, part = bad
            message = part.message
            if run.elements is not None:
                message = f"{run.failed} of {len(run.elements)} failed, the first that did (index {place}): {message}"
            self._end(plan, replace(run, state="failed", ended=self.at, code=part.code, message=message))
        elif not cut:
            message = run.parts[0].message if run.elements is None else f"{len(run.parts)} done"
            self._end(plan, replace(run, state="completed", ended=self.at, message=message))
        else:
            self._end(plan, replace(run, state="cancelled", ended=self.at))

    def fail_step(self, plan: StepPlan, run: StepRun, code: str, message: str) -> None:
        """End a step that cannot be done."""
        self._end(plan, replace(run, state="failed", ended=self.at, until=None, code=code, message=message))

    def _end(self, plan: StepPlan, run: StepRun) -> None:
        self.steps[plan.name] = replace(run, value=step_value(plan, run))
        self.pending -= 1
        if run.state == "failed" and plan.step.on_failure == "fail" and self.failure is None:
            self.failure = self._failure(plan, run, None)
        self._todo.extend(plan.dependants)

    def _failure(self, plan: StepPlan, run: StepRun, index: int | None) -> Failure:
        place = f"{plan.name}[{index}]" if index is not None else plan.name
        details: dict[str, Any] = {"step": plan.name, "code": run.code, "message": run.message}
        if index is not None:
            details["index"] = index
        return Failure(ErrorCode.STEP_FAILED, f"the step {place} failed ({run.code}): {run.message}", details)


def _elements(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        kind = "null (where that means none, write `… || `[]`` )" if value is None else f"a {type(value).__name__}"
        raise BadExpression(f"foreach gives {kind}; it must give a list")
    if len(value) > MAX_ITEMS:
        raise BadExpression(f"foreach gives {len(value):,} elements; a fan-out has {MAX_ITEMS:,} at most")
    return tuple(value)
