"""Modules that nothing imports: dead code, or loaded in a way that imports do not show."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from clones.engines import target_files
from clones.engines.architecture.discovery import Unit
from clones.engines.architecture.graph import ModuleGraph, ancestors
from clones.engines.architecture.source import SourceFacts

PLUGINS = 3
_LOADED_BY_PATH = frozenset({"tests", "migrations", "commands", "templatetags"})
"""Directories whose modules pytest, Alembic or Django find by their place."""


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """A module that no module of the sources imports."""

    module: str
    file: str
    used_by: tuple[str, ...]
    """Tests, scripts or examples of the target that import it, at most three."""


def find(
    target: Path, graph: ModuleGraph, units: Sequence[Unit], others: Sequence[Unit], facts: Mapping[str, SourceFacts]
) -> list[Orphan]:
    """Return the orphans among packages' modules.

    Left out are packages' `__init__`, `__main__`, modules with a main guard, tests and conftests inside packages,
    single files, entry points of the project's metadata, modules that a string in the target names, and plug-ins:
    `PLUGINS` or more orphans that share a directory with nothing else, or a name in sibling directories.
    """
    imported = {edge.imported for edge in graph.imports}
    in_packages = {file for unit in units if unit.is_package for file in unit.files}
    named = _entry_points(target).union(*(fact.named for fact in facts.values()))
    named |= {above for name in named for above in ancestors(name)}
    orphans = []
    for module, file in graph.files.items():
        name = module.rpartition(":")[2]
        if module in imported or file not in in_packages or facts[file].is_script or is_left_out(file):
            continue
        if name in named:
            continue
        used_by = sorted(other for unit in others for other in unit.files if name in facts[other].imported)
        orphans.append(Orphan(module=module, file=file, used_by=tuple(used_by[:3])))
    return _without_plugins(orphans, graph)


def _without_plugins(orphans: Sequence[Orphan], graph: ModuleGraph) -> list[Orphan]:
    def directory(file: str) -> str:
        return file.rpartition("/")[0]

    def pattern(file: str) -> tuple[str, str]:
        return directory(directory(file)), file.rpartition("/")[2]

    beside = Counter(directory(file) for file in graph.files.values() if not file.endswith("/__init__.py"))
    alone = Counter(directory(orphan.file) for orphan in orphans)
    alike = Counter(pattern(orphan.file) for orphan in orphans)
    return [
        orphan
        for orphan in orphans
        if alike[pattern(orphan.file)] < PLUGINS
        and not alone[directory(orphan.file)] == beside[directory(orphan.file)] >= PLUGINS
    ]


def is_left_out(file: str) -> bool:
    """Tell whether something finds a file by its name or place, without an import."""
    *directories, name = file.split("/")
    stem = name.removesuffix(".py")
    by_name = stem in {"__init__", "__main__", "conftest"} or stem.startswith("test_")
    return by_name or not _LOADED_BY_PATH.isdisjoint(directories)


def _entry_points(target: Path) -> set[str]:
    """Return the modules that the packaging metadata names."""
    points: list[str] = []
    project = target_files.toml(target, "pyproject.toml")
    tools = project.get("tool")
    points += _strings(project.get("project"), ("scripts", "gui-scripts", "entry-points"))
    points += _strings(tools.get("poetry") if isinstance(tools, dict) else None, ("scripts", "plugins"))
    config = target_files.ini(target, "setup.cfg")
    if config.has_section("options.entry_points"):
        lines = (line for _, text in config.items("options.entry_points") for line in text.splitlines())
        points += [line.partition("=")[2] for line in lines]
    return {point.partition(":")[0].partition("[")[0].strip() for point in points}


def _strings(table: object, keys: Sequence[str]) -> list[str]:
    """Return the strings below some keys of a table from a file that may hold anything."""
    if not isinstance(table, dict):
        return []
    found: list[str] = []
    stack = [table.get(key) for key in keys]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            stack.extend(value.values())
    return found
