"""Gamma's engine `scalability`: how far throughput grows with n, where it peaks, and how long the queue before it gets."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from clones.engines import markdown
from clones.engines.contract import EngineError, EngineOutput, NotAnalysed, OutputFile, Progress
from clones.engines.prose import sentence, statement, table
from clones.engines.scalability import picture
from clones.engines.scalability.measuring import Measured, measure
from clones.engines.scalability.model import Fit, Waiting, fit, waiting
from clones.engines.statements import Statement
from clones.params import ScalabilityParams

_LOADS = (0.5, 0.7, 0.8, 0.9)
_MAX_WORKERS = 6
"""Numbers of workers in the table of waiting times."""
_LEAST_R_SQUARED, _MOST_OFF = 0.8, 0.1
"""When points follow the law: it tells this part of their variance, or they are off by this part on average (root of the mean
square), which is what counts where the throughput is the same at every n."""
_NOBODY = 1e-9
"""A smaller probability to wait is told in the table alone."""
_SURE = 2.0
"""Standard errors that a parameter is to be away from 0 for the report to build on it."""


def analyse(target: Path, params: ScalabilityParams, out: Path, progress: Progress) -> EngineOutput:
    """Fit the law to the points, or to what running the command n times at once gives.

    Raises:
        EngineError: `incompatible_task` where there are neither points nor a command, or both; as of `fit` and `measure`.
    """
    if bool(params.points) == bool(params.argv):
        raise EngineError("params: give points, or a command to measure", code="incompatible_task")
    rounds: list[Measured] = []
    cores: int | None = None
    unmeasured: tuple[NotAnalysed, ...] = ()
    if params.argv:
        rounds, cores, unmeasured = measure(target, params.argv, params.budget_s, progress)
    points = params.points or tuple((float(item.n), item.throughput) for item in rounds)
    progress(0.9, "fitting")
    found = fit(points)
    fits = _follow(points, found)
    queue = _queue(points, found) if fits else []
    data: dict[str, Any] = {
        "project": target.resolve().name,
        "source": "measured" if rounds else "given",
        "command": list(params.argv),
        "cores": cores,
        "rounds": [{"n": item.n, "elapsed_s": [round(each, 4) for each in item.elapsed_s]} for item in rounds],
        "points": [
            {
                "n": n,
                "throughput": x,
                "fitted": found.throughput(n),
                "residual_percent": 100 * (x / found.throughput(n) - 1),
            }
            for n, x in points
        ],
        "model": {
            **msgspec.structs.asdict(found),
            "peak_n": found.peak_n,
            "limit": found.limit,
            "knee_n": found.knee_n,
            "fits": fits,
        },
        "queueing": [msgspec.structs.asdict(row) for row in queue],
        "statements": [item.plain() for item in _statements(points, found, queue, fits=fits)],
    }
    summary = _summary(data, found)
    title = f"{data['project']}: throughput by n"
    (out / "scalability.svg").write_text(picture.draw(title, points, found), encoding="utf-8")
    (out / "scalability.md").write_text(_page(data, summary), encoding="utf-8")
    files = (
        OutputFile(name="scalability.md", media_type="text/markdown"),
        OutputFile(name="scalability.svg", media_type="image/svg+xml"),
    )
    notes = (*_notes(found, rounds, cores, fits=fits), *_beyond(points), *unmeasured)
    return EngineOutput(summary=summary, data=data, files=files, not_analysed=notes)


def _follow(points: Sequence[tuple[float, float]], found: Fit) -> bool:
    off = math.sqrt(sum((x / found.throughput(n) - 1) ** 2 for n, x in points) / len(points))
    return found.r_squared >= _LEAST_R_SQUARED or off <= _MOST_OFF


def _queue(points: Sequence[tuple[float, float]], found: Fit) -> list[Waiting]:
    """Return waiting times for the numbers of workers that were looked at, up to the peak; each as slow as n make it."""
    most = found.peak_n if found.peak_n is not None else math.inf
    workers = sorted({int(n) for n, _ in points if n == int(n) and n <= most and n <= 10_000}) or [1]
    kept = workers if len(workers) <= _MAX_WORKERS else [*workers[: _MAX_WORKERS - 1], workers[-1]]
    return [waiting(c, found.throughput(c) / c, load) for c in kept for load in _LOADS]


def _statements(
    points: Sequence[tuple[float, float]], found: Fit, queue: Sequence[Waiting], *, fits: bool
) -> list[Statement]:
    said = [_fitted(points, found)]
    if not fits:
        return said
    law = f"g, s, k = {found.gamma!r}, {found.sigma!r}, {found.kappa!r}; X = lambda n: g * n / (1 + s * (n - 1) + k * n * (n - 1))"
    if found.peak_n is not None and found.limit is not None:
        near = max(1, int(found.peak_n) - 50), int(found.peak_n) + 51
        code = f"{law}; print(max(range({near[0]}, {near[1]}), key=X))"
        whole = max(range(*near), key=found.throughput)
        said.append(
            Statement(
                text=f"Throughput is highest at n = {whole} (by the law {found.peak_n:.1f}), about "
                f"{picture.figure(found.limit)}; beyond it falls",
                how_to_check=f'python3 -c "{code}"',
                expected=str(whole),
            )
        )
    if found.knee_n is not None and found.limit is not None:
        most = found.limit
        reached = 100 * found.throughput(found.knee_n) / most
        code = f"{law}; m = {most!r}; print('%.3g %.0f' % (m / g, 100 * X(m / g) / m))"
        said.append(
            Statement(
                text=f"Perfect scaling would reach the highest throughput at n = {found.knee_n:.3g}, the knee; at that n the "
                f"law gives {reached:.0f} % of it",
                how_to_check=f'python3 -c "{code}"',
                expected=f"{found.knee_n:.3g} {reached:.0f}",
            )
        )
    said += [_waits(row, found) for row in queue if row.wait_probability >= _NOBODY]
    return said


def _fitted(points: Sequence[tuple[float, float]], found: Fit) -> Statement:
    """Return the statement of the fit, checked by another method: Nelder and Mead's simplex on the squared residuals."""
    largest = max(n for n, _ in points)
    units = (found.gamma, max(found.sigma, 1 / largest), max(found.kappa, 1 / largest**2))
    sure = _sure(found.sigma, found.sigma_se)
    code = (
        "import numpy as np; from scipy.optimize import minimize; "
        f"n, x = np.array({[list(point) for point in points]!r}).T; "
        f"at = lambda p: np.minimum(abs(p) * {[float(f'{unit:.1g}') for unit in units]!r}, [np.inf, 1, 1]); "
        "law = lambda g, s, k: g * n / (1 + s * (n - 1) + k * n * (n - 1)); "
        "o = dict(xatol=1e-10, fatol=1e-14, maxiter=20000, maxfev=20000); "
        "f = lambda p: ((x - law(*at(p))) ** 2).sum() / (x ** 2).sum(); "
        "p = minimize(f, minimize(f, [1, .5, .5], method='Nelder-Mead', options=o).x, method='Nelder-Mead', options=o).x; "
        + ("print('%.4f' % at(p)[1], end=' '); " if sure else "")
        + "print('%.4f' % (1 - ((x - law(*at(p))) ** 2).sum() / ((x - x.mean()) ** 2).sum()))"
    )
    text = (
        f"The law fits the {len(points)} points with contention {_figure(found.sigma)}{_error(found.sigma_se)}, "
        f"coherency {_figure(found.kappa)}{_error(found.kappa_se)}, "
        f"throughput of one {picture.figure(found.gamma)}{_error(found.gamma_se)}, and R² {found.r_squared:.4f}"
    )
    expected = f"{found.sigma:.4f} {found.r_squared:.4f}" if sure else f"{found.r_squared:.4f}"
    return Statement(text=text, how_to_check=f'python3 -c "{code}"', expected=expected)


def _figure(share: float) -> str:
    """Return a share with four decimals, or with four digits where it is smaller than they show."""
    return f"{share:.4f}" if share >= 0.01 else f"{share:.4g}"


def _waits(row: Waiting, found: Fit) -> Statement:
    rate = found.throughput(row.workers) / row.workers
    code = (
        f"from math import exp, lgamma, log; c, m, r = {row.workers}, {rate!r}, {row.load!r}; a = c * r; "
        "t = lambda k: exp(k * log(a) - a - lgamma(k + 1)); q = t(c) / (1 - r); p = q / (q + sum(map(t, range(c)))); "
        "print('%.3g %.3g' % (p, p / (c * m * (1 - r))))"
    )
    return Statement(
        text=f"Before {_workers(row.workers)} at {row.load:.0%} load, {row.wait_probability:.3g} of what arrives waits, "
        f"{row.mean_wait_s:.3g} units of time in the mean (M/M/c)",
        how_to_check=f'python3 -c "{code}"',
        expected=f"{row.wait_probability:.3g} {row.mean_wait_s:.3g}",
    )


def _workers(count: int) -> str:
    return f"{count} worker{'' if count == 1 else 's'}"


def _error(error: float | None) -> str:
    return "" if error is None else f" (±{error:.2g})"


def _sure(value: float, error: float | None) -> bool:
    return error is not None and value > _SURE * error


def _summary(data: Mapping[str, Any], found: Fit) -> str:
    if not data["model"]["fits"]:
        return (
            f"The {len(data['points'])} points do not follow the law (R² {found.r_squared:.4f}): no peak, knee or waiting time is "
            "read from it. Measure with a longer command, where nothing else runs, or give points."
        )
    contention = f"{found.sigma:.2%}" if found.sigma >= 0.001 or not found.sigma else f"{found.sigma:.3g}"
    text = f"Contention {contention}, coherency {found.kappa:.3g}, R² {found.r_squared:.4f} over {len(data['points'])} points"
    if found.peak_n is not None and found.limit is not None:
        unsure = (
            "" if _sure(found.kappa, found.kappa_se) else " (not told apart from none: coherency is within its error)"
        )
        return f"{text}; throughput peaks at n = {found.peak_n:.1f} with {picture.figure(found.limit)}{unsure}."
    if found.limit is not None:
        return f"{text}; throughput nears {picture.figure(found.limit)} and has no peak."
    return f"{text}; nothing in these points limits the throughput."


def _notes(found: Fit, rounds: Sequence[Measured], cores: int | None, *, fits: bool) -> tuple[NotAnalysed, ...]:
    notes = [
        NotAnalysed(
            subject="waiting times",
            reason="an estimate: arrivals at random, service times exponential, as M/M/c assumes",
        )
    ]
    if rounds:
        reason = f"measured on {cores} cores that other work may share, the start of each process included"
        notes.append(NotAnalysed(subject="throughput", reason=reason))
    if not fits:
        notes = [
            NotAnalysed(subject="peak, knee and waiting times", reason="the points do not follow the law"),
            *notes[1:],
        ]
    elif found.peak_n is not None and not _sure(found.kappa, found.kappa_se):
        notes.append(NotAnalysed(subject="peak", reason="coherency lies within two standard errors of 0"))
    return tuple(notes)


def _beyond(points: Sequence[tuple[float, float]]) -> tuple[NotAnalysed, ...]:
    """Return a note where more than in proportion is done: Gunther, Puglia and Tomasette, 2015, on Hadoop."""
    first, least = min(points)
    n, most = max(points, key=lambda point: point[1] / point[0])
    if most / n <= (1 + _MOST_OFF) * least / first:
        return ()
    reason = (
        f"at n = {n:g} each does {picture.figure(most / n)}, more than the {picture.figure(least / first)} at n = {first:g}: "
        "the law's contention is 0 at the least, so more than perfect scaling is read as a higher throughput of one"
    )
    return (NotAnalysed(subject="superlinear points", reason=reason),)


def _page(data: Mapping[str, Any], summary: str) -> str:
    rows = [
        (f"{row['n']:g}", f"{row['throughput']:.5g}", f"{row['fitted']:.5g}", f"{row['residual_percent']:+.1f} %")
        for row in data["points"]
    ]
    source = (
        "given"
        if data["source"] == "given"
        else f"measured on {data['cores']} cores: {markdown.code(' '.join(data['command']))}"
    )
    return "\n\n".join(
        (
            f"# Scalability of {markdown.line(data['project'])}",
            sentence(summary),
            f"The points were {source}.",
            table(("n", "throughput", "by the law", "off by"), rows),
            "\n".join(statement(item) for item in data["statements"]) + "\n",
        )
    )
