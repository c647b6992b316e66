"""The Universal Scalability Law, fitted, and what follows from it; and waiting times of M/M/c. Pure.

X(n) = gamma n / (1 + sigma (n-1) + kappa n (n-1)): gamma the throughput of one, sigma contention, kappa coherency (Gunther,
Guerrilla Capacity Planning, 2007; three parameters: Gunther, Puglia and Tomasette, Hadoop Superlinear Scalability, 2015).
"""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from clones.engines.contract import EngineError

LEAST_POINTS = 4
"""Three parameters and a residual; with fewer there would be no error to state."""


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """A fitted law; `_se` are standard errors."""

    gamma: float
    gamma_se: float | None
    sigma: float
    sigma_se: float | None
    kappa: float
    kappa_se: float | None
    """None where the value lies on its bound, 0: the error of such a one is not symmetric and not told."""
    r_squared: float

    def throughput(self, n: float) -> float:
        """Return X(n)."""
        return self.gamma * n / (1 + self.sigma * (n - 1) + self.kappa * n * (n - 1))

    @property
    def peak_n(self) -> float | None:
        """Return where throughput is highest; None where it only rises."""
        if self.kappa <= 0:
            return None
        return math.sqrt((1 - self.sigma) / self.kappa) if self.sigma < 1 else 1.0

    @property
    def limit(self) -> float | None:
        """Return the highest throughput, or what it nears (Amdahl: gamma / sigma); None where nothing limits it."""
        if self.peak_n is not None:
            return self.throughput(max(1.0, self.peak_n))
        return self.gamma / self.sigma if self.sigma > 0 else None

    @property
    def knee_n(self) -> float | None:
        """Return where the line of perfect scaling meets `limit`: beyond it each further one adds less and less."""
        return self.limit / self.gamma if self.limit is not None else None


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A queue before c workers: Poisson arrivals, exponential service (M/M/c)."""

    workers: int
    load: float
    """Arrivals as a share of what the workers can do."""
    arrivals_per_s: float
    wait_probability: float
    """That who arrives must wait (Erlang C)."""
    mean_wait_s: float
    mean_response_s: float


def fit(points: Sequence[tuple[float, float]]) -> Fit:
    """Fit the law to points of (n, throughput) by least squares, all parameters at least 0.

    Raises:
        EngineError: `incompatible_task`, where there are fewer than `LEAST_POINTS` different n, or no fit is found.
    """
    import numpy as np
    from scipy.optimize import curve_fit

    different = {n for n, _ in points}
    if len(different) < LEAST_POINTS:
        words = (
            f"{len(different)} different n are too few for a model of three parameters; give at least {LEAST_POINTS}"
        )
        raise EngineError(words, code="incompatible_task")
    n = np.array([point[0] for point in points], dtype=float)
    x = np.array([point[1] for point in points], dtype=float)

    def law(n: Any, gamma: float, sigma: float, kappa: float) -> Any:
        return gamma * n / (1 + sigma * (n - 1) + kappa * n * (n - 1))

    start = (float(np.max(x / n)), 0.05, 1e-4)
    try:
        found, covariance = curve_fit(
            law, n, x, p0=start, bounds=(0, np.inf), x_scale=start, ftol=1e-12, xtol=1e-12, gtol=1e-12, max_nfev=20_000
        )
    except RuntimeError as error:
        raise EngineError(f"the law does not fit these points: {error}", code="incompatible_task") from error
    residual = x - law(n, *found)
    around = float(np.sum((x - x.mean()) ** 2))
    errors = np.sqrt(np.diag(covariance))
    # on its bound, up to what the optimiser keeps away from it
    values = [
        float(value) if value > scale * 1e-6 else 0.0 for value, scale in zip(found, (start[0], 1.0, 1e-3), strict=True)
    ]
    spread = [
        float(error) if value > 0 and math.isfinite(error) and len(points) > 3 else None
        for value, error in zip(values, errors, strict=True)
    ]
    return Fit(
        gamma=values[0],
        gamma_se=spread[0],
        sigma=values[1],
        sigma_se=spread[1],
        kappa=values[2],
        kappa_se=spread[2],
        r_squared=1 - float(np.sum(residual**2)) / around if around else 1.0,
    )


def waiting(workers: int, per_worker_per_s: float, load: float) -> Waiting:
    """Return the waiting of M/M/c at `load` < 1; Erlang C from Erlang B's recursion, which does not overflow."""
    offered = load * workers
    blocked = 1.0
    for servers in range(1, workers + 1):
        blocked = offered * blocked / (servers + offered * blocked)
    probability = blocked / (1 - load * (1 - blocked))
    wait_s = probability / (workers * per_worker_per_s * (1 - load))
    return Waiting(
        workers=workers,
        load=load,
        arrivals_per_s=load * workers * per_worker_per_s,
        wait_probability=probability,
        mean_wait_s=wait_s,
        mean_response_s=wait_s + 1 / per_worker_per_s,
    )
