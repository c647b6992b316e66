"""Pydantic models to JSON and back with nothing lost: models inside that are more than their field says keep their class.

Pydantic's own JSON of `list[Message]` holds what the subclasses in it have, if asked to, but reading it makes `Message`s, or
fails where that is abstract. So the places of models that the type alone does not tell travel beside the JSON as marks.
"""

import dataclasses
import types
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar, get_args

import msgspec
from pydantic import BaseModel

from bus.agents.class_refs import class_ref, find_class
from bus.agents.errors import CannotRead
from bus.agents.wire import Path

Marks = tuple[tuple[Path, str], ...]


@lru_cache(maxsize=1024)
def is_plain(model: type[BaseModel]) -> bool:
    """Tell whether no field of `model` can hold a model or anything at all, so that its own JSON says everything."""
    return model.model_config.get("extra") != "allow" and not any(
        _may_hold_models(field.annotation) for field in model.model_fields.values()
    )


def _may_hold_models(annotation: Any) -> bool:
    if isinstance(annotation, type) and not get_args(annotation):
        return not issubclass(annotation, _SCALARS) or (annotation in (list, dict, tuple, set))
    if annotation is None or annotation is type(None):
        return False
    if isinstance(annotation, TypeVar) or not get_args(annotation):
        return True
    return any(_may_hold_models(argument) for argument in get_args(annotation) if not _is_literal_value(argument))


def _is_literal_value(argument: Any) -> bool:
    return isinstance(argument, str | int | bytes) or argument is Ellipsis


_SCALARS = (str, int, float, bool, bytes, type(None), list, dict, tuple, set)


def dump(model: BaseModel) -> tuple[bytes, Marks]:
    """Return a model's JSON, and where in it models stand that its type does not tell."""
    if is_plain(type(model)):
        return model.model_dump_json().encode(), ()
    tree = model.model_dump(mode="json", serialize_as_any=True)
    return msgspec.json.encode(tree), tuple(_marks(model, tree, ()))


def load(model: type[BaseModel], payload: bytes, marks: Marks) -> BaseModel:
    """Return the model of this JSON.

    Raises:
        CannotRead: a mark names a class that is not loaded here.
        pydantic.ValidationError: the JSON is not one of such a model.
    """
    if not marks:
        return model.model_validate_json(payload)
    root: list[Any] = [msgspec.json.decode(payload)]
    # From the leaves up, so that each model is made of models.
    for path, ref in sorted(marks, key=lambda mark: -len(mark[0])):
        cls = find_class(ref, BaseModel)
        if cls is None:
            place = ".".join(map(str, path))
            raise CannotRead(
                f"{model.__name__}.{place} is a {ref}, and no such pydantic model is loaded here: import it"
            )
        holder: Any = root[0]
        for step in path[:-1]:
            holder = holder[step]
        holder[path[-1]] = cls.model_validate(holder[path[-1]])
    return model.model_validate(root[0])


def _marks(value: Any, tree: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Walk a value and its JSON side by side; what a custom serializer wrote in another shape is its own affair."""
    if isinstance(value, BaseModel) and isinstance(tree, dict):
        if not is_plain(type(value)):
            fields = type(value).model_fields
            for name, held in value:
                if name in tree:
                    declared = fields[name].annotation if name in fields else None
                    yield from _marks_of(held, tree[name], (*path, name), declared)
    elif isinstance(value, Mapping) and isinstance(tree, dict) and len(value) == len(tree):
        for held, (step, below) in zip(value.values(), tree.items(), strict=True):
            yield from _marks_of(held, below, (*path, step))
    elif isinstance(value, list | tuple | set | frozenset) and isinstance(tree, list) and len(value) == len(tree):
        for held, (index, below) in zip(value, enumerate(tree), strict=True):
            yield from _marks_of(held, below, (*path, index))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type) and isinstance(tree, dict):
        for name, below in tree.items():
            yield from _marks_of(getattr(value, name, None), below, (*path, name))


def _marks_of(held: Any, tree: Any, path: Path, declared: Any = None) -> Iterator[tuple[Path, str]]:
    if isinstance(held, str | int | float | bool | types.NoneType):
        return
    if isinstance(held, BaseModel) and type(held) is not declared:
        yield path, class_ref(type(held))
    yield from _marks(held, tree, path)
