"""Gamma's first engine: the import graph of a Python project, its cycles, layers and coupling, and hot spots.

Other languages are measured (size, complexity), not graphed. Nothing of the target is imported or run.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from clones.engines.architecture import churn as churn_of
from clones.engines.architecture import cycles as cycles_of
from clones.engines.architecture import (
    definitions,
    diagram,
    discovery,
    duplicates,
    entry_points,
    hotspots,
    mermaid,
    packages,
    plain_sizes,
    sizes,
    surface,
    survey,
    unused,
)
from clones.engines.architecture import orphans as orphans_of
from clones.engines.architecture import report as report_of
from clones.engines.architecture.c4 import mermaid as c4_mermaid
from clones.engines.architecture.c4 import model, picture, systems, views
from clones.engines.architecture.contracts import proposal
from clones.engines.architecture.contracts import rows as contract_rows
from clones.engines.contract import EngineOutput, NotAnalysed, OutputFile, Progress
from clones.engines.statements import Lines
from clones.params import ArchitectureParams

_HOT: frozenset[discovery.Role] = frozenset({"source", "script"})
_ROLE_NAMES: Mapping[discovery.Role, str] = {
    "source": "sources",
    "script": "scripts and build files",
    "example": "examples",
    "test": "tests",
    "docs": "documentation",
}


def analyse(target: Path, params: ArchitectureParams, out: Path, progress: Progress) -> EngineOutput:
    """Analyse the architecture of the project in `target`.

    Writes `graph.json`, `architecture.svg` and `.mmd`, the same of each C4 view (`c4-context`, `c4-containers`,
    `c4-components`), and, where no contract is declared, `layers.toml` with one. What is left when `budget_s` is over is told.
    """
    ends_at = time.monotonic() + params.budget_s

    def is_over() -> bool:
        return time.monotonic() >= ends_at

    progress(0.0, "looking for packages")
    surveyed = survey.survey(target)
    found, subjects, others, modules = surveyed.found, surveyed.subjects, surveyed.others, surveyed.graph

    progress(0.3, "finding cycles and layers")
    cycles = cycles_of.find(modules)
    structure = packages.structure(modules)
    lines = Lines(target)
    contracts = contract_rows.data(target, structure, modules, subjects, lines)
    orphans = orphans_of.find(target, modules, subjects, others, surveyed.facts)

    progress(0.35, "reading definitions")
    code, unread = definitions.read(target, found.python, frozenset(modules.files.values()), is_over)
    shapes = [shape for file in sorted(set(modules.files.values())) if file in code for shape in code[file].shapes]
    dead = [] if unread else unused.find(target, surveyed, code)
    alike = duplicates.find(shapes)

    progress(0.5, "measuring size and complexity")
    measured, unmeasured = sizes.measure(
        target, found.files, lambda fraction, message: progress(0.5 + 0.4 * fraction, message), is_over=is_over
    )
    progress(0.9, "reading the git history")
    churn = churn_of.read(target)
    subject_files = _subject_files(measured, others)
    hot_spots = hotspots.find(target, subject_files, churn)

    progress(0.95, "drawing")
    output = report_of.Report(
        units=subjects,
        graph=modules,
        cycles=cycles,
        structure=structure,
        orphans=orphans,
        sizes=measured,
        hot_spots=hot_spots,
        churn=churn,
    )
    drawn = views.views(
        views.Ground(
            title=survey.title(target, subjects),
            about=views.about(target),
            graph=modules,
            units=subjects,
            structure=structure,
            points=entry_points.find(target, modules.files, surveyed.units, surveyed.facts, lines),
            outside=systems.find(modules.outside),
            lines=lines,
        )
    )
    files = (*_write(target, out, output, contracts.proposal), *_write_views(out, drawn))
    left_out = [
        *found.left_out,
        *unread,
        *modules.unreadable,
        *unmeasured,
        *_not_in_graph(found.python, surveyed.units, others, structure),
        *([NotAnalysed(subject="churn", reason=churn.note)] if churn.note else []),
    ]
    return EngineOutput(
        summary=report_of.summary(output) + _further(contracts, len(dead), len(alike)),
        data={
            **report_of.data(output, lines),
            "contracts": contracts.data,
            "unused": unused.data(dead, lines, found.files),
            "unused_count": len(dead),
            "duplicates": duplicates.data(alike, lines),
            "duplicate_count": len(alike),
            "plain_languages": msgspec.to_builtins(plain_sizes.measure(target, found.files, is_over)),
            "c4": [model.data(view) for view in drawn],
            "surface": surface.data(surface.find(code, modules.files), subjects),
        },
        files=files,
        not_analysed=tuple(left_out),
    )


def _further(contracts: contract_rows.Contracts, dead: int, alike: int) -> str:
    """Return a sentence on what the graph alone does not show; empty where there is nothing to tell."""
    declared = contracts.data["declared"]
    told = []
    if declared:
        unchecked = sum(row["kept"] is None for row in declared)
        broken = sum(row["kept"] is False for row in declared)
        told += [f"{broken} of {len(declared)} declared contracts broken"]
        told += [f"{unchecked} of them not checked"] if unchecked else []
    told += [f"{dead} definition{'' if dead == 1 else 's'} that nothing refers to"] if dead else []
    told += [f"{alike} group{'' if alike == 1 else 's'} of repeated code"] if alike else []
    return f" Also: {', '.join(told)}." if told else ""


def _subject_files(measured: Sequence[sizes.FileSize], others: Sequence[discovery.Unit]) -> list[sizes.FileSize]:
    """Return the files whose functions can be hot spots: no tests, examples or documentation."""
    aside = {file for unit in others if unit.role != "script" for file in unit.files}
    return [size for size in measured if size.file not in aside and discovery.role_of_path(size.file) in _HOT]


def _write(
    target: Path, out: Path, report: report_of.Report, proposed: proposal.Proposal | None
) -> tuple[OutputFile, ...]:
    if not report.graph.files:
        return ()
    title = f"{survey.title(target, list(report.units))}: what imports what"
    facts: Mapping[str, diagram.PartFacts] = report_of.part_facts(report)
    subtitle = report_of.headline(report)
    if report.structure.omitted:
        subtitle += f"; {len(report.structure.omitted)} parts with the fewest dependencies are not drawn"
    (out / "graph.json").write_bytes(msgspec.json.format(msgspec.json.encode(report_of.graph_file(report)), indent=1))
    (out / "architecture.svg").write_text(diagram.draw(title, subtitle, report.structure, facts), encoding="utf-8")
    (out / "architecture.mmd").write_text(mermaid.write(report.structure), encoding="utf-8")
    files = [
        OutputFile(name="architecture.svg", media_type="image/svg+xml"),
        OutputFile(name="architecture.mmd", media_type="text/vnd.mermaid"),
        OutputFile(name="graph.json", media_type="application/json"),
    ]
    if proposed is not None:
        (out / proposal.FILE).write_text(proposed.text, encoding="utf-8")
        files.append(OutputFile(name=proposal.FILE, media_type="application/toml"))
    return tuple(files)


def _write_views(out: Path, drawn: Sequence[model.View]) -> Iterator[OutputFile]:
    for view in drawn:
        (out / f"c4-{view.name}.svg").write_text(picture.draw(view), encoding="utf-8")
        (out / f"c4-{view.name}.mmd").write_text(c4_mermaid.write(view), encoding="utf-8")
        yield OutputFile(name=f"c4-{view.name}.svg", media_type="image/svg+xml")
        yield OutputFile(name=f"c4-{view.name}.mmd", media_type="text/vnd.mermaid")


def _not_in_graph(
    files: Sequence[str],
    units: Sequence[discovery.Unit],
    others: Sequence[discovery.Unit],
    structure: packages.Structure,
) -> list[NotAnalysed]:
    """Tell what the graph leaves out."""
    notes = []
    if not files:
        notes.append(NotAnalysed(subject="import graph", reason="no Python file was found"))
    for role, count in sorted(Counter(unit.role for unit in others for _ in unit.files).items()):
        reason = f"{count} Python files of this kind are not in the import graph, only looked at for uses of it"
        notes.append(NotAnalysed(subject=_ROLE_NAMES[role], reason=reason))
    lost = discovery.unreachable(files, units)
    lost_sources = [file for file in lost if discovery.role_of_path(file) == "source"]
    reason = "not in the import graph: its directory has no `__init__.py`, and nothing is imported from there"
    notes += sizes.by_directory(lost_sources, reason)
    if structure.omitted:
        reason = (
            f"{len(structure.omitted)} parts with the fewest dependencies are not drawn; graph.json has all modules"
        )
        notes.append(NotAnalysed(subject="architecture.svg", reason=reason))
    return notes
