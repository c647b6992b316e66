"""Two sets of profiles, of two revisions or two commands: what takes longer, and whether noise could say so. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

MAX_FUNCTIONS = 20
_LEAST_CHANGE_S = 0.001
"""One sample: less is no change that a sampling profiler sees."""

CONFIDENCE = 0.95
"""Of a verdict; four rounds of each are the fewest that can give it."""

Verdict = Literal["slower", "faster", "no difference seen"]

Place = tuple[str, str]
"""File and function; lines move between revisions."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity in seconds, in each round."""

    before: tuple[float, ...]
    after: tuple[float, ...]

    @property
    def change_s(self) -> float:
        """Return by how much the median grew."""
        return statistics.median(self.after) - statistics.median(self.before)

    @property
    def noise_s(self) -> float:
        """Return by how much the same program differs from itself: the larger spread, from the lowest round to the highest."""
        return max(max(rounds) - min(rounds) for rounds in (self.before, self.after))

    @property
    def verdict(self) -> Verdict:
        """Return what the rounds say with `CONFIDENCE`; with too few of them always `no difference seen`."""
        low, high, confidence = interval(self.before, self.after)
        if confidence < CONFIDENCE or low <= 0 <= high:
            return "no difference seen"
        return "slower" if low > 0 else "faster"

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        median = statistics.median(self.before)
        low, high, confidence = interval(self.before, self.after)
        return {
            "before_s": [round(each, 4) for each in self.before],
            "after_s": [round(each, 4) for each in self.after],
            "change_s": round(self.change_s, 4),
            "change_percent": round(100 * self.change_s / median, 1) if median else None,
            "noise_s": round(self.noise_s, 4),
            "interval_s": [round(low, 4), round(high, 4)],
            "confidence": round(confidence, 4),
            "verdict": self.verdict,
            "certain": self.verdict != "no difference seen",
        }


def interval(before: Sequence[float], after: Sequence[float]) -> tuple[float, float, float]:
    """Return between which two values the shift from `before` to `after` lies, and with what confidence.

    Moses' interval, of the differences of all pairs by the exact distribution of the Mann-Whitney statistic: Hollander, Wolfe
    and Chicken, *Nonparametric Statistical Methods*, 3rd edition, section 4.3. It assumes nothing on the distribution but
    that both have the same shape. The narrowest of at least `CONFIDENCE` is taken; where there are too few values for
    that, the widest, whose confidence is less.
    """
    differences = sorted(second - first for first in before for second in after)
    orders = _orders(len(before), len(after))
    cut, outside = 0, 2 * orders[0]
    while cut + 1 < len(orders) // 2 and outside + 2 * orders[cut + 1] <= (1 - CONFIDENCE) * sum(orders):
        cut += 1
        outside += 2 * orders[cut]
    return differences[cut], differences[-1 - cut], max(0.0, 1 - outside / sum(orders))


def _orders(m: int, n: int) -> list[int]:
    """Return in how many orders of `m` and `n` values the Mann-Whitney statistic is 0, 1, … `m * n`: a Gaussian binomial."""
    counts = [1, *([0] * (m * n))]
    for i in range(1, m + 1):
        for u in range(m * n, n + i - 1, -1):
            counts[u] -= counts[u - n - i]
        for u in range(i, m * n + 1):
            counts[u] += counts[u - i]
    return counts


def functions(
    before: Sequence[Mapping[Place, float]], after: Sequence[Mapping[Place, float]]
) -> list[tuple[Place, Change]]:
    """Return the functions whose own time changed, what is certain first, then by how much; at most `MAX_FUNCTIONS`."""
    places = sorted({place for profile in (*before, *after) for place in profile})
    changes = [
        (
            place,
            Change(
                before=tuple(profile.get(place, 0.0) for profile in before),
                after=tuple(profile.get(place, 0.0) for profile in after),
            ),
        )
        for place in places
    ]
    seen = [item for item in changes if abs(item[1].change_s) >= _LEAST_CHANGE_S]
    unseen = "no difference seen"
    return sorted(seen, key=lambda item: (item[1].verdict == unseen, -abs(item[1].change_s), item[0]))[:MAX_FUNCTIONS]
