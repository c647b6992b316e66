"""What a profile says beside time: memory by line, and code that costs more than it has to."""

import msgspec

from clones.engines.report.blocks import Block, Notice, Row, code, figure, number, place, prose, table
from clones.engines.report.checks import Check, Stated
from clones.engines.report.full import full_data
from clones.engines.report.model import Section
from clones.engines.report.wording import percent

_MAX_ROWS = 15
_MAX_PATTERNS = 40
_PERCENT = 100.0
_MIB = 1024**2


class HeldLine(msgspec.Struct, frozen=True, kw_only=True):
    """Memory by the line that asked for it."""

    file: str
    line: int
    kind: str = ""
    bytes: int
    share: float = 0.0
    blocks: int = 0
    source: str = ""
    check: Check | None = None


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Of the run with each allocation traced; `seen_bytes`: what was held when its lines were looked at, near the peak."""

    peak_bytes: int
    seen_bytes: int
    interrupted: bool = False
    at_peak: list[HeldLine] = []
    at_end: list[HeldLine] = []
    record: Stated | None = None


class Pattern(msgspec.Struct, frozen=True, kw_only=True):
    """A place where the code costs more than it has to."""

    rule: str
    title: str
    why: str = ""
    instead: str = ""
    file: str
    line: int
    self_share: float = 0.0
    """Of the profile's time, in the function around it."""
    check: Check | None = None


class Patterns(msgspec.Struct, frozen=True, kw_only=True):
    """What reading the code found, the hot first."""

    found: list[Pattern] = []
    total: int = 0
    in_hot: int = 0
    files: int = 0


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Of `performance`, what needs no page of its own."""

    memory: Memory | None = None
    patterns: Patterns | None = None
    peak_rss_bytes: int | None = None


def blocks(section: Section, data: Data) -> tuple[Block, ...]:
    """Return what follows the times."""
    found: list[Block] = []
    if data.memory is not None:
        found += _memory(section, data.memory, data.peak_rss_bytes)
    if data.patterns is not None:
        found += _patterns(section, data.patterns)
    return tuple(found)


def _memory(section: Section, memory: Memory, resident: int | None) -> list[Block]:
    full = full_data(section, "memory.json")
    seen = memory.seen_bytes / memory.peak_bytes if memory.peak_bytes else 1.0
    note = (
        f"Python's objects took {_mib(memory.peak_bytes)} at the peak, by tracemalloc in a run of its own"
        f"{', which was interrupted' if memory.interrupted else ''}; what held them was looked at when it was "
        f"{percent(_PERCENT * seen)} of that."
    )
    if resident is not None:
        note += f" The profiled process had {_mib(resident)} resident at most."
    told: list[Block] = []
    if memory.record is not None and memory.record.check is not None:
        told += table(
            "Memory",
            ("what", "bytes"),
            [Row(cells=(prose("peak of Python's objects"), number(memory.peak_bytes)), check=memory.record.check)],
            limit=1,
            what="figures",
            full=full,
            note=note,
        )
    for title, rows in (("Held at the peak", memory.at_peak), ("Held at the end", memory.at_end)):
        told += table(
            title,
            ("line", "code", "memory", "share", "blocks"),
            [
                Row(
                    cells=(
                        place(each.file, each.line),
                        code(each.source),
                        figure(_mib(each.bytes)),
                        figure(percent(_PERCENT * each.share)),
                        number(each.blocks),
                    ),
                    check=each.check,
                )
                for each in rows
            ],
            limit=_MAX_ROWS,
            what="lines",
            full=full,
        )
    return told


def _patterns(section: Section, patterns: Patterns) -> list[Block]:
    if not patterns.found:
        return [Notice(tone="plain", text="Reading the code found none of the patterns that cost time needlessly.")]
    return table(
        "Code that costs more than it has to",
        ("what", "place", "of the time", "why", "instead"),
        [
            Row(
                cells=(
                    prose(each.title),
                    place(each.file, each.line),
                    figure(percent(_PERCENT * each.self_share)),
                    prose(each.why),
                    prose(each.instead),
                ),
                check=each.check,
            )
            for each in patterns.found
        ],
        limit=_MAX_PATTERNS,
        what="places",
        full=full_data(section, ""),
        total=patterns.total,
        note="Found by reading the code; the share is the own time of the function around it in this profile.",
    )


def _mib(size: int) -> str:
    return f"{size / _MIB:,.1f} MiB"
