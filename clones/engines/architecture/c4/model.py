"""A C4 view: elements and relations, each with the statement that shows it where one line does."""

from typing import Any, Literal

import msgspec

from clones.engines.statements import Statement

ElementKind = Literal["person", "system", "container", "component", "database", "queue", "service"]
OUTSIDE: frozenset[ElementKind] = frozenset({"database", "queue", "service"})


class Element(msgspec.Struct, frozen=True, kw_only=True):
    """A box."""

    key: str
    """By which relations name it."""
    name: str
    kind: ElementKind
    technology: str = ""
    about: str = ""
    statement: Statement | None = None


class Relation(msgspec.Struct, frozen=True, kw_only=True):
    """An arrow."""

    start: str
    end: str
    label: str
    weight: float = 1.0
    """How much it binds: of two that contradict each other, the heavier decides who stands above."""
    statement: Statement | None = None


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One diagram."""

    name: Literal["context", "containers", "components"]
    title: str
    boundary: str
    """What the inner boxes are in; empty where there is one."""
    elements: tuple[Element, ...]
    relations: tuple[Relation, ...]
    omitted: int = 0
    """Elements that it has no room for."""


def data(view: View) -> dict[str, Any]:
    """Return a view as JSON values."""
    return {
        "name": view.name,
        "title": view.title,
        "boundary": view.boundary,
        "elements": [
            {
                "key": each.key,
                "name": each.name,
                "kind": each.kind,
                "technology": each.technology,
                "about": each.about,
                **({} if each.statement is None else each.statement.plain()),
            }
            for each in view.elements
        ],
        "relations": [
            {
                "start": each.start,
                "end": each.end,
                "label": each.label,
                **({} if each.statement is None else each.statement.plain()),
            }
            for each in view.relations
        ],
        "omitted": view.omitted,
    }
