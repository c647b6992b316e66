"""The Universal Scalability Law, fitted, and what follows from it; and waiting times of M/M/c. Pure.

X(n) = gamma n / (1 + sigma (n-1) + kappa n (n-1)): gamma the throughput of one, sigma contention, kappa coherency (Gunther,
Guerrilla Capacity Planning, 2007; gamma as a third parameter: the R package `usl`, since 2.0). Contention and coherency are
shares, from 0 to 1.
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
    """None where the value lies on its bound, 0 or 1: the error of such a one is not symmetric and not told."""
    r_squared: float

    def throughput(self, n: float) -> float:
        """Return X(n)."""
        return self.gamma * n / (1 + self.sigma * (n - 1) + self.kappa * n * (n - 1))

    @property
    def peak_n(self) -> float | None:
        """Return where throughput is highest; None where it only rises."""
        if self.kappa <= 0:
            return None
        return max(1.0, math.sqrt((1 - self.sigma) / self.kappa))

    @property
    def limit(self) -> float | None:
        """Return the highest throughput, or what it nears (Amdahl: gamma / sigma); None where nothing limits it."""
        if self.peak_n is not None:
            return self.throughput(self.peak_n)
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
    """Fit the law to points of (n, throughput) by least squares; the errors are those of all three parameters together.

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
    highest = max(x for _, x in points)
    x = np.array([point[1] / highest for point in points], dtype=float)

    gamma, *shares = _start(n, x)
    # in units in which each counts at the largest n: with thousands of users contention and coherency are tiny
    largest = float(n.max())
    units = (gamma, 1 / largest, 1 / largest**2)

    def law(n: Any, one: float, contention: float, coherency: float) -> Any:
        return one * units[0] * n / (1 + contention * units[1] * (n - 1) + coherency * units[2] * n * (n - 1))

    try:
        found, covariance = curve_fit(
            law,
            n,
            x,
            p0=(1.0, shares[0] / units[1], shares[1] / units[2]),
            bounds=((0, 0, 0), (np.inf, 1 / units[1], 1 / units[2])),
            ftol=1e-12,
            xtol=1e-12,
            gtol=1e-12,
            max_nfev=20_000,
        )
    except RuntimeError as error:
        raise EngineError(f"the law does not fit these points: {error}", code="incompatible_task") from error
    residual = x - law(n, *found)
    around = float(np.sum((x - x.mean()) ** 2))
    errors = np.sqrt(np.diag(covariance))
    (sigma, sigma_se), (kappa, kappa_se) = (_share(found[at], errors[at], units[at]) for at in (1, 2))
    gamma_se = float(errors[0]) * units[0] * highest
    return Fit(
        gamma=float(found[0]) * units[0] * highest,
        gamma_se=gamma_se if math.isfinite(gamma_se) else None,
        sigma=sigma,
        sigma_se=sigma_se,
        kappa=kappa,
        kappa_se=kappa_se,
        r_squared=1 - float(np.sum(residual**2)) / around if around else 1.0,
    )


def _start(n: Any, x: Any) -> tuple[float, float, float]:
    """Return parameters near the best, whatever the size of n.

    n / X is linear in 1, sigma and kappa, each over gamma: non-negative least squares, the weights of which are turned a few
    times into those of the law itself.
    """
    import numpy as np
    from scipy.optimize import nnls

    terms = np.stack([np.ones_like(n), n - 1, n * (n - 1)], axis=1)
    sizes = terms.max(axis=0)
    expected = n / x
    for _ in range(4):
        weights = x / expected
        parts, _ = nnls(terms / sizes * weights[:, None], n / x * weights)
        expected = np.maximum(terms / sizes @ parts, 1e-12 * (n / x).max())
    one, contention, coherency = (float(part) for part in parts / sizes)
    one = max(one, contention, coherency)
    return 1 / one, contention / one, coherency / one


def _share(count: float, error: float, unit: float) -> tuple[float, float | None]:
    """Return a share and its error; a value on a bound, up to what the optimiser keeps away from it, has none."""
    value = float(count) * unit
    if count <= 1e-6 or value >= 1 - 1e-6:
        return (0.0 if count <= 1e-6 else 1.0), None
    return value, float(error) * unit if math.isfinite(error) else None


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
