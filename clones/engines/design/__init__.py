"""Gamma's engine `design`: the components that a project's imports propose, their contracts, risks, and the way there.

A proposal from evidence, for people to judge: nothing in it is a matter of taste that no command could show.
"""

import ast
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clones.engines.architecture import churn, diagram, hotspots, packages, sizes
from clones.engines.architecture import cycles as cycles_of
from clones.engines.architecture.by_grimp import seen_by_grimp
from clones.engines.architecture.packages import Part, Structure
from clones.engines.architecture.survey import Survey, survey, title
from clones.engines.contract import EngineOutput, NotAnalysed, OutputFile, Progress
from clones.engines.design import contracts, linting, names, page, plan, risks
from clones.engines.design.components import Component, propose
from clones.engines.statements import Lines, Statement, quoted
from clones.params import DesignParams

_MAX_NAMES = 40
"""Of each component's contract, in the data."""


def analyse(target: Path, params: DesignParams, out: Path, progress: Progress) -> EngineOutput:
    """Propose a design; writes `design.md`, `components.svg` and, for import-linter, `design.importlinter`.

    What is left when `budget_s` is over is told.
    """
    ends_at = time.monotonic() + params.budget_s

    def is_over() -> bool:
        return time.monotonic() >= ends_at

    progress(0.0, "building the import graph")
    surveyed = survey(target)
    graph = surveyed.graph
    if not graph.files:
        reason = "no Python module was found"
        return EngineOutput(
            summary=f"No design can be proposed: {reason}.",
            data=_nothing(target),
            not_analysed=(NotAnalysed(subject="design", reason=reason),),
        )
    progress(0.3, "grouping the modules")
    components = propose(graph)
    structure = packages.arranged(
        graph, [Part(name=item.name, modules=item.modules, is_package=True) for item in components]
    )
    lines = Lines(target)
    parsed, unread = names.trees(target, graph.files, is_over)
    progress(0.5, "reading what crosses the boundaries")
    crossings, flows = contracts.crossings(components, graph, parsed)
    progress(0.6, "measuring complexity")
    measured, unmeasured = sizes.measure(target, sorted(set(graph.files.values())), lambda *_: None, is_over=is_over)
    history = churn.read(target)
    spots = hotspots.find(target, measured, history)
    cycles = cycles_of.find(graph)
    upward = [flow for flow in flows if (flow.user, flow.used) in structure.upward]
    progress(0.8, "writing the plan")
    linted, kept, exceptions = linting.write(components, structure, graph, surveyed.subjects)
    ground = plan.Ground(
        graph=graph,
        components=components,
        upward=upward,
        cycles=cycles,
        hot_spots=spots,
        contracts=kept,
        exceptions=exceptions,
    )
    found_risks = [
        *risks.cycles(cycles, graph, lines),
        *risks.hubs(graph, surveyed.subjects),
        *risks.hot_spots(spots),
        *risks.large(graph.files, lines),
    ]
    given = Counter(item.component for item in crossings)
    layer_of = {name: len(structure.layers) - at for at, layer in enumerate(structure.layers) for name in layer}
    data: dict[str, Any] = {
        "project": title(target, surveyed.subjects),
        "modules": len(graph.files),
        "lines": sum(len(lines.of(file)) for file in graph.files.values()),
        "components": [
            {
                **_component(item, graph.files, parsed, lines),
                "layer": layer_of[item.name],
                "uses": [flow.used for flow in flows if flow.user == item.name],
                "used_by": [flow.user for flow in flows if flow.used == item.name],
                "contract_names": given[item.name],
            }
            for item in sorted(components, key=lambda item: (-layer_of[item.name], item.name))
        ],
        "contracts": _contracts(crossings, graph.files, lines),
        "data_flow": [
            contracts.flow_data(flow, graph, lines, upward=(flow.user, flow.used) in structure.upward) for flow in flows
        ],
        "risks": found_risks,
        "plan": plan.stages(ground, surveyed.subjects, lines),
        "churn": history.commits is not None,
    }
    summary = _summary(data, len(upward))
    facts = _facts(structure, measured, graph.files, lines)
    drawn = diagram.draw(f"{data['project']}: proposed components", _headline(data, len(upward)), structure, facts)
    files = _write(out, page.write(data, summary), drawn, linted)
    left_out = [*surveyed.found.left_out, *graph.unreadable, *unread, *unmeasured, *_notes(surveyed, history.note)]
    return EngineOutput(summary=summary, data=data, files=files, not_analysed=tuple(left_out))


def _component(
    item: Component, files: Mapping[str, str], parsed: Mapping[str, ast.Module], lines: Lines
) -> dict[str, Any]:
    held = sorted(files[name] for name in item.modules)
    count = sum(len(lines.of(file)) for file in held)
    modules = "1 module" if len(held) == 1 else f"{len(held)} modules"
    return {
        "name": item.name,
        "kind": item.kind,
        "purpose": _purpose(item, parsed),
        "modules": list(item.modules),
        "files": held,
        "lines": count,
        **Statement(
            text=f"The files of the {modules} of `{item.name}` have {count} lines: {', '.join(held)}",
            how_to_check=f"awk 'END {{print NR}}' {' '.join(map(quoted, held))}",
            expected=str(count),
        ).plain(),
    }


def _purpose(item: Component, parsed: Mapping[str, ast.Module]) -> str:
    """Return the first sentence of a docstring: of the module that the component is named after, else the topmost."""
    ranked = sorted(item.modules, key=lambda name: (not _names(name, item.name), "__" in name, name.count("."), name))
    for name in ranked:
        first = _first_sentence((ast.get_docstring(parsed[name]) if name in parsed else None) or "", name)
        if first:
            return f"{first} ({name})"
    return ""


def _names(module: str, component: str) -> bool:
    return module.rpartition(".")[2] == component


def _first_sentence(docstring: str, module: str) -> str:
    """Return it without headings, which are underlined and often only the module's name."""
    for paragraph in docstring.split("\n\n"):
        lines = [line.strip() for line in paragraph.strip().splitlines()]
        kept = [line for line in lines if any(map(str.isalnum, line)) and line.strip("`. ") != module]
        if kept and len(kept) == len(lines):
            return " ".join(kept).partition(". ")[0].rstrip(".")
    return ""


def _contracts(crossings: Sequence[contracts.Crossing], files: Mapping[str, str], lines: Lines) -> list[dict[str, Any]]:
    shown: Counter[str] = Counter()
    rows = []
    for item in crossings:
        shown[item.component] += 1
        if shown[item.component] <= _MAX_NAMES:
            rows.append(contracts.crossing_data(item, files, lines))
    return rows


def _summary(data: Mapping[str, Any], upward: int) -> str:
    kinds = Counter(risk["kind"] for risk in data["risks"])
    found = ", ".join(_counted(count, kind) for kind, count in kinds.items()) or "no risk"
    worst = (
        f" (of a kind the worst {risks.MAX_EACH} at most)" if max(kinds.values(), default=0) == risks.MAX_EACH else ""
    )
    return f"{_headline(data, upward)}; {found} told{worst}; a plan in {_counted(len(data['plan']), 'stage')}."


def _headline(data: Mapping[str, Any], upward: int) -> str:
    """Return what is proposed, as it stands below the picture's title."""
    against = f", {upward} of their {len(data['data_flow'])} dependencies against the layers" if upward else ""
    verb = "is" if len(data["components"]) == 1 else "are"
    what = f"{_counted(len(data['components']), 'component')} {verb} proposed"
    return f"{what} for the {_counted(data['modules'], 'module')} of {data['project']}{against}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _facts(
    structure: Structure, measured: Sequence[sizes.FileSize], files: Mapping[str, str], lines: Lines
) -> dict[str, diagram.PartFacts]:
    highest = {size.file: max((item.complexity for item in size.functions), default=0) for size in measured}
    return {
        part.name: diagram.PartFacts(
            nloc=sum(len(lines.of(files[name])) for name in part.modules),
            modules=len(part.modules),
            max_complexity=max((highest.get(files[name], 0) for name in part.modules), default=0),
        )
        for part in structure.parts
    }


def _write(out: Path, text: str, drawn: str, linted: str) -> tuple[OutputFile, ...]:
    (out / "design.md").write_text(text, encoding="utf-8")
    (out / "components.svg").write_text(drawn, encoding="utf-8")
    found = [
        OutputFile(name="design.md", media_type="text/markdown"),
        OutputFile(name="components.svg", media_type="image/svg+xml"),
    ]
    if linted:
        (out / linting.FILE).write_text(linted, encoding="utf-8")
        found.append(OutputFile(name=linting.FILE, media_type="text/plain"))
    return tuple(found)


def _notes(surveyed: Survey, history: str) -> list[NotAnalysed]:
    notes = [NotAnalysed(subject="churn", reason=history)] if history else []
    others = sum(len(unit.files) for unit in surveyed.others)
    if others:
        reason = f"{others} Python files of tests, examples, scripts and documentation are in no component"
        notes.append(NotAnalysed(subject="other files", reason=reason))
    if not seen_by_grimp(surveyed.subjects):
        reason = "its finder does not see these packages as they are laid out, so there is no file for import-linter"
        notes.append(NotAnalysed(subject=linting.FILE, reason=reason))
    return notes


def _nothing(target: Path) -> dict[str, Any]:
    empty: dict[str, Any] = {"components": [], "contracts": [], "data_flow": [], "risks": [], "plan": []}
    return {"project": target.resolve().name, "modules": 0, "lines": 0, "churn": False, **empty}
