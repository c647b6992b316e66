"""The `code-map` engine: what a newcomer is told first, each statement beside the command that shows it."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clones.engines.architecture import diagram, entry_points, packages, sizes, tree
from clones.engines.architecture.packages import Dependency, Part
from clones.engines.architecture.survey import Survey, survey, title
from clones.engines.code_map import getting_started, page
from clones.engines.code_map.order import Stop, Uses, by_weight, order, uses
from clones.engines.code_map.purposes import Purpose, purpose
from clones.engines.contract import EngineOutput, NotAnalysed, OutputFile, Progress
from clones.engines.statements import Lines, Statement, quoted
from clones.params import CodeMapParams

MAX_DEPENDENCIES = 150
_MAX_PLACES = 10
_MAX_SHOWN = 25
"""Imports of one module that its check shows."""
_MAX_FILES_IN_COMMAND = 60


def analyse(target: Path, params: CodeMapParams, out: Path, progress: Progress) -> EngineOutput:
    """Map the code of `target`; writes `code-map.md` and `code-map.svg`.

    `data`: `project`, `modules`, `lines`, `getting_started` {kind, file, line}, `entry_points` {kind, name, module, file, line},
    `packages` {name, kind, layer, modules, files, lines, purpose {words, file, line, how_to_check, expected} or None, uses,
    used_by}, `dependencies` {user, used, imports, places}, `reading_order` {place, module, file, lines, reason, purpose,
    importers, imports, resting}; each with text, how_to_check and expected.
    """
    progress(0.0, "building the import graph")
    surveyed = survey(target)
    graph = surveyed.graph
    if not graph.files:
        reason = "no Python module was found"
        return EngineOutput(
            summary=f"No map: {reason}.",
            data=_nothing(target),
            not_analysed=(NotAnalysed(subject="code-map", reason=reason),),
        )
    lines = Lines(target)
    mapping = _Map(target, surveyed, lines)
    progress(0.3, "looking for the ways in")
    points = entry_points.find(target, graph.files, surveyed.subjects, surveyed.facts, lines)
    structure = packages.structure(graph)
    progress(0.5, "measuring complexity")
    measured, unmeasured = sizes.measure(target, sorted(set(graph.files.values())), lambda *_: None)
    progress(0.8, "writing")
    layer_of = {name: len(structure.layers) - at for at, layer in enumerate(structure.layers) for name in layer}
    ways_in = by_weight([(point.kind, point.module) for point in points])
    stops = order(ways_in, mapping.uses, {module: len(lines.of(file)) for module, file in graph.files.items()})
    reached = {point.module: point.name for point in reversed(points) if point.module is not None}
    data: dict[str, Any] = {
        "project": title(target, surveyed.subjects),
        "modules": len(graph.files),
        "lines": sum(len(lines.of(file)) for file in graph.files.values()),
        "getting_started": [told.data() for told in getting_started.find(tree.walk(target).files, lines)],
        "entry_points": [point.data() for point in points[: entry_points.MAX_LISTED]],
        "entry_points_total": len(points),
        "packages": [
            mapping.package(part, layer_of[part.name], structure.dependencies)
            for part in sorted(structure.parts, key=lambda part: (-layer_of[part.name], part.name))
        ],
        "omitted_packages": list(structure.omitted),
        "dependencies": [mapping.dependency(item) for item in structure.dependencies[:MAX_DEPENDENCIES]],
        "reading_order": [mapping.stop(place, stop, reached) for place, stop in enumerate(stops, 1)],
    }
    summary = (
        f"{_count(data['modules'], 'module')} with {data['lines']:,} lines in {_count(len(data['packages']), 'part')}, "
        f"{_count(len(points), 'way')} in; to be read in {_count(len(stops), 'stop')}."
    )
    facts = _facts(structure.parts, measured, surveyed, lines)
    drawn = diagram.draw(f"{data['project']}: a map of the code", summary, structure, facts)
    (out / "code-map.md").write_text(page.write(data, summary), encoding="utf-8")
    (out / "code-map.svg").write_text(drawn, encoding="utf-8")
    progress(1.0, "done")
    return EngineOutput(
        summary=summary,
        data=data,
        files=(
            OutputFile(name="code-map.md", media_type="text/markdown"),
            OutputFile(name="code-map.svg", media_type="image/svg+xml"),
        ),
        not_analysed=(*surveyed.found.left_out, *graph.unreadable, *unmeasured, *_dropped(structure.dependencies)),
    )


class _Map:
    """Statements on the modules of one survey."""

    def __init__(self, target: Path, surveyed: Survey, lines: Lines) -> None:
        self._target = target
        self._surveyed = surveyed
        self._files = surveyed.graph.files
        self._lines = lines
        self.uses: Uses = uses(surveyed.graph)

    def package(self, part: Part, layer: int, dependencies: Sequence[Dependency]) -> dict[str, Any]:
        """Describe a package with all that is below it, or a single module."""
        files = sorted(self._files[module] for module in part.modules)
        count = sum(len(self._lines.of(file)) for file in files)
        held = (
            f"the {len(files)} modules of `{part.name}` have" if len(files) > 1 else f"`{part.name}` ({files[0]}) has"
        )
        return {
            "name": part.name,
            "kind": "package" if part.is_package else "module",
            "layer": layer,
            "modules": len(part.modules),
            "files": files,
            "lines": count,
            "purpose": self._purpose(part.name, part.modules),
            "uses": [item.imported for item in dependencies if item.importer == part.name and item.runtime],
            "used_by": [item.importer for item in dependencies if item.imported == part.name and item.runtime],
            **self._size(f"{held} {_count(count, 'line')}", files, count).plain(),
        }

    def dependency(self, item: Dependency) -> dict[str, Any]:
        """Show who imports whom, and in which lines."""
        edges = [edge for edge in item.imports if not edge.typing_only] or list(item.imports)
        places = [(self._files[edge.importer], edge.lines[0].line) for edge in edges]
        shown = places[:_MAX_PLACES]
        command, expected = self._lines.shown(shown)
        how = "" if item.runtime else ", for type checking alone"
        more = "" if len(places) == len(shown) else f", {len(shown)} of which are shown"
        text = f"`{item.importer}` uses `{item.imported}`: {_count(len(places), 'import')}{how}{more}"
        return {
            "user": item.importer,
            "used": item.imported,
            "imports": len(places),
            "places": [{"file": file, "line": line} for file, line in shown],
            **Statement(text=text, how_to_check=command, expected=expected).plain(),
        }

    def stop(self, place: int, stop: Stop, entries: dict[str, str]) -> dict[str, Any]:
        """Describe one module of the reading order: why it, in words and figures."""
        module, file = stop.module, self._files[stop.module]
        importers, imported = self.uses.importers[module], self.uses.imported[module]
        count = len(self._lines.of(file))
        why = {
            "entry": f"`{entries.get(module, module)}` leads here",
            "foundation": "much uses it, and it uses little",
            "meeting place": "here the parts are put together",
            "bulk": "much of the code is here",
        }[stop.reason]
        return {
            "place": place,
            "module": module,
            "file": file,
            "lines": count,
            "reason": stop.reason,
            "purpose": self._purpose(module, (module,)),
            "importers": len(importers),
            "imports": len(imported),
            "resting": self.uses.resting[module],
            **self._reason(module, why, count).plain(),
        }

    def _reason(self, module: str, why: str, count: int) -> Statement:
        """Say why a module is read, with its size and who imports it, and show the imports."""
        file = self._files[module]
        importers, imported = sorted(self.uses.importers[module]), sorted(self.uses.imported[module])
        commands, printed = [f"awk 'END {{print NR}}' {quoted(file)}"], [str(count)]
        searched = self._search(module, importers) if len(importers) > _MAX_PLACES else None
        if searched is not None:
            commands.append(searched)
            printed.append(str(len(importers)))
        places = [] if searched else [self._place(importer, module) for importer in importers[:_MAX_SHOWN]]
        for shown in (places, [self._place(module, each) for each in imported[:_MAX_SHOWN]]):
            if shown:
                command, expected = self._lines.shown(shown)
                commands.append(command)
                printed.append(expected)
        # What the commands show, and no more, is said.
        many = "at least " if not searched and len(importers) > _MAX_SHOWN else ""
        users = len(importers) if searched else len(places)
        used = f"{many}{_count(users, 'module')} of the project import{'s' if users == 1 else ''} it"
        more = "at least " if len(imported) > _MAX_SHOWN else ""
        text = (
            f"`{module}` ({file}, {_count(count, 'line')}): {why}: {used}, "
            f"and it imports {more}{min(len(imported), _MAX_SHOWN)}"
        )
        return Statement(text=text, how_to_check="; ".join(commands), expected="\n".join(printed))

    def _search(self, module: str, importers: Sequence[str]) -> str | None:
        """Return a command that counts the importers' files; None where no simple pattern finds just those."""
        *above, leaf = module.split(".")
        if not above or ":" in module:
            return None
        package, near = r"\.".join(above), r"\.".join(above[1:])
        dots = rf"\.+({near})?" if near else r"\.+"
        inside = rf"\.+({near}\.)?" if near else r"\.+"
        pattern = rf"^ *(from|import) +({package}\.|{inside}){leaf}\b|^ *from +({package}|{dots}) +import .*\b{leaf}\b"
        found = re.compile(pattern)
        top = next(
            (unit.path for unit in self._surveyed.subjects if unit.path and self._holds(unit.path, module)), None
        )
        if top is None:
            return None
        files = {file for file in self._surveyed.found.python if file.startswith(f"{top}/")}
        matching = {file for file in files if any(map(found.search, self._lines.of(file)))}
        every = sum(1 for _, _, names in os.walk(self._target / top) for name in names if name.endswith(".py"))
        if matching != {self._files[importer] for importer in importers} or every != len(files):
            return None
        return f"grep -rlE --include='*.py' {shlex.quote(pattern)} {quoted(top)} | wc -l | tr -d ' '"

    def _holds(self, directory: str, module: str) -> bool:
        return self._files[module].startswith(f"{directory}/")

    def _place(self, importer: str, imported: str) -> tuple[str, int]:
        edge = next(
            edge for edge in self._surveyed.graph.imports if (edge.importer, edge.imported) == (importer, imported)
        )
        line = next(line for line in edge.lines if not line.typing_only)
        return self._files[importer], line.line

    def _purpose(self, name: str, modules: Sequence[str]) -> dict[str, Any] | None:
        """Return what a part says of itself: its own docstring, of a package without one its topmost module's."""
        ranked = sorted(modules, key=lambda module: (module != name, module.count("."), module))
        for module in ranked[:1] if name in modules else ranked:
            file = self._files[module]
            names = (module, module.rpartition(".")[2], file, file.rpartition("/")[2])
            found: Purpose | None = purpose(file, self._lines.of(file), names)
            if found is not None:
                command, expected = self._lines.shown([(found.file, found.line)])
                text = f"`{module}` says of itself: “{found.words.replace('`', '')}” ({found.file}:{found.line})"
                return {
                    "words": found.words,
                    "file": found.file,
                    "line": found.line,
                    **Statement(text=text, how_to_check=command, expected=expected).plain(),
                }
        return None

    def _size(self, text: str, files: Sequence[str], count: int) -> Statement:
        if len(files) <= _MAX_FILES_IN_COMMAND:
            command = f"awk 'END {{print NR}}' {' '.join(map(quoted, files))}"
            return Statement(text=text, how_to_check=command, expected=str(count))
        # too many for a line that is read: the first and the last of them, and how many there are, are in the data
        shown = files[:_MAX_FILES_IN_COMMAND]
        part = sum(len(self._lines.of(file)) for file in shown)
        command = f"awk 'END {{print NR}}' {' '.join(map(quoted, shown))}"
        return Statement(text=f"{text}; the first {len(shown)} have {part}", how_to_check=command, expected=str(part))


def _facts(
    parts: Sequence[Part], measured: Sequence[sizes.FileSize], surveyed: Survey, lines: Lines
) -> dict[str, diagram.PartFacts]:
    """Return what the picture says of each part; its lines are counted as the statements count them."""
    files = surveyed.graph.files
    size_of = {size.file: size for size in measured}
    facts = {}
    for part in parts:
        found = [size for module in part.modules if (size := size_of.get(files[module])) is not None]
        facts[part.name] = diagram.PartFacts(
            nloc=sum(len(lines.of(files[module])) for module in part.modules),
            modules=len(part.modules),
            max_complexity=max((function.complexity for size in found for function in size.functions), default=0),
        )
    return facts


def _dropped(dependencies: Sequence[Dependency]) -> list[NotAnalysed]:
    if len(dependencies) <= MAX_DEPENDENCIES:
        return []
    reason = f"{MAX_DEPENDENCIES} of {len(dependencies)} are listed; the picture has all"
    return [NotAnalysed(subject="dependencies", reason=reason)]


def _nothing(target: Path) -> dict[str, Any]:
    empty: dict[str, Any] = {
        name: [] for name in ("getting_started", "entry_points", "packages", "dependencies", "reading_order")
    }
    return {"project": target.resolve().name, "modules": 0, "lines": 0, "omitted_packages": [], **empty}


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
