"""How long each task waited and ran, side by side: the geometry of the report's timeline. Pure."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from clones.engines.report import wording
from clones.engines.report.model import Section

LABEL_WIDTH = 190.0
WIDTH = 1000.0
ROW_HEIGHT = 34.0
_RIGHT_MARGIN = 84.0
"""Room for the duration written behind the longest bar."""
_TICKS = 8
"""At most."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One task's bars, in the picture's units."""

    clone: str
    task_type: str
    state: str
    top: float
    waited_x: float
    waited_width: float
    ran_x: float
    ran_width: float
    took: str
    text: str
    """The row in words, for those who do not see the picture."""


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """A mark on the time axis."""

    x: float
    label: str


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """The picture: rows in the order of their start; time zero is when the first task was stored."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    height: float
    span_s: float
    """From the first task stored to the last one ended."""
    work_s: float
    """The tasks' run times added up."""


def timeline(sections: Sequence[Section]) -> Timeline | None:
    """Return the picture of the sections that ran; None when none did."""
    ran = [(section.started_at, section) for section in sections if section.started_at is not None]
    if not ran:
        return None
    ran.sort(key=lambda pair: _stored(*pair))
    zero = _stored(*ran[0])
    ends = [_after(start, zero) + (section.duration_s or 0.0) for start, section in ran]
    span = max(*ends, 0.001)
    scale = (WIDTH - LABEL_WIDTH - _RIGHT_MARGIN) / span
    rows = tuple(_row(section, start, zero, scale, index * ROW_HEIGHT) for index, (start, section) in enumerate(ran))
    step = _step(span)
    ticks = tuple(
        Tick(x=LABEL_WIDTH + index * step * scale, label=_tick(index * step))
        for index in range(math.floor(span / step) + 1)
    )
    work = sum(section.duration_s or 0.0 for _, section in ran)
    return Timeline(rows=rows, ticks=ticks, height=len(rows) * ROW_HEIGHT, span_s=span, work_s=work)


def _row(section: Section, start: datetime, zero: datetime, scale: float, top: float) -> Row:
    begin = _after(start, zero)
    waited = min(section.queued_s or 0.0, begin)  # moments are told in microseconds, and it is not
    took = wording.duration(section.duration_s)
    return Row(
        clone=section.clone,
        task_type=section.task_type,
        state=section.state,
        top=top,
        waited_x=LABEL_WIDTH + (begin - waited) * scale,
        waited_width=waited * scale,
        ran_x=LABEL_WIDTH + begin * scale,
        ran_width=max((section.duration_s or 0.0) * scale, 2.0),
        took=took,
        text=f"{section.clone} {section.task_type}: waited {wording.duration(waited)}, ran {took}, {section.state}",
    )


def _stored(start: datetime, section: Section) -> datetime:
    return start - timedelta(seconds=section.queued_s or 0.0)


def _after(moment: datetime, zero: datetime) -> float:
    return (moment - zero).total_seconds()


def _tick(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"


def _step(span_s: float) -> float:
    """Return the smallest round step (1, 2 or 5 times a power of ten; from a minute on, whole minutes) with few enough marks."""
    magnitude = 10.0 ** math.floor(math.log10(span_s / _TICKS))
    step = next(factor * magnitude for factor in (1, 2, 5, 10, 20) if span_s / (factor * magnitude) <= _TICKS)
    return step if step < 60 else math.ceil(step / 60) * 60.0
