"""The report before it is written: one structure from which the HTML and the Markdown page take every fact. Pure but for pictures."""

import msgspec

from clones.engines.report import overview, parts, shapes, wording
from clones.engines.report.advice import advice
from clones.engines.report.model import AuditEntry, ReportInput, Section
from clones.engines.report.timeline import Timeline, timeline
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
    tile: overview.Tile
    part: parts.Part | None
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
    risks: Some[overview.Risk]
    timeline: Timeline | None
    left_out: tuple[LeftOut, ...]
    audit: Some[AuditEntry]


def build(source: ReportInput) -> Report:
    """Return the report over `source`, its tasks in the order given."""
    chapters: list[Chapter] = []
    used: dict[str, int] = {}
    for section in source.sections:
        used[section.task_type] = used.get(section.task_type, 0) + 1
        chapters.append(_chapter(section, used[section.task_type]))
    return Report(
        source=source,
        outcome=_outcome(source),
        chapters=tuple(chapters),
        risks=overview.risks([(chapter.anchor, chapter.section, chapter.part) for chapter in chapters]),
        timeline=timeline(source.sections),
        left_out=tuple(left_out for section in source.sections for left_out in _left_out(section)),
        audit=some(source.audit, MAX_AUDIT),
    )


def _chapter(section: Section, occurrence: int) -> Chapter:
    problem, part = "", None
    if section.state == "completed" and not section.data and shapes.is_known(section.task_type):
        problem = f"its data are not at hand here; they are in {parts.full_data(section, '')}"
    elif section.state == "completed":
        try:
            data = shapes.read(section.task_type, section.data)
            part = None if data is None else parts.part(section, data)
        except msgspec.ValidationError as error:
            problem = f"the data have another shape than this version knows: {error}"
    name = "".join(character if character.isascii() and character.isalnum() else "-" for character in section.task_type)
    return Chapter(
        anchor=f"task-{name}" + (f"-{occurrence}" if occurrence > 1 else ""),
        title=_TITLES.get(section.task_type, section.task_type),
        section=section,
        tile=overview.tile(section, part, problem),
        part=part,
        problem=problem,
        advice=advice(section.error_code) if section.state == "failed" else "",
        words=words(section.advice),
    )


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
