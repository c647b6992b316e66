"""Gamma on packages that are made here: knots of imports of which the cheapest cut is known, and modules nobody uses.

A package is a chain of modules, each importing a later one on two lines, and imports back to an earlier module on one line.
Each import back closes a circle over lengths of the chain that no other circle has. So every cut takes an import from each
circle, the imports back are enough, and every other cut has more lines: theirs is the cheapest, and the only one.
"""

import random
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

import grimp
import msgspec

from clones.engines.architecture import analyse
from clones.params import ArchitectureParams
from tests.eval.labels import Score
from tests.eval.outcome import Part, Row, Told, flawless, total

OURS = "architecture"
_PACKAGES = 12

Arc = tuple[str, str]


class Knotted(msgspec.Struct, frozen=True, kw_only=True):
    """A package, and what is known of it."""

    name: str
    files: dict[str, str]
    cut: frozenset[Arc]
    """The imports of the cheapest cut, importer first."""
    kept: frozenset[Arc]
    """All others; some of them look as if they went back, and run never."""
    unused: frozenset[str]
    """Modules that nothing uses."""
    used: frozenset[str]
    """Modules that nothing imports, and that are used all the same: started, tested, or loaded by name."""


def measure(tell: Told) -> Part:
    """Ask Gamma's engine, and grimp by itself, about each package."""
    cuts: list[Row] = []
    idle: list[Row] = []
    wrong: list[str] = []
    for seed in range(_PACKAGES):
        package = make(seed)
        tell(package.name)
        with tempfile.TemporaryDirectory(prefix="sanctuary-eval-") as scratch:
            target = Path(scratch) / "target"
            write(target, package.files)
            for engine, (cut, unused, seconds) in {
                OURS: _gamma(target, Path(scratch) / "out"),
                "grimp": _grimp(target, package.name),
            }.items():
                counts = counted(cut, package.cut, package.kept)
                cuts.append(Row(material="cheapest cuts", engine=engine, score=counts, seconds=seconds))
                dead = counted(unused, package.unused, package.used)
                idle.append(Row(material="unused modules", engine=engine, score=dead, seconds=seconds))
                if engine == OURS:
                    wrong += _in_words(package, cut, unused)
    rows = (*total(cuts, "cheapest cuts"), *total(idle, "unused modules"))
    return Part(
        name="knots",
        title="generated packages: the cheapest cut through circular imports, modules that nothing uses",
        rows=rows,
        verdicts=(
            flawless(rows[:2], OURS, "cheapest cuts"),
            flawless(rows[2:], OURS, "unused modules"),
        ),
        wrong=tuple(wrong),
    )


def make(seed: int) -> Knotted:
    """Make a package; the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311  a package for a measurement, nothing to be guessed
    name = f"knotted{seed}"
    modules = [f"{name}.m{number:02}" for number in range(chance.randint(6, 24))]
    last = len(modules) - 1
    forward = dict.fromkeys(pairwise(modules))
    for _ in range(len(modules)):
        start, end = sorted(chance.sample(range(last + 1), 2))
        forward[modules[start], modules[end]] = None
    back: set[Arc] = set()
    start = 0
    while start < last:
        end = min(last, start + chance.randint(1, 5))
        if chance.random() < 0.7:
            back.add((modules[end], modules[start]))
        start = end
    back = back or {(modules[last], modules[0])}
    typing = {(modules[end], modules[start]) for start, end in [sorted(chance.sample(range(last + 1), 2))]} - back
    lines: dict[str, list[str]] = {module: [] for module in modules}
    for importer, imported in forward:
        lines[importer] += [f"from {imported} import part{number}" for number in range(2)]
    for importer, imported in sorted(back):
        lines[importer].append(f"import {imported}")
    for importer, imported in sorted(typing):
        lines[importer] += [
            "from typing import TYPE_CHECKING",
            "if TYPE_CHECKING:",
            f"    from {imported} import part2",
        ]
    parts = "".join(f"\n\ndef part{number}():\n    return {number}\n" for number in range(3))
    files = {f"{module.replace('.', '/')}.py": "\n".join(lines[module]) + parts for module in modules}
    files |= _idle(name, modules[0])
    return Knotted(
        name=name,
        files=files,
        cut=frozenset(back),
        kept=frozenset(forward) | typing,
        unused=frozenset({f"{name}.leftover"}),
        used=frozenset({f"{name}.program", f"{name}.named"}),
    )


def _idle(name: str, used: str) -> dict[str, str]:
    """Return modules that nothing imports, and what uses all of them but one."""
    function = "def run():\n    return 1\n"
    project = f'[project]\nname = "{name}"\nversion = "1"\n[project.scripts]\n{name} = "{name}.program:run"\n'
    return {
        f"{name}/__init__.py": f'import {used}\n\nBACKENDS = {{"default": "{name}.named"}}\n',
        f"{name}/leftover.py": function,
        f"{name}/program.py": function,
        f"{name}/named.py": function,
        "pyproject.toml": project,
    }


def write(target: Path, files: Mapping[str, str]) -> None:
    """Write files by their paths."""
    for path, text in files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_text(text, encoding="utf-8")


def counted(said: Iterable[object], true: Iterable[object], other: Iterable[object]) -> Score:
    """Count what an engine says against what is so, and against what only looks so; of anything else nothing is known."""
    named, flaws, twins = set(said), set(true), set(other)
    return Score(
        hit=len(named & flaws),
        missed=len(flaws - named),
        false=len(named & twins),
        spared=len(twins - named),
    )


def _gamma(target: Path, out: Path) -> tuple[set[Arc], set[str], float]:
    out.mkdir()
    begin = time.monotonic()
    data = analyse(target, ArchitectureParams(target=str(target)), out, lambda *_: None).data
    cut = {(each["importer"], each["imported"]) for cycle in data["cycle_details"] for each in cycle["cut"]}
    return cut, {each["module"] for each in data["orphans"]}, time.monotonic() - begin


def _grimp(target: Path, package: str) -> tuple[set[Arc], set[str], float]:
    """Return what grimp names, its best options taken: imports for type checkers left out."""
    begin = time.monotonic()
    sys.path.insert(0, str(target))
    try:
        graph = grimp.build_graph(package, exclude_type_checking_imports=True, cache_dir=None)
    finally:
        sys.path.remove(str(target))
    unused = {each for each in graph.modules - {package} if not graph.find_modules_that_directly_import(each)}
    cut = set(graph.nominate_cycle_breakers(package))
    return cut, unused, time.monotonic() - begin


def _in_words(package: Knotted, cut: set[Arc], unused: set[str]) -> list[str]:
    wrong = [f"missed: the import of {to} by {by}" for by, to in sorted(package.cut - cut)]
    wrong += [f"false: the import of {to} by {by}" for by, to in sorted(cut - package.cut)]
    wrong += [f"missed: {module} is unused" for module in sorted(package.unused - unused)]
    wrong += [f"false: {module} is used" for module in sorted(unused & package.used)]
    return [f"{package.name}: {each}" for each in wrong]
