"""For which functions property tests are drafted: the riskiest first, then those that another function undoes."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from clones.engines.architecture.discovery import Unit
from clones.engines.environment import import_roots
from clones.engines.properties import Module, draft, pairs
from clones.engines.properties.drafts import Draft
from clones.engines.strategy.ranking import Ranked


def drafts_for(
    target: Path,
    *,
    units: Sequence[Unit],
    trees: Mapping[str, ast.Module],
    ranked: Sequence[Ranked],
    words: Mapping[str, int],
    most: int,
) -> list[Draft]:
    """Return the drafts of at most `most` functions; of what can be imported from where the target's tests import it.

    `trees` are the syntax trees by file, `words` in how many test files each word stands.
    """
    roots = {root.relative_to(target).as_posix() for root in import_roots(target)}
    names = {
        file: unit.module_of(file)
        for unit in units
        if (unit.root or ".") in roots
        for file in unit.files
        if file in trees and not file.endswith("__main__.py")
    }
    found: list[Draft] = []
    for file, name in dict.fromkeys(_wanted(names, trees, ranked, words)):
        if len(found) >= most:
            break
        drafted = draft(Module(name=names[file], file=file, tree=trees[file]), name)
        if drafted is not None:
            found.append(drafted)
    return found


def _wanted(
    names: Mapping[str, str], trees: Mapping[str, ast.Module], ranked: Sequence[Ranked], words: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    yield from ((each.file, each.function) for each in ranked if each.file in names and each.function.count(".") < 2)
    for file in sorted(names):
        for name in pairs(Module(name=names[file], file=file, tree=trees[file])):
            if not words.get(name.rpartition(".")[2]):
                yield file, name
