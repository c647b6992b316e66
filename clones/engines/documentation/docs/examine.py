"""All checks of a target's documents together."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from clones.engines.documentation.docs import code, commands, links
from clones.engines.documentation.docs.finding import Finding
from clones.engines.documentation.docs.text import Read, read
from clones.engines.documentation.sources import Sources
from clones.engines.knowledge import documents
from clones.engines.statements import Lines

_HISTORY = frozenset({"changelog", "licence", "people"})
"""Kinds of documents that tell what was so once, or are not the project's own words."""


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, and what does not hold."""

    documents: int
    links: int
    blocks: int
    findings: tuple[Finding, ...]
    """By file and line."""


def examine(target: Path, files: Sequence[str], lines: Lines, offered: Sources) -> Examined:
    """Check the Markdown and reStructuredText documents among `files`."""
    found: dict[str, Read] = {}
    for file in files:
        if documents.is_document(file) and documents.kind_of(file) not in _HISTORY:
            known = read(file, lines.of(file))
            if known is not None:
                found[file] = known
    findings = [
        *links.dead(target, found),
        *code.unparsable(target, found),
        *commands.missing(target, found, commands.known(target, offered)),
    ]
    return Examined(
        documents=len(found),
        links=sum(len(each.links) for each in found.values()),
        blocks=sum(len(each.blocks) for each in found.values()),
        findings=tuple(sorted(set(findings))),
    )
