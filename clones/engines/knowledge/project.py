"""A project on disk as the pieces of an index, for those who only search it."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from clones.engines.architecture import tree
from clones.engines.contract import NotAnalysed
from clones.engines.documentation import sources
from clones.engines.knowledge import documents, pieces
from clones.engines.knowledge.index import Entry
from clones.engines.statements import Lines


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """The pieces of one directory, and what of it is in none of them."""

    entries: Iterator[Entry]
    left_out: list[NotAnalysed]
    """Complete once `entries` were gone through."""


def read(target: Path) -> Project:
    """Return the pieces of the code and documents below `target`, which is not changed."""
    walked = tree.walk(target)
    code = sources.find(target)
    lines = Lines(target)
    left_out = [*walked.left_out]
    names = {module.file: module.name for module in code.modules}
    found = documents.find(walked.files, lines)
    return Project(
        entries=pieces.bounded(pieces.of_project(walked.files, found, names, lines), left_out), left_out=left_out
    )
