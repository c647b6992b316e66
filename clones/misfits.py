"""What is wrong with a task's parameters, in words for whoever sent them."""

import re
from collections.abc import Iterable

import msgspec
from msgspec import inspect

_PLACE = re.compile(r"`\$(\S*)`")
_STEP = re.compile(r"\.(\w+)|\[")


def describe_misfit(task_type: str, kind: type[msgspec.Struct], problem: str, *, field: str = "params") -> str:
    """Return in words why parameters do not fit `kind`, with the fields that may stand where the fault is.

    `problem` is what msgspec says, with the path in it; `field` is where in the body the parameters stand.
    """
    where = problem.replace("`$.", f"`$.{field}.").replace("`$`", f"`$.{field}`")
    place = _PLACE.search(problem)
    struct = _innermost(kind, _STEP.findall(place[1]) if place else ())
    taken = ", ".join(known.encode_name for known in msgspec.structs.fields(struct))
    told = f"It takes: {taken}" if struct is kind else f"There it takes: {taken}"
    return f"{task_type} cannot use these parameters: {where}. {told}"


def _innermost(kind: type[msgspec.Struct], path: Iterable[str]) -> type[msgspec.Struct]:
    """Return the last struct on a path of field names; an empty name is a place in a list."""
    found, here = kind, inspect.type_info(kind)
    for name in path:
        if isinstance(here, inspect.StructType):
            here = {field.encode_name: field.type for field in here.fields}.get(name, here)
        elif isinstance(here, inspect.ListType | inspect.VarTupleType):
            here = here.item_type
        if isinstance(here, inspect.UnionType):
            here = next(each for each in here.types if not isinstance(each, inspect.NoneType))
        if isinstance(here, inspect.StructType):
            found = here.cls
    return found
