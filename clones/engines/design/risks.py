"""What speaks against leaving things as they are: cycles, hubs, changes in complex places, large modules."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from clones.engines.architecture import discovery
from clones.engines.architecture.by_grimp import grimp_command
from clones.engines.architecture.cycles import Cycle
from clones.engines.architecture.graph import ModuleGraph
from clones.engines.architecture.hotspots import HotSpot
from clones.engines.design.contracts import import_places
from clones.engines.statements import Lines, Statement, commits_command, complexity_command, quoted

MAX_EACH = 8
"""Risks told of one kind."""
_HUB_LEAST = 10
_HUB_SHARE = 0.15
_LARGE_LINES = 1000
"""Physical lines of a module beyond which it is told."""


def cycles(found: Sequence[Cycle], graph: ModuleGraph, lines: Lines) -> list[dict[str, Any]]:
    """Return the import cycles, each with a shortest way round."""
    risks = []
    for cycle in found[:MAX_EACH]:
        places = import_places(cycle.shortest_imports, graph, len(cycle.shortest_imports))
        command, expected = lines.shown(places)
        around = " -> ".join((*cycle.shortest, cycle.shortest[0]))
        when = "while they are being imported" if cycle.at_import_time else "through imports inside functions"
        text = f"{around} import each other in a circle {when}: {_where(places)}"
        risks.append(
            {
                "kind": "cycle",
                "severity": "high" if cycle.at_import_time else "medium",
                "title": f"import cycle of {len(cycle.modules)} modules",
                "modules": list(cycle.modules),
                "why": "none of these modules can be understood, tested or moved without the others",
                "places": [{"file": file, "line": line} for file, line in places],
                **Statement(text=text, how_to_check=command, expected=expected).plain(),
            }
        )
    return risks


def hubs(graph: ModuleGraph, units: Sequence[discovery.Unit]) -> list[dict[str, Any]]:
    """Return the modules that many others import and that import many themselves, so that changes pass through them."""
    edges = [edge for edge in graph.imports if not edge.typing_only]
    imported_by = Counter(edge.imported for edge in edges)
    imports = Counter(edge.importer for edge in edges)
    least = max(_HUB_LEAST, _HUB_SHARE * len(graph.files))
    ranked = sorted(graph.files, key=lambda name: (-imported_by[name] * imports[name], name))
    risks: list[dict[str, Any]] = []
    for name in ranked:
        if imported_by[name] + imports[name] < least or imported_by[name] < 3 or imports[name] < 3:
            continue
        statement = _hub_statement(name, imported_by[name], imports[name], units)
        if statement is None or len(risks) == MAX_EACH:
            break
        risks.append(
            {
                "kind": "hub",
                "severity": "medium",
                "title": f"hub {name}",
                "modules": [name],
                "why": "a change of anything it imports reaches, through it, everything that imports it",
                "places": [{"file": graph.files[name], "line": 1}],
                **statement.plain(),
            }
        )
    return risks


def _hub_statement(name: str, importers: int, imports: int, units: Sequence[discovery.Unit]) -> Statement | None:
    command = grimp_command(
        units,
        f"print(len(g.find_modules_that_directly_import({name!r})), len(g.find_modules_directly_imported_by({name!r})))",
    )
    if command is None or ":" in name:
        return None
    return Statement(
        text=f"{importers} modules of the project import `{name}`, and it imports {imports} of them",
        how_to_check=command,
        expected=f"{importers} {imports}",
    )


def hot_spots(found: Sequence[HotSpot]) -> list[dict[str, Any]]:
    """Return the functions that are complex and, where there is a history, often changed."""
    risks = []
    for spot in found[:MAX_EACH]:
        size = spot.size
        text = f"`{size.function}` ({size.file}:{size.line}) has a cyclomatic complexity of {size.complexity}"
        command, expected = complexity_command(size.file, size.line), str(size.complexity)
        if spot.churn is not None:
            text += f", and {spot.churn} commits touch its file"
            command += f"; {commits_command(size.file)}"
            expected += f"\n{spot.churn}"
        risks.append(
            {
                "kind": "hot spot",
                "severity": "medium",
                "title": f"{size.function} is complex" + (" and often changed" if spot.churn else ""),
                "modules": [],
                "why": "complex code that changes often is where defects come from (Tornhill 2015)",
                "places": [{"file": size.file, "line": size.line}],
                **Statement(text=text, how_to_check=command, expected=expected).plain(),
            }
        )
    return risks


def large(files: Mapping[str, str], lines: Lines) -> list[dict[str, Any]]:
    """Return the largest modules beyond `_LARGE_LINES`."""
    counted = sorted(((len(lines.of(file)), module, file) for module, file in files.items()), reverse=True)
    return [
        {
            "kind": "large module",
            "severity": "low",
            "title": f"{module} is large",
            "modules": [module],
            "why": "what one file holds changes for many reasons, and its changes meet in merges",
            "places": [{"file": file, "line": 1}],
            **Statement(
                text=f"`{module}` ({file}) has {count} lines",
                how_to_check=f"awk 'END {{print NR}}' {quoted(file)}",
                expected=str(count),
            ).plain(),
        }
        for count, module, file in counted[:MAX_EACH]
        if count > _LARGE_LINES
    ]


def _where(places: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{file}:{line}" for file, line in places)
