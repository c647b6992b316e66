"""How a worker's free slots are shared among the task subjects that it pulls from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(slots=True)
class Share:
    """One consumer's claim on free slots."""

    consumer: str
    weight: int
    credit: int = 0


class WeightedRound:
    """Smooth weighted round robin, as nginx balances upstreams: each turn goes to the largest credit.

    Every candidate gains its weight a turn and the chosen one pays the sum, so weights 8:3:1 give the turns
    8:3:1, evenly interleaved: urgent first, low never starved.
    """

    def __init__(self, weights: Iterable[tuple[str, int]]) -> None:
        self._shares = {consumer: Share(consumer, weight) for consumer, weight in weights}

    def reweigh(self, weights: Mapping[str, int]) -> None:
        """Take these consumers and weights from now on; those that stay keep their credit."""
        credits_ = {consumer: share.credit for consumer, share in self._shares.items()}
        self._shares = {
            consumer: Share(consumer, weight, credits_.get(consumer, 0)) for consumer, weight in weights.items()
        }

    def heaviest_first(self, candidates: Iterable[str]) -> list[str]:
        """Return `candidates` by weight; those of one weight stay in their order."""
        return sorted(candidates, key=lambda consumer: -self._shares[consumer].weight)

    def turn(self, candidates: Iterable[str]) -> str:
        """Return which of `candidates` (at least one) has the next turn."""
        shares = [self._shares[consumer] for consumer in candidates]
        for share in shares:
            share.credit += share.weight
        chosen = max(shares, key=lambda share: share.credit)
        chosen.credit -= sum(share.weight for share in shares)
        return chosen.consumer

    def divide(self, slots: int, limits: dict[str, int]) -> dict[str, int]:
        """Divide `slots` among the consumers in `limits`, none getting more than its limit; returns those that got any."""
        given: dict[str, int] = {}
        open_ = {consumer: limit for consumer, limit in limits.items() if limit > 0}
        for left in range(slots, 0, -1):
            if len(open_) <= 1:
                # The turns of one candidate change nothing, and this is what a worker meets most.
                given |= {consumer: min(limit, given.get(consumer, 0) + left) for consumer, limit in open_.items()}
                break
            consumer = self.turn(open_)
            given[consumer] = given.get(consumer, 0) + 1
            if given[consumer] >= open_[consumer]:
                del open_[consumer]
        return given
