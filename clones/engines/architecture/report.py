"""What the engine says: the sentence, the findings as JSON values, and the graph as a file."""

from collections.abc import Sequence
from typing import Any

import msgspec

from clones.engines.architecture import circles
from clones.engines.architecture.churn import Churn
from clones.engines.architecture.cycles import Cycle
from clones.engines.architecture.diagram import PartFacts
from clones.engines.architecture.discovery import Unit
from clones.engines.architecture.graph import ModuleGraph
from clones.engines.architecture.hotspots import HotSpot
from clones.engines.architecture.orphans import Orphan
from clones.engines.architecture.packages import Structure
from clones.engines.architecture.sizes import FileSize, by_language
from clones.engines.statements import Lines, Statement, commits_command, complexity_command

_MAX_CYCLES = 100
_MAX_ORPHANS = 200
_MAX_EXTERNAL = 100


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was found out."""

    units: Sequence[Unit]
    graph: ModuleGraph
    cycles: Sequence[Cycle]
    structure: Structure
    orphans: Sequence[Orphan]
    sizes: Sequence[FileSize]
    hot_spots: Sequence[HotSpot]
    churn: Churn


def summary(report: Report) -> str:
    """Return one sentence with the figures that matter."""
    if not report.sizes:
        return "No source code was found that could be analysed."
    spots = _count(len(report.hot_spots), "hot spot")
    if not report.graph.files:
        nloc = sum(size.nloc for size in report.sizes)
        languages = ", ".join(row.language for row in by_language(report.sizes)[:3])
        return f"No Python module was found; {_count(nloc, 'line')} of {languages} were measured: {spots}."
    implicit = sum(len(unit.implicit) for unit in report.units)
    note = f" ({_count(implicit, 'module')} in directories without `__init__.py`, which grimp alone passes over)"
    return f"{headline(report)}; {spots}{note if implicit else ''}."


def headline(report: Report) -> str:
    """Return the figures of the graph, as they stand below the picture's title."""
    graph = report.graph
    at_import = sum(cycle.at_import_time for cycle in report.cycles)
    cycles = _count(len(report.cycles), "import cycle")
    if report.cycles:
        cycles += f" ({at_import} at import time)"
    return ", ".join(
        (
            _count(len(graph.files), "module"),
            _count(len(graph.imports), "import"),
            _count(len(report.structure.layers), "layer"),
            cycles,
        )
    )


def part_facts(report: Report) -> dict[str, PartFacts]:
    """Return what the picture says about each part."""
    size_of = {size.file: size for size in report.sizes}
    facts = {}
    for part in report.structure.parts:
        found = [size_of[file] for module in part.modules if (file := report.graph.files[module]) in size_of]
        facts[part.name] = PartFacts(
            nloc=sum(size.nloc for size in found),
            modules=len(part.modules),
            max_complexity=max((function.complexity for size in found for function in size.functions), default=0),
        )
    return facts


def data(report: Report, lines: Lines) -> dict[str, Any]:
    """Return the findings as JSON values; what can be shown by a command has it as `check`."""
    graph, structure = report.graph, report.structure
    layer_of = {name: len(structure.layers) - at for at, layer in enumerate(structure.layers) for name in layer}
    facts = part_facts(report)
    return {
        "roots": [
            {
                "name": unit.name,
                "path": unit.path,
                "role": unit.role,
                "modules": len(unit.files),
                "implicit_modules": sorted(unit.module_of(file) for file in unit.implicit),
            }
            for unit in report.units
        ],
        "packages": [
            {
                "name": part.name,
                "kind": "package" if part.is_package else "module",
                "layer": layer_of[part.name],
                **msgspec.to_builtins(facts[part.name]),
            }
            for part in structure.parts
        ],
        "modules": len(graph.files),
        "imports": len(graph.imports),
        "typing_only_imports": sum(edge.typing_only for edge in graph.imports),
        "deferred_imports": sum(edge.deferred for edge in graph.imports),
        "cycles": [list(cycle.modules) for cycle in report.cycles[:_MAX_CYCLES]],
        "cycle_details": [circles.data(cycle, graph, report.units, lines) for cycle in report.cycles[:_MAX_CYCLES]],
        "layers": [list(layer) for layer in structure.layers],
        "upward_imports": [
            {
                "importer": dependency.importer,
                "imported": dependency.imported,
                "imports": circles.imports(dependency.imports, graph),
            }
            for dependency in structure.dependencies
            if (dependency.importer, dependency.imported) in structure.upward
        ],
        "tangles": [list(group) for group in structure.tangles],
        "omitted_packages": list(structure.omitted),
        "hot_spots": [_hot_spot(spot) for spot in report.hot_spots],
        "coupling": [msgspec.to_builtins(row) for row in structure.coupling],
        "orphans": [_orphan(orphan) for orphan in report.orphans[:_MAX_ORPHANS]],
        "orphan_count": len(report.orphans),
        "external": [
            {"package": name, "importers": importers}
            for name, importers in list(graph.external.items())[:_MAX_EXTERNAL]
        ],
        "external_count": len(graph.external),
        "stdlib_modules": graph.stdlib,
        "languages": [msgspec.to_builtins(row) for row in by_language(report.sizes)],
        "churn": report.churn.commits is not None,
    }


def graph_file(report: Report) -> dict[str, Any]:
    """Return the whole graph as JSON values, for tools."""
    graph = report.graph
    size_of = {size.file: size.nloc for size in report.sizes}
    return {
        "modules": [{"name": module, "file": file, "nloc": size_of.get(file)} for module, file in graph.files.items()],
        "imports": [
            {
                "importer": edge.importer,
                "imported": edge.imported,
                "typing_only": edge.typing_only,
                "deferred": edge.deferred,
                "lines": [line.line for line in edge.lines],
            }
            for edge in graph.imports
        ],
        "packages": [{"name": part.name, "modules": list(part.modules)} for part in report.structure.parts],
        "dependencies": [
            {
                "importer": item.importer,
                "imported": item.imported,
                "imports": item.runtime,
                "typing_only_imports": len(item.imports) - item.runtime,
                "upward": (item.importer, item.imported) in report.structure.upward,
            }
            for item in report.structure.dependencies
        ],
        "layers": [list(layer) for layer in report.structure.layers],
        "cycles": [list(cycle.modules) for cycle in report.cycles],
    }


def _hot_spot(spot: HotSpot) -> dict[str, Any]:
    size = spot.size
    check = f"`lizard {size.file}` (CCN column, {size.function} at line {size.line})"
    if spot.churn is not None:
        check += f"; `git log --no-merges --oneline -- {size.file} | wc -l` for the commits"
    text = f"`{size.function}` ({size.file}:{size.line}) has a cyclomatic complexity of {size.complexity}"
    commands, expected = [complexity_command(size.file, size.line)], [str(size.complexity)]
    if spot.churn is not None:
        text += f"; {_count(spot.churn, 'commit')} touch{'es' if spot.churn == 1 else ''} its file"
        commands.append(commits_command(size.file))
        expected.append(str(spot.churn))
    statement = Statement(text=text, how_to_check="; ".join(commands), expected="\n".join(expected))
    plain = {**msgspec.to_builtins(size), "churn": spot.churn, "score": spot.score, "how_to_check": check}
    return {**plain, "check": statement.plain()}


def _orphan(orphan: Orphan) -> dict[str, Any]:
    stem = orphan.module.rpartition(":")[2].rpartition(".")[2]
    return {
        "module": orphan.module,
        "file": orphan.file,
        "used_by": list(orphan.used_by),
        "how_to_check": f"`grep -rnw {stem} --include='*.py' .` shows no import of it in the sources; "
        "look for a loader that builds its name.",
    }


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
