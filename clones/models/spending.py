"""What a model costs, and the day's budget of this process. Pure but for the clock."""

from collections.abc import Callable
from datetime import UTC, date, datetime

from clones.models.settings import Prices

_MILLION = 1_000_000


def cost_usd(prices: Prices | None, prompt_tokens: int, answer_tokens: int) -> float | None:
    """Return what so many tokens cost; None where there are no prices."""
    if prices is None:
        return None
    return (prices.prompt * prompt_tokens + prices.answer * answer_tokens) / _MILLION


class Budget:
    """What may be spent on one day (UTC). What a task may cost at most is set aside before its first request."""

    def __init__(self, limit_usd: float | None, today: Callable[[], date] = lambda: datetime.now(UTC).date()) -> None:
        """Take the day's limit; None: there is none."""
        self._limit_usd = limit_usd
        self._today = today
        self._day = today()
        self._spent_usd = 0.0
        self._set_aside_usd = 0.0

    def set_aside(self, amount_usd: float) -> bool:
        """Return whether this much is left, and keep it for `spend`."""
        if self._today() != self._day:
            self._day, self._spent_usd = self._today(), 0.0
        if self._limit_usd is not None and self._spent_usd + self._set_aside_usd + amount_usd > self._limit_usd:
            return False
        self._set_aside_usd += amount_usd
        return True

    def spend(self, amount_usd: float, *, set_aside_usd: float) -> None:
        """Count what was spent of what had been set aside."""
        self._set_aside_usd -= set_aside_usd
        self._spent_usd += amount_usd
