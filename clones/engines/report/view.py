"""The report before it is written: one structure from which the HTML and the Markdown page take every fact. Pure but for pictures."""

from collections.abc import Iterator

import msgspec

from clones.engines.report import checks, kinds, overview, parts, shapes, wording
from clones.engines.report.advice import advice
from clones.engines.report.blocks import Content
from clones.engines.report.checks import Check, Numbered
from clones.engines.report.full import full_data
from clones.engines.report.model import AuditEntry, ReportInput, Section
from clones.engines.report.timeline import Timeline, timeline
from clones.engines.report.verdict import Risk, Tile
from clones.engines.report.wording import Some, some
from clones.engines.report.words import Words, words

MAX_AUDIT = 200
MAX_SUBJECTS = 12

_TITLES = {
    "security": "Security",
    "architecture": "Architecture",
    "testing": "Tests",
    "performance": "Performance",
    "documentation": "Documentation",
}


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """What one task did not look at, for one reason."""

    clone: str
    task_type: str
    reason: str
    subjects: Some[str]


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """One task's part of the report."""

    anchor: str
    title: str
    section: Section
    tile: Tile
    part: parts.Part | None
    content: Content | None
    """What stands in place of `part` for task types whose part is made of blocks."""
    checks: tuple[Numbered, ...]
    """The part's statements; their numbers run on through the report."""
    numbers: dict[Check, int]
    problem: str
    """Why completed data cannot be shown; empty when they can."""
    advice: str
    """What to do about a failure."""
    words: Words | None
    """A language model's; None where none was asked."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the page, in the order of the page."""

    source: ReportInput
    outcome: str
    chapters: tuple[Chapter, ...]
    risks: Some[Risk]
    rules: str
    """By which something is one of the risks."""
    timeline: Timeline | None
    left_out: tuple[LeftOut, ...]
    audit: Some[AuditEntry]


def build(source: ReportInput) -> Report:
    """Return the report over `source`, its tasks in the order given."""
    chapters: list[Chapter] = []
    used: dict[str, int] = {}
    for section in source.sections:
        used[section.task_type] = used.get(section.task_type, 0) + 1
        first = 1 + sum(len(chapter.checks) for chapter in chapters)
        chapters.append(_chapter(section, used[section.task_type], first))
    return Report(
        source=source,
        outcome=_outcome(source),
        chapters=tuple(chapters),
        risks=overview.risks(
            [(chapter.anchor, chapter.section, chapter.part or chapter.content) for chapter in chapters]
        ),
        rules=overview.listed(section.task_type for section in source.sections),
        timeline=timeline(source.sections),
        left_out=tuple(left_out for section in source.sections for left_out in _left_out(section)),
        audit=some(source.audit, MAX_AUDIT),
    )


def _chapter(section: Section, occurrence: int, first: int) -> Chapter:
    problem, part, content = "", None, None
    if section.state == "completed" and not section.data and _is_known(section.task_type):
        problem = f"its data are not at hand here; they are in {full_data(section, '')}"
    elif section.state == "completed":
        try:
            data = shapes.read(section.task_type, section.data)
            part = None if data is None else parts.part(section, data)
            content = kinds.content(section) if data is None else None
        except msgspec.ValidationError as error:
            problem = f"the data have another shape than this version knows: {error}"
    name = "".join(character if character.isascii() and character.isalnum() else "-" for character in section.task_type)
    numbered = checks.numbered(_stated(section, part or content), first)
    return Chapter(
        anchor=f"task-{name}" + (f"-{occurrence}" if occurrence > 1 else ""),
        title=_title(section.task_type),
        section=section,
        tile=overview.tile(section, part or content, problem),
        part=part,
        content=content,
        checks=numbered,
        numbers={each.check: each.number for each in numbered},
        problem=problem,
        advice=advice(section.error_code) if section.state == "failed" else "",
        words=words(section.advice),
    )


def _is_known(task_type: str) -> bool:
    return shapes.is_known(task_type) or task_type in kinds.KINDS


def _title(task_type: str) -> str:
    kind = kinds.KINDS.get(task_type)
    return kind.title if kind is not None else _TITLES.get(task_type, task_type)


def _stated(section: Section, part: parts.Part | Content | None) -> Iterator[Check]:
    """Yield the statements of what is shown, and those that an engine makes of its data as a whole."""
    if part is not None:
        yield from checks.shown(part)
        yield from checks.anywhere(section.data.get("statements"))


def _outcome(source: ReportInput) -> str:
    states = [section.state for section in source.sections]
    if not states:
        return "No task was run."
    told = f"{states.count('completed')} of {wording.plural(len(states), 'task')} completed"
    others = [f"{count} {state}" for state in ("failed", "skipped") if (count := states.count(state))]
    return ", ".join([told, *others]) + "."


def _left_out(section: Section) -> list[LeftOut]:
    by_reason: dict[str, list[str]] = {}
    for each in section.not_analysed:
        by_reason.setdefault(each.reason, []).append(each.subject)
    return [
        LeftOut(clone=section.clone, task_type=section.task_type, reason=reason, subjects=some(subjects, MAX_SUBJECTS))
        for reason, subjects in by_reason.items()
    ]
