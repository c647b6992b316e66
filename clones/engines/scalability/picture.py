"""Throughput against n: the points, the fitted law, perfect scaling, peak and knee."""

import itertools
import math
from collections.abc import Sequence

from clones.engines.scalability.model import Fit
from clones.engines.svg import FAINT, INK, Picture

_WIDTH, _HEIGHT = 900.0, 520.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 90.0, 30.0, 74.0, 64.0
_STEPS = 160
_LAW, _PERFECT, _POINT, _PEAK = "#2563eb", "#94a3b8", "#0f172a", "#dc2626"


def draw(title: str, points: Sequence[tuple[float, float]], fit: Fit) -> str:
    """Return the picture as SVG."""
    most_n = max(n for n, _ in points) * 1.08
    if fit.peak_n is not None and fit.peak_n < 2 * most_n:
        most_n = max(most_n, fit.peak_n * 1.1)
    most_x = 1.12 * max(*(x for _, x in points), *(fit.throughput(n) for n in _range(most_n)))
    picture = Picture(_WIDTH, _HEIGHT, title)

    def at(n: float, x: float) -> tuple[float, float]:
        across = _LEFT + (n / most_n) * (_WIDTH - _LEFT - _RIGHT)
        return across, _HEIGHT - _BOTTOM - (x / most_x) * (_HEIGHT - _TOP - _BOTTOM)

    picture.text(_LEFT, 32, title, size=19, weight=700)
    said = f"sigma {fit.sigma:.4g}, kappa {fit.kappa:.4g}, gamma {fit.gamma:.4g}, R² {fit.r_squared:.4f}"
    picture.text(_LEFT, 54, said, size=13, fill=FAINT)
    for x in _ticks(most_x):
        left, low = at(0, x)
        picture.line(left, low, _WIDTH - _RIGHT, low)
        picture.text(left - 8, low + 4, figure(x), size=11, anchor="end", fill=FAINT)
    for n in _ticks(most_n):
        picture.text(at(n, 0)[0], _HEIGHT - _BOTTOM + 18, figure(n), size=11, anchor="middle", fill=FAINT)
    _legend(picture)
    picture.text(_WIDTH / 2, _HEIGHT - 16, "n", size=13, anchor="middle")
    picture.text(_LEFT, _TOP - 6, "throughput", size=11, fill=FAINT)
    end = min(most_n, most_x / fit.gamma)
    picture.line(*at(0, 0), *at(end, fit.gamma * end), stroke=_PERFECT)
    for before, after in itertools.pairwise(_range(most_n)):
        picture.line(*at(before, fit.throughput(before)), *at(after, fit.throughput(after)), stroke=_LAW)
    for word, place in (("peak", fit.peak_n), ("knee", fit.knee_n)):
        if place is not None and place <= most_n:
            picture.line(*at(place, 0), *at(place, fit.throughput(place)), stroke=_PEAK)
            picture.text(at(place, 0)[0] + 4, _HEIGHT - _BOTTOM - 6, f"{word} {place:.1f}", size=11, fill=INK)
    for n, x in points:
        across, down = at(n, x)
        picture.rect(across - 4, down - 4, 8, 8, fill=_POINT, radius=4, hover=f"n {n:g}: {x:g}")
    return picture.render()


def _legend(picture: Picture) -> None:
    x, y = _WIDTH - _RIGHT - 330, 54.0
    picture.rect(x, y - 8, 8, 8, fill=_POINT, radius=4)
    picture.text(x + 14, y, "points", size=11, fill=FAINT)
    for left, colour, label in ((x + 76, _LAW, "the fitted law"), (x + 204, _PERFECT, "perfect scaling")):
        picture.line(left, y - 4, left + 22, y - 4, stroke=colour)
        picture.text(left + 28, y, label, size=11, fill=FAINT)


def _ticks(most: float) -> list[float]:
    """Return round figures from 0 up to `most`, four to ten of them."""
    whole = 10.0 ** math.floor(math.log10(most))
    step = next(part * whole for part in (0.2, 0.5, 1.0, 2.0) if most / (part * whole) <= 8)
    return [step * count for count in range(int(most / step) + 1)]


def figure(value: float) -> str:
    """Return a number with four digits, or whole where that is more."""
    return f"{value:,.0f}" if 10_000 <= value < 1e9 else f"{value:.4g}"


def _range(most_n: float) -> list[float]:
    """Return the places the law is drawn through, from 1: with full contention it says nothing of less."""
    return [1 + (most_n - 1) * step / _STEPS for step in range(_STEPS + 1)]
