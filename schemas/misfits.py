"""What values a field takes that was given another one: msgspec says only that it does not take this one."""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import inspect

_MISFIT = re.compile(r"Invalid enum value .* - at `\$(?P<path>[^`]*)`\Z", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>[^.\[]+)|\[(?P<item>[^\]]*)\]")


def with_allowed(kind: Any, problem: str) -> str:
    """Return what msgspec says of a value that is not `kind`, and which values there are where the field has a few."""
    found = _MISFIT.match(problem)
    if found is None:
        return problem
    known = [inspect.type_info(kind)]
    for step in _STEP.finditer(found["path"]):
        known = [part for each in known for part in _parts(each, step["field"])]
    values = dict.fromkeys(value for each in known for value in _values(each))
    return f"{problem}, which takes {', '.join(map(str, values))}" if values else problem


def _parts(known: inspect.Type, field: str | None) -> Iterator[inspect.Type]:
    """Yield what `known` has under a field's name, or as its items."""
    match known:
        case inspect.UnionType(types=types):
            for each in types:
                yield from _parts(each, field)
        case inspect.Metadata(type=of):
            yield from _parts(of, field)
        case inspect.StructType(fields=fields):
            yield from (each.type for each in fields if each.encode_name == field)
        case inspect.DictType(value_type=of) if field is None:
            yield of
        case inspect.TupleType(item_types=types) if field is None:
            yield from types
        case inspect.CollectionType(item_type=of) if field is None:
            yield of


def _values(known: inspect.Type) -> Iterator[object]:
    match known:
        case inspect.UnionType(types=types):
            for each in types:
                yield from _values(each)
        case inspect.Metadata(type=of):
            yield from _values(of)
        case inspect.LiteralType(values=values):
            yield from values
        case inspect.EnumType(cls=cls):
            yield from (each.value for each in cls)
