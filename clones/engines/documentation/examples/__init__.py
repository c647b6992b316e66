"""The blocks of Python and the sessions of a target's documents and docstrings, run in a copy as its tests are."""

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from clones.engines import isolation
from clones.engines.contract import EngineError, NotAnalysed, Progress
from clones.engines.documentation.examples.copies import Copy, directory
from clones.engines.documentation.examples.judging import NO_TIME, NOT_RUN, Outcome
from clones.engines.documentation.examples.running import Place, run_document
from clones.engines.documentation.examples.steps import Document
from clones.engines.environment import Environment, prepare
from clones.engines.running import by_hand, offline
from clones.engines.statements import Lines

__all__ = ["Looked", "look"]

_INSTALL_SHARE, _END_SHARE = 0.5, 0.95
"""Parts of what is left of the budget: for the environment, and where the last document ends."""
_FROM, _PART = 0.75, 0.15
"""Where in the whole work this begins, and its part of it."""
_MAX_NAMED = 50


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the documents."""

    outcomes: tuple[tuple[Document, tuple[Outcome, ...]], ...]
    """Of all documents; where the time was used up, a document's steps were not run."""
    environment: Environment | None = None
    roots: str = "."
    """Where the project's packages are imported from, as a shell word."""
    complete: bool = False
    """Whether there was time for all of them."""
    reason: str = ""
    """Why nothing was run."""
    left_out: tuple[NotAnalysed, ...] = ()


def look(
    target: Path,
    documents: Sequence[Document],
    own: frozenset[str],
    lines: Lines,
    progress: Progress,
    *,
    deadline: float,
) -> Looked:
    """Run `documents` in a copy of the target until `deadline`, a time of `time.monotonic`.

    `own` are the project's modules, by their dotted names. An environment that cannot be made is told and no error.
    """
    begin = time.monotonic()
    # apart from each other: what a run does to its home's parent leaves what is kept whole
    with directory("sanctuary-examples-") as scratch, directory("sanctuary-kept-") as kept:
        outcomes: list[tuple[Document, tuple[Outcome, ...]]] = []
        try:
            copied = isolation.copy_target(target, scratch / "copy")
            environment = prepare(
                target,
                copied.root,
                lambda _, message: progress(_FROM, message),
                deadline=begin + (deadline - begin) * _INSTALL_SHARE,
            )
            copy = Copy(copied.root, scratch, kept)
        except (EngineError, OSError, shutil.Error) as error:
            reason = f"nothing was run: {error}"
            return Looked(outcomes=tuple((each, _none(each, reason)) for each in documents), reason=reason)
        roots = by_hand.roots(copied.root)
        place = Place(
            environment=environment,
            copy=copy,
            deadline=begin + (deadline - begin) * _END_SHARE,
            own=own,
            has=lambda path: os.path.lexists(target / path),
        )
        for number, document in enumerate(documents):
            progress(
                _FROM + _PART * number / len(documents),
                f"running the examples of {document.file} ({number + 1} of {len(documents)})",
            )
            outcomes.append((document, run_document(document, lines.of(document.file), place)))
        left_out = [*copied.left_out[:_MAX_NAMED]]
        if problem := offline.why_not():
            reason = (
                f"the examples could reach the network, for this machine does not let us keep them from it: {problem}"
            )
            left_out.append(NotAnalysed(subject="network", reason=reason))
        is_complete = not any(each.reason == NO_TIME for _, found in outcomes for each in found)
        if not is_complete:
            reason = "the budget was used up before all of them were run; allow more time"
            left_out.append(NotAnalysed(subject="examples", reason=reason))
        return Looked(
            outcomes=tuple(outcomes),
            environment=environment,
            roots=roots,
            complete=is_complete,
            left_out=tuple(left_out),
        )


def _none(document: Document, reason: str) -> tuple[Outcome, ...]:
    return tuple(Outcome(outcome=NOT_RUN, line=step.line, reason=reason) for step in document.steps())
