"""A case as a picture: who had each task when, what waited, and what was decided, on one line of time. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from clones.engines.svg import FAINT, INK, LINE, PAPER, Picture, shortened_right
from ops.case import Case
from ops.durations import in_minutes
from ops.spans import Phase, Span
from schemas import StepLine

WIDTH = 1240.0
MARGIN = 32.0
LABELS = 300.0
"""Room for the names on the left."""
TOP = 112.0
ROW = 26.0
BAR = 16.0
MOST_ROWS = 500
LABEL_CHARS = 40
FAILED = "#dc2626"
COLOURS: Mapping[Phase, str] = {
    "queued": "#cbd5e1",
    "running": "#2563eb",
    "waiting": "#fbbf24",
    "retrying": "#fb923c",
    "parked": "#a855f7",
}
MARKS = {"command": "#c026d3", "escalation": FAILED, "decision": "#15803d"}
_PARTS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_WHOLE_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400, 172_800, 604_800)
MOST_TICKS = 10


@dataclass(frozen=True, slots=True)
class _Mark:
    at: datetime
    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class _Row:
    depth: int
    name: str
    about: str
    """What a pointer over the name shows."""
    spans: tuple[Span, ...]
    marks: tuple[_Mark, ...]


def gantt(case: Case, now: datetime) -> str:
    """Return a self-contained SVG; what goes on is drawn until `now`. The same case and moment give the same bytes."""
    rows = list(_rows(case, 0, case.workflow or case.story.task_type))
    left_out, rows = len(rows) - MOST_ROWS, rows[:MOST_ROWS]
    times = [span.begin for row in rows for span in row.spans]
    begin = min(times, default=now)
    ends = [span.end or max(now, span.begin) for row in rows for span in row.spans]
    ends += [mark.at for row in rows for mark in row.marks]
    axis = _Axis(begin, max(0.001, (max(ends, default=now) - begin).total_seconds()))
    height = TOP + max(1, len(rows)) * ROW + MARGIN + (ROW if left_out > 0 else 0)
    title = f"{case.workflow or case.story.task_type} {case.story.task_id}"
    picture = Picture(WIDTH, height, title)
    picture.text(MARGIN, 40, shortened_right(title, 90), size=20, weight=700)
    words = f"{case.story.state}; {_length(axis.length_s)} from {begin:%Y-%m-%d %H:%M:%S} UTC"
    picture.text(MARGIN, 62, words, size=13, fill=FAINT)
    _legend(picture, rows)
    for seconds in axis.ticks():
        x = axis.at(seconds)
        picture.line(x, TOP - 8, x, height - MARGIN)
        picture.text(x, TOP - 14, _length(seconds), size=11, fill=FAINT, anchor="middle")
    for number, row in enumerate(rows):
        _draw(picture, axis, row, TOP + number * ROW, now)
    if left_out > 0:
        picture.text(MARGIN, TOP + len(rows) * ROW + 17, f"and {left_out:,} more", size=12, fill=FAINT)
    return picture.render()


@dataclass(frozen=True, slots=True)
class _Axis:
    begin: datetime
    length_s: float

    def at(self, seconds: float) -> float:
        """Return where a moment lies, `seconds` after the beginning."""
        room = WIDTH - 2 * MARGIN - LABELS
        return MARGIN + LABELS + room * min(1.0, max(0.0, seconds / self.length_s))

    def of(self, moment: datetime) -> float:
        return self.at((moment - self.begin).total_seconds())

    def ticks(self) -> list[float]:
        """Return the seconds at which the axis is labelled, at most `MOST_TICKS` and one."""
        step = next((each for each in (*_PARTS_S, *_WHOLE_S) if self.length_s / each <= MOST_TICKS), 0.0)
        step = step or math.ceil(self.length_s / MOST_TICKS / 604_800) * 604_800
        return [number * step for number in range(int(self.length_s / step) + 1)]


def _rows(case: Case, depth: int, name: str) -> Iterator[_Row]:
    """Yield a case and all below it; of a workflow the steps in order, each with its task."""
    story = case.story
    about = [f"{story.task_type} {story.task_id}", story.state]
    if case.submitter:
        about.append(f"for {case.submitter}")
    yield _Row(depth, name, "\n".join(about), case.spans, tuple(_marks(case)))
    by_id = {child.story.task_id: child for child in case.children}
    for line in case.steps:
        child = by_id.pop(line.task_id or "", None)
        if child is not None:
            yield from _rows(child, depth + 1, line.step)
        elif line.started_at is not None:
            words = f"{line.kind}\n{line.state}\n{line.message}"
            yield _Row(depth + 1, line.step, words, (_span_of(line, line.started_at),), ())
    for child in by_id.values():
        yield from _rows(child, depth + 1, f"{child.workflow or child.story.task_type} {child.story.task_id}")


def _span_of(line: StepLine, begin: datetime) -> Span:
    """Return a step that is no task: a wait, a decision, or a fan-out as a whole."""
    phase: Phase = "waiting" if line.kind in ("decision", "wait") else "running"
    words = f"{line.code}: {line.message}" if line.code else line.message or line.state
    return Span(phase, begin, line.finished_at, words=words, failed=phase == "running" and line.state == "failed")


def _marks(case: Case) -> Iterator[_Mark]:
    for moment in case.moments:
        if moment.kind in ("command", "escalation"):
            kind = "decision" if moment.kind == "command" and case.workflow else moment.kind
            yield _Mark(moment.at, kind, moment.words)


def _draw(picture: Picture, axis: _Axis, row: _Row, top: float, now: datetime) -> None:
    indent = min(row.depth, 10) * 14.0
    label = shortened_right(row.name, max(8, LABEL_CHARS - 2 * min(row.depth, 10)))
    picture.rect(MARGIN + indent, top + 4, LABELS - indent - 12, BAR, fill=PAPER, hover=row.about)
    picture.text(MARGIN + indent, top + 17, label, size=12.5, fill=INK, weight=600 if row.depth == 0 else 400)
    middle = top + (ROW - BAR) / 2
    for span in row.spans:
        left, right = axis.of(span.begin), axis.of(span.end or max(now, span.begin))
        words = [f"{span.phase} {_length(span.took_s(now))}" + ("" if span.end else " so far")]
        if span.attempt:
            words.append(f"attempt {span.attempt}" + (f" on {span.instance}" if span.instance else ""))
        elif span.instance:
            words.append(f"on {span.instance}")
        if span.words:
            words.append(span.words)
        fill = FAILED if span.failed else COLOURS[span.phase]
        # What is over in no time is to be seen, too.
        picture.rect(left, middle, max(1.5, right - left), BAR, fill=fill, radius=2, hover="\n".join(words))
    for mark in row.marks:
        x = axis.of(mark.at)
        picture.rect(x - 1.5, top + 1, 3, ROW - 2, fill=MARKS[mark.kind], hover=mark.words)
    picture.line(MARGIN, top + ROW, WIDTH - MARGIN, top + ROW, stroke=LINE)


def _legend(picture: Picture, rows: list[_Row]) -> None:
    """Name the colours that occur, from the right."""
    phases = {span.phase for row in rows for span in row.spans}
    entries: list[tuple[str, str]] = [(phase, colour) for phase, colour in COLOURS.items() if phase in phases]
    if any(span.failed for row in rows for span in row.spans):
        entries.append(("failed attempt", FAILED))
    marks = {mark.kind for row in rows for mark in row.marks}
    entries += [(kind, colour) for kind, colour in MARKS.items() if kind in marks]
    right = WIDTH - MARGIN
    for name, colour in reversed(entries):
        right -= 7.0 * len(name)
        picture.text(right, 40, name, size=12, fill=FAINT)
        right -= 18
        picture.rect(right, 30, 12, 12, fill=colour, radius=2)
        right -= 14


def _length(seconds: float) -> str:
    """Return a duration in a few characters."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms" if seconds else "0"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return in_minutes(seconds)
