"""Derives the three C4 views of a target: from its entry points, its packages and its imports, and from nothing else."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from clones.engines import target_files
from clones.engines.architecture import cycles
from clones.engines.architecture.c4 import systems
from clones.engines.architecture.c4.model import Element, Relation, View
from clones.engines.architecture.discovery import Unit
from clones.engines.architecture.entry_points import EntryPoint
from clones.engines.architecture.graph import Import, ModuleGraph
from clones.engines.architecture.packages import Structure
from clones.engines.statements import Lines, Statement

_MAX_OUTSIDE = 8
_MAX_OF_A_KIND = 2
_MAX_COMMANDS = 8
_MAX_COMPONENTS = 24
_MAX_PLACES = 6
_MAX_ABOUT_CHARS = 90
_PEOPLE: Mapping[str, tuple[str, str]] = {
    "command": ("command-line user", "runs"),
    "python -m": ("command-line user", "runs"),
    "script": ("command-line user", "runs"),
    "plug-in": ("plug-in host", "loads"),
    "import": ("developer", "imports"),
}
_WEB = frozenset(
    {"flask", "django", "fastapi", "starlette", "tornado", "bottle", "falcon", "sanic", "werkzeug", "uvicorn", "quart"}
)
"""Packages with which a program answers HTTP."""


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What the views are drawn from."""

    title: str
    about: str
    graph: ModuleGraph
    units: Sequence[Unit]
    structure: Structure
    points: Sequence[EntryPoint]
    outside: systems.Outside
    lines: Lines


def about(target: Path) -> str:
    """Return what the project's metadata says that it is; empty without."""
    project = target_files.toml(target, "pyproject.toml").get("project")
    text = project.get("description") if isinstance(project, dict) else None
    return textwrap.shorten(text, _MAX_ABOUT_CHARS) if isinstance(text, str) else ""


def views(ground: Ground) -> list[View]:
    """Return the context, the containers and the components; none where there is no module."""
    return [_context(ground), _containers(ground), _components(ground)] if ground.graph.files else []


def _context(ground: Ground) -> View:
    people, uses = _people(ground, lambda point: "system")
    libraries = ground.outside.libraries
    names = ", ".join(libraries[:4]) + (f" and {len(libraries) - 4} more" if len(libraries) > 4 else "")
    system = Element(
        key="system",
        name=ground.title,
        kind="system",
        technology=f"{len(ground.graph.files)} Python modules",
        about=ground.about or (f"built on {names}" if names else ""),
    )
    around, reached = _around(ground, dict.fromkeys(ground.graph.files, "system"))
    return View(
        name="context",
        title=f"System context of {ground.title}",
        boundary="",
        elements=(*people, system, *around),
        relations=(*uses, *reached),
    )


def _containers(ground: Ground) -> View:
    packages = [unit for unit in ground.units if set(unit.files) & set(ground.graph.files.values())]
    home = {module: f"package {unit.name}" for unit in packages for module in _modules(ground, unit)}
    started = _started(ground.points)
    commands = started[:_MAX_COMMANDS]
    inner = [
        Element(
            key=f"process {point.name}",
            name=point.name,
            kind="container",
            technology={"command": "command", "script": "script"}.get(point.kind, "python -m"),
            about=f"process that starts in {point.module or point.file}",
            statement=point.statement,
        )
        for point in commands
    ]
    inner += [
        Element(
            key=f"package {unit.name}",
            name=unit.name,
            kind="container",
            technology="Python package" if unit.is_package else "Python module",
            about=_counted(len(_modules(ground, unit)), "module"),
        )
        for unit in packages
    ]
    keys = {point.name: f"process {point.name}" for point in commands}
    of_module = {point.module: keys[point.name] for point in commands if point.module is not None}

    def leads_to(point: EntryPoint) -> str:
        package = home.get(point.module or "", "")
        if point.kind == "import":
            return package
        return keys.get(point.name) or of_module.get(point.module or "", package)

    people, uses = _people(ground, leads_to)
    starts = [
        Relation(start=keys[point.name], end=home[point.module], label="starts", statement=point.statement)
        for point in commands
        if point.module in home
    ]
    around, reached = _around(ground, home)
    return View(
        name="containers",
        title=f"Containers of {ground.title}: processes and packages",
        boundary=ground.title,
        elements=(*people, *inner, *around),
        relations=(*uses, *starts, *_between(ground, home), *reached),
        omitted=len(started) - len(commands),
    )


def _started(points: Sequence[EntryPoint]) -> list[EntryPoint]:
    """Return the processes: a command and `python -m` of one name, or a script that a command leads to, are one."""
    found: dict[str, EntryPoint] = {}
    for kind in ("command", "python -m", "script"):
        told = {point.module for point in found.values()}
        for point in points:
            if point.kind == kind and not (kind == "script" and point.module in told):
                found.setdefault(point.name, point)
    return list(found.values())


def _components(ground: Ground) -> View:
    structure = ground.structure
    degree = {part.name: 0 for part in structure.parts}
    for dependency in structure.dependencies:
        degree[dependency.importer] += 1
        degree[dependency.imported] += 1
    ranked = sorted(structure.parts, key=lambda part: (-degree[part.name], -len(part.modules), part.name))
    kept = sorted(part.name for part in ranked[:_MAX_COMPONENTS])
    home = {module: part.name for part in structure.parts if part.name in kept for module in part.modules}
    sizes = {part.name: len(part.modules) for part in structure.parts}
    inner = [
        Element(
            key=name,
            name=name,
            kind="component",
            technology="package" if sizes[name] > 1 else "module",
            about=_counted(sizes[name], "module") if sizes[name] > 1 else "",
        )
        for name in kept
    ]
    around, reached = _around(ground, home)
    return View(
        name="components",
        title=f"Components of {ground.title}",
        boundary=ground.title,
        elements=(*inner, *around),
        relations=(*_between(ground, home), *reached),
        omitted=len(ranked) - len(kept),
    )


def _modules(ground: Ground, unit: Unit) -> list[str]:
    files = set(unit.files)
    return [module for module, file in ground.graph.files.items() if file in files]


def _people(ground: Ground, leads_to: Callable[[EntryPoint], str]) -> tuple[list[Element], list[Relation]]:
    """Return who uses the target, by its ways in, and what each of them uses."""
    used: dict[tuple[str, str, str], list[EntryPoint]] = {}
    for point in ground.points:
        if end := leads_to(point):
            used.setdefault((*_PEOPLE[point.kind], end), []).append(point)
    people = [Element(key=name, name=name, kind="person") for name in dict.fromkeys(name for name, _, _ in used)]
    relations = [
        Relation(start=name, end=end, label=f"{verb} {_some(points)}", statement=points[0].statement)
        for (name, verb, end), points in used.items()
    ]
    return people, relations


def _some(points: Sequence[EntryPoint]) -> str:
    names = list(dict.fromkeys(point.name for point in points))
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _around(ground: Ground, home: Mapping[str, str]) -> tuple[list[Element], list[Relation]]:
    """Return the systems outside and what reaches them; `home` is each module's element."""
    elements, relations = [], []
    # who imports a framework only when it is there, inside a function, offers to work with it but is no server
    web = [
        edge
        for edge in ground.graph.outside
        if edge.imported.partition(".")[0] in _WEB and edge.importer in home and not (edge.deferred or edge.typing_only)
    ]
    if web:
        elements.append(Element(key="HTTP client", name="HTTP client", kind="person", about="browser or program"))
        for end in sorted({home[edge.importer] for edge in web}):
            edges = [edge for edge in web if home[edge.importer] == end]
            relations.append(_shown(ground, "HTTP client", end, "sends requests", edges))
    for system in systems.grouped(ground.outside.systems, _MAX_OUTSIDE, _MAX_OF_A_KIND):
        inside = [edge for edge in system.imports if edge.importer in home]
        if not inside:
            continue
        told = system.about or f"through {', '.join(system.packages)}"
        elements.append(Element(key=system.name, name=system.name, kind=system.kind, about=told))
        for start in sorted({home[edge.importer] for edge in inside}):
            edges = [edge for edge in inside if home[edge.importer] == start]
            relations.append(_shown(ground, start, system.name, _counted(len(edges), "module"), edges))
    return elements, relations


def _between(ground: Ground, home: Mapping[str, str]) -> list[Relation]:
    crossing: dict[tuple[str, str], list[Import]] = {}
    for edge in ground.graph.imports:
        start, end = home.get(edge.importer), home.get(edge.imported)
        if start is not None and end is not None and start != end and not edge.typing_only:
            crossing.setdefault((start, end), []).append(edge)
    return [
        _shown(ground, start, end, _counted(len(edges), "import"), edges)
        for (start, end), edges in sorted(crossing.items())
    ]


def _shown(ground: Ground, start: str, end: str, label: str, edges: Sequence[Import]) -> Relation:
    """Return a relation with the first of the imports that make it."""
    places = []
    for edge in edges[:_MAX_PLACES]:
        line = min(edge.lines, key=lambda line: (line.typing_only, line.deferred, line.line))
        places.append((ground.graph.files[edge.importer], line.line))
    command, expected = ground.lines.shown(places)
    told = ", ".join(f"{file}:{line}" for file, line in places)
    more = f" and {len(edges) - len(places)} more" if len(edges) > len(places) else ""
    names = f"`{start}` to `{end}`"
    statement = Statement(text=f"Imports lead from {names}: {told}{more}", how_to_check=command, expected=expected)
    # as the layers of the whole weigh them, so that both pictures have the same order
    weight = sum(map(cycles.weight, edges))
    return Relation(start=start, end=end, label=label, weight=weight, statement=statement)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
