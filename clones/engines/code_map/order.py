"""An order to read modules in: where one comes in, what everything rests on, where everything meets. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from clones.engines.architecture.graph import ModuleGraph

MAX_STOPS = 14
_ENTRIES = 4
_FOUNDATIONS = 5
_MEETING_PLACES = 3
_LARGEST = 2
_LEAST_LINES = 10
"""A module of fewer lines is no stop on the way: an empty `__init__`, a version."""
_LEAST_USERS = 3

Reason = Literal["entry", "foundation", "meeting place", "bulk"]


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """One module to read, and why."""

    module: str
    reason: Reason


class Uses(msgspec.Struct, frozen=True, kw_only=True):
    """Who imports whom at run time."""

    importers: Mapping[str, frozenset[str]]
    imported: Mapping[str, frozenset[str]]
    resting: Mapping[str, int]
    """Module to the number of modules that import it, directly or through others."""


def uses(graph: ModuleGraph) -> Uses:
    """Count who rests on whom; imports for type checking alone do not count."""
    importers: dict[str, set[str]] = {module: set() for module in graph.files}
    imported: dict[str, set[str]] = {module: set() for module in graph.files}
    for edge in graph.imports:
        if not edge.typing_only:
            importers[edge.imported].add(edge.importer)
            imported[edge.importer].add(edge.imported)
    return Uses(
        importers={module: frozenset(found) for module, found in importers.items()},
        imported={module: frozenset(found) for module, found in imported.items()},
        resting={module: len(_reached(module, importers)) for module in graph.files},
    )


def order(entries: Sequence[str], found: Uses, lines: Mapping[str, int]) -> list[Stop]:
    """Return at most `MAX_STOPS` modules; `entries` are those where one comes in, the most important first."""
    stops: dict[str, Stop] = {}

    def take(modules: Sequence[str], reason: Reason, most: int) -> None:
        fresh = [module for module in modules if module not in stops and lines[module] >= _LEAST_LINES]
        for module in fresh[: min(most, MAX_STOPS - len(stops))]:
            stops[module] = Stop(module=module, reason=reason)

    take(list(dict.fromkeys(entries)), "entry", _ENTRIES)
    ranked = sorted(lines, key=lambda module: (-len(found.importers[module]), -found.resting[module], module))
    bases = [module for module in ranked if len(found.importers[module]) >= _LEAST_USERS]
    # what is used by many and itself uses few: it can be read by itself
    take([module for module in bases if _is_base(module, found)], "foundation", _FOUNDATIONS)
    meeting = sorted(lines, key=lambda module: (-len(found.imported[module]), module))
    take(
        [module for module in meeting if len(found.imported[module]) >= _LEAST_USERS], "meeting place", _MEETING_PLACES
    )
    take(sorted(lines, key=lambda module: (-lines[module], module)), "bulk", _LARGEST)
    return list(stops.values())


def _is_base(module: str, found: Uses) -> bool:
    return len(found.importers[module]) >= len(found.imported[module])


def _reached(module: str, importers: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    pending = [module]
    while pending:
        for each in importers[pending.pop()]:
            if each not in seen:
                seen.add(each)
                pending.append(each)
    return seen - {module}


def by_weight(entries: Sequence[tuple[str, str | None]]) -> list[str]:
    """Return the modules of entry points (kind, module): commands before the rest, those that several lead to first.

    A module that can also be run as a script is a way in only where there is no other.
    """
    kinds = ("command", "python -m", "import", "plug-in", "script")
    meant = [(kind, module) for kind, module in entries if kind != "script"] or entries
    counts = Counter(module for _, module in meant if module is not None)
    first = {module: min(kinds.index(kind) for kind, each in meant if each == module) for module in counts}
    return sorted(counts, key=lambda module: (first[module], -counts[module], module))
