"""Trends as one small picture: a line for each measure, the oldest run left. Pure."""

from collections.abc import Sequence
from itertools import pairwise

from clones.engines.svg import FAINT, INK, LINE, Picture
from ops.trends import MEASURES, Measure, Run, Trend

_WIDTH, _HEIGHT, _GAP, _COLUMNS = 220, 84, 24, 3
_TOP = 34
_COLOUR = "#2f6f9f"


def draw(trends: Sequence[Trend], target: str) -> str:
    """Return an SVG document with a chart of every measure that at least two runs have."""
    charts = [
        (trend, measure, values)
        for trend in trends
        for measure in MEASURES[trend.task_type]
        if len(values := _values(trend.runs, measure)) > 1
    ]
    rows = -(-len(charts) // _COLUMNS) or 1
    width, height = _COLUMNS * (_WIDTH + _GAP) + _GAP, rows * (_HEIGHT + _TOP + _GAP) + 2 * _GAP
    picture = Picture(width, height, f"Trends of {target}")
    picture.text(_GAP, _GAP, f"Trends of {target}", size=14, weight=600)
    for at, (trend, measure, values) in enumerate(charts):
        left = _GAP + at % _COLUMNS * (_WIDTH + _GAP)
        top = 2 * _GAP + at // _COLUMNS * (_HEIGHT + _TOP + _GAP)
        _chart(picture, left, top, f"{trend.task_type}: {measure.title}", values)
    return picture.render()


def _values(runs: Sequence[Run], measure: Measure) -> list[tuple[int, float]]:
    """Return the values by the number of the run, so that a gap stays a gap in time."""
    return [(at, value) for at, run in enumerate(runs) if (value := run.values.get(measure.name)) is not None]


def _chart(picture: Picture, left: float, top: float, title: str, values: Sequence[tuple[int, float]]) -> None:
    picture.text(left, top + 12, title, size=12, fill=INK)
    picture.text(left, top + 27, f"{values[0][1]:g} → {values[-1][1]:g}", size=11, fill=FAINT)
    low, high = min(value for _, value in values), max(value for _, value in values)
    first, last = values[0][0], values[-1][0]
    base = top + _TOP + _HEIGHT
    picture.line(left, base, left + _WIDTH, base, stroke=LINE)
    places = [
        (
            left + _WIDTH * (at - first) / (last - first),
            base - 4 - (_HEIGHT - 8) * ((value - low) / (high - low) if high > low else 0.5),
            value,
        )
        for at, value in values
    ]
    for (x1, y1, _), (x2, y2, _) in pairwise(places):
        picture.line(x1, y1, x2, y2, stroke=_COLOUR)
    for x, y, value in places:
        picture.rect(x - 2, y - 2, 4, 4, fill=_COLOUR, radius=2, hover=f"{value:g}")
