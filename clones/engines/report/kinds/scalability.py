"""How far throughput grows: the Universal Scalability Law's figures, its picture, and the points behind them."""

import math

import msgspec

from clones.engines.report.blocks import Block, Content, Point, Row, figure, number, picture, points, prose, table
from clones.engines.report.checks import Stated
from clones.engines.report.full import full_data
from clones.engines.report.model import Section
from clones.engines.report.pictures import picture as embedded
from clones.engines.report.verdict import Tile
from clones.engines.report.wording import UNKNOWN, plural

_MAX_ROWS = 30
_PERCENT = 100.0
_LAW = (
    "Universal Scalability Law, X(n) = gamma n / (1 + sigma (n-1) + kappa n (n-1)): sigma is the share that waits its turn, "
    "kappa what it takes to agree."
)


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A point."""

    n: float
    throughput: float
    fitted: float | None = None
    residual_percent: float | None = None


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """The fitted law; `_se` are standard errors."""

    gamma: float
    gamma_se: float | None = None
    sigma: float
    sigma_se: float | None = None
    kappa: float
    kappa_se: float | None = None
    r_squared: float | None = None
    peak_n: float | None = None
    limit: float | None = None
    knee_n: float | None = None
    fits: bool = True
    """Whether the points follow the law at all."""


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """Waiting times at one load (M/M/c)."""

    workers: int
    load: float
    wait_probability: float | None = None
    mean_wait_s: float | None = None
    mean_response_s: float | None = None


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """Of `scalability`."""

    source: str = ""
    command: tuple[str, ...] = ()
    points: tuple[Measured, ...]
    model: Model
    queueing: tuple[Queue, ...] = ()
    statements: tuple[Stated, ...] = ()


def content(section: Section, data: Data) -> Content:
    """Return the part: the picture and the law's parameters, then the points."""
    full = full_data(section, "scalability.md")
    blocks: list[Block] = [
        *picture(
            embedded(section.files, "scalability.svg"),
            "Throughput against how many there are at once: the points, the fitted law, and perfect scaling.",
            "Plot of the Universal Scalability Law",
        ),
        *table(
            "The fitted law",
            ("parameter", "value", "standard error"),
            [Row(cells=(prose(name), figure(value), figure(error))) for name, value, error in _parameters(data.model)],
            limit=_MAX_ROWS,
            what="parameters",
            full=full,
            note=_LAW,
        ),
        *table(
            "Points",
            ("n", "throughput", "by the law", "off by"),
            [
                Row(
                    cells=(
                        figure(_digits(each.n)),
                        figure(_digits(each.throughput)),
                        figure(_digits(each.fitted)),
                        figure(UNKNOWN if each.residual_percent is None else f"{each.residual_percent:+.1f}%"),
                    )
                )
                for each in data.points
            ],
            limit=_MAX_ROWS,
            what="points",
            full=full,
            note="Measured by this task." if data.source == "measured" else "As they were given.",
        ),
        *table(
            "Waiting times",
            ("workers", "load", "has to wait", "waits", "waits and is served"),
            [
                Row(
                    cells=(
                        number(each.workers),
                        figure(f"{each.load:.0%}"),
                        figure(UNKNOWN if each.wait_probability is None else f"{each.wait_probability:.1%}"),
                        figure(_seconds(each.mean_wait_s)),
                        figure(_seconds(each.mean_response_s)),
                    )
                )
                for each in data.queueing
            ],
            limit=_MAX_ROWS,
            what="loads",
            full=full,
            note="On average, were arrivals random and service times exponential (M/M/c).",
        ),
        *points(
            "Checked",
            [Point(text=each.text, check=each.check) for each in data.statements],
            limit=_MAX_ROWS,
            what="statements",
            full=full,
        ),
    ]
    return Content(tile=_tile(data), blocks=tuple(blocks))


def _parameters(model: Model) -> list[tuple[str, str, str]]:
    read_from_it = [
        ("peak at n", _digits(model.peak_n) if model.peak_n is not None else "none: it only rises", ""),
        ("highest throughput" if model.peak_n is not None else "throughput nears", _digits(model.limit), ""),
        ("knee at n", _digits(model.knee_n), ""),
    ]
    return [
        ("throughput of one (gamma)", _digits(model.gamma), _digits(model.gamma_se)),
        ("contention (sigma)", _digits(model.sigma), _digits(model.sigma_se)),
        ("coherency (kappa)", _digits(model.kappa), _digits(model.kappa_se)),
        ("R²", UNKNOWN if model.r_squared is None else f"{model.r_squared:.4f}", ""),
        *(read_from_it if model.fits else ()),
    ]


def _digits(value: float | None) -> str:
    """Return four significant digits."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def _seconds(value: float | None) -> str:
    return UNKNOWN if value is None else f"{_digits(value)} s"


def _tile(data: Data) -> Tile:
    model = data.model
    law = [f"contention {_PERCENT * model.sigma:.2f}%, coherency {_digits(model.kappa)}"]
    if model.r_squared is not None:
        law.append(f"R² {model.r_squared:.4f} over {plural(len(data.points), 'point')}")
    if not model.fits:
        return Tile(figure="no fit", label="the points do not follow the law", details=tuple(law), tone="warn")
    if model.peak_n is None:
        figures, label = _digits(model.limit), "is what throughput nears; it has no peak"
    else:
        figures, label = _digits(model.peak_n), f"at once is the peak, with {_digits(model.limit)}"
    if model.limit is None:
        figures, label = "no limit", "to be seen in these points"
    return Tile(figure=figures, label=label, details=tuple(law), tone="plain")
