"""Two sets of profiles of the same program at two revisions: what takes longer, and whether noise could say so. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

MAX_FUNCTIONS = 20
_LEAST_CHANGE_S = 0.001
"""One sample: less is no change that a sampling profiler sees."""

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
        """Return the larger of the two spreads, from the lowest to the highest round."""
        return max(max(rounds) - min(rounds) for rounds in (self.before, self.after))

    @property
    def certain(self) -> bool:
        """Tell whether no round of one revision reaches into those of the other.

        Were both equally fast, five rounds each would fall so in 2 of 252 orders (0.8 %), three each in 2 of 20.
        """
        return min(self.after) > max(self.before) or max(self.after) < min(self.before)

    def plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        median = statistics.median(self.before)
        return {
            "before_s": [round(each, 4) for each in self.before],
            "after_s": [round(each, 4) for each in self.after],
            "change_s": round(self.change_s, 4),
            "change_percent": round(100 * self.change_s / median, 1) if median else None,
            "noise_s": round(self.noise_s, 4),
            "certain": self.certain,
        }


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
    return sorted(seen, key=lambda item: (not item[1].certain, -abs(item[1].change_s), item[0]))[:MAX_FUNCTIONS]
