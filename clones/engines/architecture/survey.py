"""What every engine that reasons over modules begins with: the target's files, packages and import graph."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from clones.engines.architecture import discovery, graph, source, tree


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """A target's Python code."""

    found: tree.Tree
    facts: Mapping[str, source.SourceFacts]
    units: list[discovery.Unit]
    """All packages and single modules."""
    subjects: list[discovery.Unit]
    """Those whose architecture is asked for: the sources, or everything where there are none."""
    graph: graph.ModuleGraph
    """Of the subjects."""

    @property
    def others(self) -> list[discovery.Unit]:
        """The units that are not subjects: tests, examples, scripts, documentation."""
        return [unit for unit in self.units if unit not in self.subjects]


def survey(target: Path, *, everything: bool = False) -> Survey:
    """Look the target over; `everything` takes tests, examples and scripts into the graph too. Nothing is imported."""
    found = tree.walk(target)
    facts = {file: source.read(target / file) for file in found.python}
    units = discovery.find_units(found.python, facts, target.resolve().name)
    subjects = units if everything else discovery.analysed(units)
    others = [unit for unit in units if unit not in subjects]
    built = graph.build(target, subjects, others, facts)
    unread = {note.subject for note in built.unreadable}
    subjects = [msgspec.structs.replace(unit, unread=unread.intersection(unit.files)) for unit in subjects]
    return Survey(found=found, facts=facts, units=sorted((*subjects, *others)), subjects=subjects, graph=built)


def title(target: Path, subjects: list[discovery.Unit]) -> str:
    """Return the package's name where there is one package, else the target's."""
    packages = [unit.name for unit in subjects if unit.is_package]
    return packages[0] if len(packages) == 1 else target.resolve().name
