"""What follows from a definition alone: who waits for whom, what expressions read, and what of each output is kept. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from clones.workflows.expressions import Expression, Ref, Template, expression, template
from clones.workflows.state import Cause
from schemas import Step, WorkflowDefinition

BUILT_IN = ("fail", "continue")
"""What `on_failure` may say besides a step's name."""
REMEMBERED = 256
"""Definitions whose plans are."""
Kind = Literal["task", "workflow", "decision", "wait"]


def kind_of(step: Step) -> Kind:
    """Return what a step is; it is checked to be one of them."""
    if step.task is not None:
        return "task"
    if step.workflow is not None:
        return "workflow"
    return "decision" if step.decision is not None else "wait"


def branch_of(step: Step) -> str | None:
    """Return the step that is done if this one fails."""
    return None if step.on_failure in BUILT_IN else step.on_failure


@dataclass(frozen=True, slots=True)
class Needed:
    """What of a step's result a run keeps."""

    output: frozenset[Ref]
    """The parts of the output that are read, by their fields; `()` is all of it, none is nothing."""
    artifacts: bool


@dataclass(frozen=True, slots=True)
class StepPlan:
    """One step, with what follows from its place among the others."""

    name: str
    step: Step
    kind: Kind
    needs: tuple[str, ...]
    """Without those that it catches."""
    catches: tuple[str, ...]
    """The steps whose branch it is."""
    dependants: tuple[str, ...]
    """The steps to look at when it has ended."""
    joins: frozenset[Cause]
    """Causes for which a step before it may have been skipped, or have failed, and it is done all the same: it needs both sides."""
    reads: frozenset[str]
    """The steps that its expressions refer to."""
    needed: Needed
    when: Expression | None
    foreach: Expression | None
    texts: Mapping[str, Template]
    """Its other fields that hold expressions, by name: `params`, `timeout_s`, `schedule_to_close_s`, `prompt`,
    `decision_timeout_s`, `for_s`, `until`, `undo_params`, `undo_timeout_s`. Those that are not set are absent."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A definition, ready to be run."""

    definition: WorkflowDefinition
    steps: Mapping[str, StepPlan]
    """In the definition's order."""
    waits: tuple[str, ...]
    """The steps that may have a timer of their own."""
    output: Template
    summary: Template
    timeout: Template


_known: dict[int, Plan] = {}
"""By the identity of the definition, which cannot be hashed, and which lives as long as its plan does."""


def plan(definition: WorkflowDefinition) -> Plan:
    """Return what follows from a definition that has been checked; the newest 256 are remembered.

    Raises:
        BadExpression: it was not checked.
    """
    known = _known.get(id(definition))
    if known is None:
        known = _plan(definition)
        _known[id(definition)] = known
        if len(_known) > REMEMBERED:
            del _known[next(iter(_known))]
    return known


def _plan(definition: WorkflowDefinition) -> Plan:
    output, summary = template(definition.output), template(definition.summary)
    reading = {name: (_expressions(step), _texts(step)) for name, step in definition.steps.items()}
    own = {name: _read_by(*expressions.values(), *texts.values()) for name, (expressions, texts) in reading.items()}
    refs = _read_by(output, summary).union(*own.values())
    after = dependants(definition)
    joins = _joins(definition, after)
    caught = catches(definition)
    steps = {}
    for name, step in definition.steps.items():
        expressions, texts = reading[name]
        steps[name] = StepPlan(
            name=name,
            step=step,
            kind=kind_of(step),
            needs=tuple(need for need in dict.fromkeys(step.needs) if need not in caught[name]),
            catches=caught[name],
            dependants=after[name],
            joins=joins[name],
            reads=frozenset(ref[1] for ref in own[name] if ref[:1] == ("steps",) and len(ref) > 1),
            needed=_needed(definition, name, refs),
            when=expressions.get("when"),
            foreach=expressions.get("foreach"),
            texts=texts,
        )
    waits = tuple(name for name, step in steps.items() if step.kind in ("decision", "wait"))
    return Plan(definition, steps, waits, output, summary, template(definition.timeout_s))


def _read_by(*readers: Expression | Template) -> frozenset[Ref]:
    return frozenset[Ref]().union(*(reader.refs for reader in readers))


def _expressions(step: Step) -> dict[str, Expression]:
    return {name: expression(text) for name, text in (("when", step.when), ("foreach", step.foreach)) if text}


def _texts(step: Step) -> dict[str, Template]:
    return {name: template(value) for name, (_, value) in fields_with_text(step).items()}


def fields_with_text(step: Step) -> dict[str, tuple[tuple[str, ...], Any]]:
    """Return the fields of a step that may hold `${…}` and are set, each with its path in the step, by StepPlan's names."""
    fields: dict[str, tuple[tuple[str, ...], Any]] = {
        "params": (("params",), step.params),
        "timeout_s": (("timeout_s",), step.timeout_s),
        "schedule_to_close_s": (("schedule_to_close_s",), step.schedule_to_close_s),
    }
    if step.decision is not None:
        fields["prompt"] = (("decision", "prompt"), step.decision.prompt)
        fields["decision_timeout_s"] = (("decision", "timeout_s"), step.decision.timeout_s)
    if step.wait is not None:
        fields["for_s"] = (("wait", "for_s"), step.wait.for_s)
        fields["until"] = (("wait", "until"), step.wait.until)
    if step.compensate is not None:
        fields["undo_params"] = (("compensate", "params"), step.compensate.params)
        fields["undo_timeout_s"] = (("compensate", "timeout_s"), step.compensate.timeout_s)
    return {name: field for name, field in fields.items() if field[1] is not None}


def catches(definition: WorkflowDefinition) -> dict[str, tuple[str, ...]]:
    """Return for each step those whose branch it is."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(definition.steps, ())
    for name, step in definition.steps.items():
        branch = branch_of(step)
        if branch in found:
            found[branch] = (*found[branch], name)
    return found


def dependants(definition: WorkflowDefinition) -> dict[str, tuple[str, ...]]:
    """Return for each step those that wait for it: they need it, or are its branch. Unknown names do not count."""
    found: dict[str, dict[str, None]] = {name: {} for name in definition.steps}
    for name, step in definition.steps.items():
        for need in step.needs:
            if need in found:
                found[need][name] = None
        branch = branch_of(step)
        if branch in found:
            found[name][branch] = None
    return {name: tuple(after) for name, after in found.items()}


def reached(edges: Mapping[str, Iterable[str]], start: str) -> frozenset[str]:
    """Return all that edges lead to from `start`; itself only where there is a cycle."""
    seen: set[str] = set()
    todo = list(edges[start])
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += edges[name]
    return frozenset(seen)


def upstream(definition: WorkflowDefinition) -> dict[str, frozenset[str]]:
    """Return for each step all that have ended before it begins."""
    before: dict[str, list[str]] = {name: [] for name in definition.steps}
    for name, after in dependants(definition).items():
        for dependant in after:
            before[dependant].append(name)
    return {name: reached(before, name) for name in definition.steps}


def _joins(definition: WorkflowDefinition, after: Mapping[str, tuple[str, ...]]) -> dict[str, frozenset[Cause]]:
    """Return for each step the failures and untaken branches that it outlives, since it needs both sides of the fork."""
    found: dict[str, set[Cause]] = {name: set() for name in definition.steps}
    for forked, step in definition.steps.items():
        branch = branch_of(step)
        if branch not in found:
            continue
        aside = {branch, *reached(after, branch)}
        straight = {forked, *reached(after, forked)} - aside
        for name, each in definition.steps.items():
            if not aside.isdisjoint(each.needs) and not straight.isdisjoint(each.needs):
                found[name] |= {Cause(forked, untaken=False), Cause(branch, untaken=True)}
    return {name: frozenset(causes) for name, causes in found.items()}


def _needed(definition: WorkflowDefinition, step: str, refs: Iterable[Ref]) -> Needed:
    output: set[Ref] = set()
    artifacts = step in definition.artifacts
    for ref in refs:
        match ref:
            case ("steps", name, *rest) if name == step:
                if rest[:1] == ["items"]:
                    rest = rest[1:]
                if not rest:
                    output.add(())
                    artifacts = True
                elif rest[0] == "output":
                    output.add(tuple(rest[1:]))
                elif rest[0] == "artifacts":
                    artifacts = True
    shortest = {ref for ref in output if not any(ref[:length] in output for length in range(len(ref)))}
    return Needed(frozenset(shortest), artifacts)


def part_of(output: Any, refs: Iterable[Ref]) -> Any:
    """Return those parts of an output that refs lead to; lists on the way keep their places."""
    wanted = set(refs)
    if () in wanted:
        return output
    if not wanted or output is None:
        return None
    if isinstance(output, Mapping):
        by_field: dict[str, set[Ref]] = {}
        for ref in wanted:
            by_field.setdefault(ref[0], set()).add(ref[1:])
        return {field: part_of(value, by_field[field]) for field, value in output.items() if field in by_field}
    if isinstance(output, (list, tuple)):
        return [part_of(element, wanted) for element in output]
    return output
