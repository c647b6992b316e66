"""Classes by name, among those that are loaded here. Nothing is ever imported because a peer named it."""

import inspect
import sys
from collections.abc import Iterator
from typing import Any, TypeVar

T = TypeVar("T")


def class_ref(cls: type) -> str:
    """Return `module:qualified.name`; for a pydantic generic with its arguments, `origin[argument,...]`."""
    generic = getattr(cls, "__pydantic_generic_metadata__", None)
    if generic and generic["origin"] is not None and all(isinstance(argument, type) for argument in generic["args"]):
        return f"{class_ref(generic['origin'])}[{','.join(map(class_ref, generic['args']))}]"
    return f"{cls.__module__}:{cls.__qualname__}"


def find_class(ref: str, base: type[T]) -> type[T] | None:
    """Return the loaded class of this name if it is `base` or derived from it; of several, the one made last."""
    origin, bracket, rest = ref.partition("[")
    if bracket:
        generic = find_class(origin, base)
        arguments = [find_class(argument, object) for argument in _split(rest.removesuffix("]"))]
        if generic is None or None in arguments:
            return None
        made: Any = generic[tuple(arguments)]  # type: ignore[index]  # a pydantic generic; others have no such name
        return made if isinstance(made, type) else None
    module, _, name = ref.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = inspect.getattr_static(found, part, None)
    if isinstance(found, type) and issubclass(found, base):
        return found
    # Classes made in functions, of which tests are full, stand in no module.
    local: type[T] | None = None
    if "<locals>" in name:
        for candidate in _derived(base, set()):
            if candidate.__qualname__ == name and candidate.__module__ == module:
                local = candidate
    return local


def _derived(base: type[T], seen: set[type[T]]) -> Iterator[type[T]]:
    derived: type[T]
    for derived in type.__subclasses__(base):
        if derived not in seen:
            seen.add(derived)
            yield derived
            yield from _derived(derived, seen)


def _split(arguments: str) -> Iterator[str]:
    depth, begin = 0, 0
    for index, letter in enumerate(arguments):
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            yield arguments[begin:index]
            begin = index + 1
    yield arguments[begin:]
