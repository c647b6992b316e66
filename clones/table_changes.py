"""How two routing tables differ, in words. Pure."""

from collections.abc import Iterator
from typing import Any

import msgspec

from clones.routing import clones_of
from schemas import Route, RoutingTable


def changes(old: RoutingTable | None, new: RoutingTable) -> tuple[str, ...]:
    """Return one line for each setting that differs; `old` is None where there was no table."""
    before = old or RoutingTable(routes={})
    return (
        *_settings("weights", before.weights, new.weights),
        *_aliases(before.aliases, new.aliases),
        *(line for task_type in {**before.routes, **new.routes} for line in _route(before, new, task_type)),
    )


def _aliases(old: dict[str, str], new: dict[str, str]) -> Iterator[str]:
    for alias in {**old, **new}:
        if old.get(alias) != new.get(alias):
            yield f"aliases.{alias}: {old.get(alias, 'none')} -> {new.get(alias, 'none')}"


def _route(old: RoutingTable, new: RoutingTable, task_type: str) -> Iterator[str]:
    before, after = old.routes.get(task_type), new.routes.get(task_type)
    if before is None and after is not None:
        yield f"routes.{task_type}: new, served by {served_by(after)}"
    elif after is None:
        yield f"routes.{task_type}: removed; its tasks that have not ended fail as unknown_task_type"
    elif before is not None:
        yield from _settings(f"routes.{task_type}", before, after)


def served_by(route: Route) -> str:
    """Return a route's clones in their order: `beta, else delta`."""
    return ", else ".join(clones_of(route))


def _settings(path: str, old: msgspec.Struct, new: msgspec.Struct) -> Iterator[str]:
    for field in old.__struct_fields__:
        before, after = getattr(old, field), getattr(new, field)
        if isinstance(before, msgspec.Struct):
            yield from _settings(f"{path}.{field}", before, after)
        elif before != after:
            yield f"{path}.{field}: {in_words(before)} -> {in_words(after)}"


def in_words(value: Any) -> str:
    """Return a setting's value for people."""
    if value is None or value == ():
        return "none"
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
