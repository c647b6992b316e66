"""What is wrong with a step's parameters, where it is known what its task type or its sub-workflow takes. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from clones.params import PARAMS
from clones.workflows.expressions import texts
from clones.workflows.inputs import misfit
from clones.workflows.problems import Path, did_you_mean, placed
from schemas import SchemaError, WorkflowDefinition, convert


def of_task(task_type: str, params: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield what a task of this type cannot take, with its place in `params`. Types of clones of one's own take anything.

    What holds an expression has no value yet: of it the name alone is looked at.
    """
    kind = PARAMS.get(task_type)
    if kind is None:
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    yield from _of_names(task_type, "parameter", params, fields, [name for name in fields if fields[name].required])
    for name, value in params.items():
        if name in fields and not _is_open(value):
            try:
                convert(fields[name].type, value)
            except SchemaError as error:
                path, words = placed(error.message)
                yield (name, *path), words


def of_input(workflow: WorkflowDefinition, params: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield what a run of this workflow cannot take as its input, as `of_task`."""
    fields = workflow.input
    required = [name for name in fields if fields[name].required]
    yield from _of_names(f"the workflow {workflow.name}", "input", params, fields, required)
    for name, value in params.items():
        if name in fields and not _is_open(value) and (wrong := misfit(fields[name], value)):
            yield (name,), wrong


def _of_names(
    who: str, what: str, params: Mapping[str, Any], known: Collection[str], required: Collection[str]
) -> Iterator[tuple[Path, str]]:
    for name in params:
        if name not in known:
            yield (
                (name,),
                f"{who} takes no {what} {name}{did_you_mean(name, known)}; it takes {', '.join(known) or 'none'}",
            )
    for name in required:
        if name not in params:
            yield (), f"{who} needs {name}"


def _is_open(value: Any) -> bool:
    return any("${" in text for _, text in texts(value))
