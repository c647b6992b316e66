"""What is wrong with a definition, in itself and among others. Pure."""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from typing import Any

from clones.workflows.expressions import BadExpression, Ref, expression, template, texts
from clones.workflows.inputs import misfit
from clones.workflows.parameters import of_input, of_task
from clones.workflows.plan import BUILT_IN, dependants, fields_with_text, reached, upstream
from clones.workflows.problems import Path, Problem, did_you_mean
from schemas import Step, WorkflowDefinition

STEP_FIELDS = (
    "state", "output", "task_id", "task_type", "sequence", "clone", "code", "message", "artifacts", "items",
)  # fmt: skip
"""What `steps.<step>` has."""
WORKFLOW_FIELDS = ("id", "name", "version")
TASK_ONLY = ("schedule_to_close_s", "retries", "cache")


def problems(
    definition: WorkflowDefinition,
    *,
    task_types: Container[str] | None = None,
    workflows: Mapping[str, WorkflowDefinition] | None = None,
    partly: Collection[Path] = (),
) -> tuple[Problem, ...]:
    """Return all that keeps a definition from being used, in its own order; empty: it can be.

    `task_types` are those that are served, `workflows` the newest definitions by name, its own earlier version perhaps among
    them; None: they are not known, and what depends on them is not checked. `partly` are the inputs and steps, such as
    `("steps", "scan")`, that could be read in part alone: nothing is said of them that may come from what is missing.
    """
    found = [*_of_inputs(definition, partly)]
    before = upstream(definition)
    if partly:
        # What ends before what is not known, as some `needs` may be missing.
        before = dict.fromkeys(definition.steps, frozenset(definition.steps))
    for name, step in definition.steps.items():
        at: Path = ("steps", name)
        told = [*_of_names(definition, name, step), *_of_types(step, definition.name, task_types, workflows)]
        if at not in partly:
            told += [*_of_kind(step), *_of_expressions(definition, step, name, before[name])]
        if at not in partly or step.params:
            told += _of_params(step, workflows or {})
        found += [Problem((*at, *path), words) for path, words in told]
    found += _of_result(definition)
    found += _of_cycles(definition)
    if workflows is not None:
        found += _of_recursion(definition, workflows)
    return tuple(found)


def _of_inputs(definition: WorkflowDefinition, partly: Collection[Path]) -> Iterator[Problem]:
    for name, field in definition.input.items():
        at: Path = ("input", name)
        if at in partly:
            continue
        if field.required and field.default is not None:
            yield Problem((*at, "default"), "a required field needs no default; leave out one of the two")
        elif field.default is not None and (wrong := misfit(field, field.default)):
            yield Problem((*at, "default"), wrong)
        for place, choice in enumerate(field.one_of):
            kind_alone = type(field)(kind=field.kind, required=True)
            if wrong := misfit(kind_alone, choice):
                yield Problem((*at, "one_of", place), wrong)


def _of_names(definition: WorkflowDefinition, name: str, step: Step) -> Iterator[tuple[Path, str]]:
    steps = definition.steps
    for place, need in enumerate(step.needs):
        if need == name:
            yield ("needs", place), "a step cannot need itself"
        elif need not in steps:
            yield ("needs", place), _no_step(need, steps)
        elif need in step.needs[:place]:
            yield ("needs", place), f"{need} is named twice"
    branch = step.on_failure
    if branch in BUILT_IN:
        return
    if branch == name:
        yield ("on_failure",), "a step cannot be its own branch"
    elif branch not in steps:
        yield ("on_failure",), f"{_no_step(branch, steps)}; or say fail, or continue"


def _of_kind(step: Step) -> Iterator[tuple[Path, str]]:
    kinds = [kind for kind in ("task", "workflow", "decision", "wait") if getattr(step, kind) is not None]
    if len(kinds) != 1:
        has = f"it has {' and '.join(kinds)}" if kinds else "it has none"
        yield (tuple(kinds[1:2]), f"a step is exactly one of task, workflow, decision and wait; {has}")
        return
    kind = kinds[0]
    if kind != "task":
        yield from (((field,), f"only tasks have it, and this is a {kind}") for field in _set(step, TASK_ONLY))
    if kind in {"decision", "wait"}:
        others = ("params", "foreach", "timeout_s", "priority", "compensate")
        yield from (((field,), f"a {kind} has none") for field in _set(step, others))
    if step.wait is not None and (step.wait.for_s is None) == (step.wait.until is None):
        yield ("wait",), "it needs exactly one of for_s and until"


def _set(step: Step, fields: Iterable[str]) -> Iterator[str]:
    return (field for field in fields if getattr(step, field) not in (None, "", {}))


def _no_step(name: str, steps: Iterable[str]) -> str:
    return f"there is no step {name}{did_you_mean(name, steps)}"


def _of_expressions(
    definition: WorkflowDefinition, step: Step, name: str, before: frozenset[str]
) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong with a step's expressions; all but its compensation's may read only what has ended by then."""
    element = ("item", "index") if step.foreach else ()
    for field, text in (("when", step.when), ("foreach", step.foreach)):
        if text:
            yield from (((field,), words) for words in _of_refs(definition, _refs_of(text), before, ()))
    for field, (path, value) in fields_with_text(step).items():
        readable = before | {name} if field.startswith("undo_") else before
        for inner, text in texts(value):
            if "${" in text:
                words_of = _of_refs(definition, _refs_in(text), readable, element)
                yield from (((*path, *inner), words) for words in words_of)


def _of_result(definition: WorkflowDefinition) -> Iterator[Problem]:
    every = frozenset(definition.steps)
    values = (("output", definition.output, every), ("summary", definition.summary, every))
    for field, value, readable in (*values, ("timeout_s", definition.timeout_s, frozenset[str]())):
        for inner, text in texts(value):
            if "${" in text:
                for words in _of_refs(definition, _refs_in(text), readable, ()):
                    yield Problem((field, *inner), words)
    for place, name in enumerate(definition.artifacts):
        if name not in definition.steps:
            yield Problem(("artifacts", place), _no_step(name, definition.steps))


def _refs_of(text: str) -> frozenset[Ref] | str:
    try:
        return expression(text).refs
    except BadExpression as error:
        return str(error)


def _refs_in(text: str) -> frozenset[Ref] | str:
    try:
        return template(text).refs
    except BadExpression as error:
        return str(error)


def _of_refs(
    definition: WorkflowDefinition, refs: frozenset[Ref] | str, readable: frozenset[str], element: tuple[str, ...]
) -> Iterator[str]:
    if isinstance(refs, str):
        yield refs
        return
    for ref in sorted(refs):
        words = _of_ref(definition, ref, readable, element)
        if words:
            yield words


def _of_ref(definition: WorkflowDefinition, ref: Ref, readable: frozenset[str], element: tuple[str, ...]) -> str:
    roots = ("input", "steps", "workflow", *element)
    words = ""
    match ref:
        case ():
            words = f"it reads everything there is; name what it is to read: {', '.join(roots)}"
        case ("item" | "index" as root, *_) if root not in element:
            words = f"{root} is there in a step with foreach alone, in all but its when and foreach"
        case (root, *_) if root not in roots:
            words = f"there is no {root}{did_you_mean(root, roots)}; there are {', '.join(roots)}"
        case ("input", field, *_) if field not in definition.input:
            words = f"the workflow has no input {field}{did_you_mean(field, definition.input)}"
        case ("workflow", field, *_) if field not in WORKFLOW_FIELDS:
            words = f"workflow has no {field}; it has {', '.join(WORKFLOW_FIELDS)}"
        case ("steps",):
            words = "it reads all steps; name the step: steps.<step>"
        case ("steps", step, *rest):
            words = _of_step_ref(definition, step, rest, readable)
    return words


def _of_step_ref(definition: WorkflowDefinition, step: str, rest: list[str], readable: frozenset[str]) -> str:
    if step not in definition.steps:
        return _no_step(step, definition.steps)
    if step not in readable:
        return f"steps.{step} may not have ended by then; name {step} in needs, or what needs it"
    if rest and rest[0] not in STEP_FIELDS:
        return f"steps.{step} has no {rest[0]}{did_you_mean(rest[0], STEP_FIELDS)}; it has {', '.join(STEP_FIELDS)}"
    return ""


def _of_types(
    step: Step, own: str, task_types: Container[str] | None, workflows: Mapping[str, WorkflowDefinition] | None
) -> Iterator[tuple[Path, str]]:
    if task_types is not None:
        known = task_types if isinstance(task_types, Iterable) else ()
        asked: list[tuple[Path, str | None]] = [(("task",), step.task)]
        if step.compensate is not None:
            asked.append((("compensate", "task"), step.compensate.task))
        for path, task_type in asked:
            if task_type is not None and task_type not in task_types:
                yield path, f"no route serves the task type {task_type}{did_you_mean(task_type, known)}"
    if workflows is not None and step.workflow is not None and step.workflow not in (*workflows, own):
        yield ("workflow",), f"there is no workflow {step.workflow}{did_you_mean(step.workflow, workflows)}"


def _of_params(step: Step, workflows: Mapping[str, WorkflowDefinition]) -> Iterator[tuple[Path, str]]:
    """Yield what of its parameters the step's task, its compensation or its sub-workflow cannot take."""
    if step.task is not None:
        yield from ((("params", *path), words) for path, words in of_task(step.task, step.params))
    elif step.workflow is not None and step.workflow in workflows:
        yield from ((("params", *path), words) for path, words in of_input(workflows[step.workflow], step.params))
    if (undo := step.compensate) is not None:
        yield from ((("compensate", "params", *path), words) for path, words in of_task(undo.task, undo.params))


def _of_cycles(definition: WorkflowDefinition) -> Iterator[Problem]:
    """Yield one problem for each set of steps that wait for each other."""
    after = dependants(definition)
    reach = {name: reached(after, name) for name in definition.steps}
    seen: set[str] = set()
    for name in definition.steps:
        if name in seen or name not in reach[name]:
            continue
        ring = [other for other in definition.steps if other in reach[name] and name in reach[other]]
        seen.update(ring)
        if len(ring) > 1:
            way = " -> ".join(_ring(after, name, set(ring)))
            yield Problem(("steps", name, "needs"), f"these steps wait for each other: {way}")


def _ring(after: Mapping[str, tuple[str, ...]], start: str, among: set[str]) -> list[str]:
    """Return a shortest way from a step back to it."""
    ways: list[list[str]] = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for step in after[way[-1]]:
            if step == start:
                return [*way, start]
            if step in among and step not in seen:
                seen.add(step)
                ways.append([*way, step])
    return [start]


def _of_recursion(definition: WorkflowDefinition, workflows: Mapping[str, WorkflowDefinition]) -> Iterator[Problem]:
    """Yield the steps whose sub-workflow begins, over others perhaps, the workflow itself."""
    known: dict[str, Any] = {**workflows, definition.name: definition}
    uses = {
        name: {step.workflow for step in each.steps.values() if step.workflow in known} for name, each in known.items()
    }
    for name, step in definition.steps.items():
        child = step.workflow
        if child == definition.name:
            yield Problem(("steps", name, "workflow"), "a workflow cannot begin itself")
        elif child in known and definition.name in reached(uses, child):
            yield Problem(("steps", name, "workflow"), f"{child} begins {definition.name} in its turn, without end")
