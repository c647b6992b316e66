"""All checks of a target's documents together."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from clones.engines.contract import NotAnalysed
from clones.engines.documentation.docs import code, commands, links
from clones.engines.documentation.docs.finding import Finding
from clones.engines.documentation.docs.text import Read, read
from clones.engines.documentation.sources import Sources
from clones.engines.knowledge import documents
from clones.engines.statements import Lines

_HISTORY = frozenset({"changelog", "licence", "people"})
"""Kinds of documents that tell what was so once, or are not the project's own words."""


MAX_MARKDOWN_CHARS = 100_000
"""A longer one is made by a program; and what CommonMark allows takes the square of its length to read at worst."""
READING_S = 60.0
"""After so long what was read is checked; a target's honest documents take a fraction of it."""


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, and what does not hold."""

    read: Mapping[str, Read]
    """The documents, by their paths."""
    links: int
    blocks: int
    findings: tuple[Finding, ...]
    """By file and line."""
    left_out: tuple[NotAnalysed, ...] = ()


def examine(target: Path, files: Sequence[str], lines: Lines, offered: Sources) -> Examined:
    """Check the Markdown and reStructuredText documents among `files`."""
    found: dict[str, Read] = {}
    left_out: list[NotAnalysed] = []
    ends_at = time.monotonic() + READING_S
    for file in files:
        if not documents.is_document(file) or documents.kind_of(file) in _HISTORY:
            continue
        source = lines.of(file)
        if file.lower().endswith((".md", ".markdown")) and sum(map(len, source)) > MAX_MARKDOWN_CHARS:
            reason = f"longer than {MAX_MARKDOWN_CHARS:,} characters: its links and blocks were not checked"
            left_out.append(NotAnalysed(subject=file, reason=reason))
        elif time.monotonic() > ends_at:
            reason = "its links and blocks were not checked: those before it took all the time there was"
            left_out.append(NotAnalysed(subject=file, reason=reason))
        elif (known := read(file, source)) is not None:
            found[file] = known
    shells = sum(block.language in code.SHELLS for each in found.values() for block in each.blocks)
    if shells > code.MAX_SHELL_BLOCKS:
        reason = f"of {shells} the first {code.MAX_SHELL_BLOCKS} were checked"
        left_out.append(NotAnalysed(subject="blocks of shell", reason=reason))
    findings = [
        *links.dead(target, found),
        *code.unparsable(target, found),
        *commands.missing(target, found, commands.known(target, offered)),
    ]
    return Examined(
        read=found,
        links=sum(len(each.links) for each in found.values()),
        blocks=sum(len(each.blocks) for each in found.values()),
        findings=tuple(sorted(set(findings))),
        left_out=tuple(left_out),
    )
