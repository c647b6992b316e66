"""What a worker pulls from, and in which way. Pure.

With slots to spare, each consumer has a pull of its own open at all times, so that its tasks are taken at once whatever
floods the others. With few, all are asked in turn. A type with limits is asked in turn in both cases: one task for each
request is what a limit can be held with.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bus.throttle import Limit

SPARE_FACTOR = 8
"""With this many slots for each consumer there are some to spare: pulls that wait hold an eighth of them at most."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One consumer to pull from."""

    consumer: str
    group: str
    """The task type: consumers of one group have the same limits on top of their own."""
    weight: int
    place: int = 0
    """In the consumer's prioritized group: 0 for a primary, 1 to 9 for its fallbacks."""
    limits: tuple[Limit, ...] = ()

    def has_room(self) -> bool:
        """Tell whether no limit keeps this worker from one more of its tasks."""
        return all(limit.has_room() for limit in self.limits)

    def wait_s(self) -> float:
        """Return in how many seconds there is room by the passing of time alone."""
        return max((limit.wait_s() for limit in self.limits), default=0.0)


@dataclass(frozen=True, slots=True)
class Line:
    """Feeds that one loop pulls from."""

    key: str
    """What it claims slots as; no consumer's name has a blank."""
    feeds: tuple[Feed, ...]
    in_turn: bool

    @property
    def weight(self) -> int:
        """Its weight among the lines of a worker."""
        return max(feed.weight for feed in self.feeds)


def lines(feeds: Iterable[Feed], capacity: int) -> tuple[Line, ...]:
    """Return the loops that `capacity` slots are pulled with from `feeds`."""
    wanted = tuple(feeds)
    if not wanted:
        return ()
    if capacity < SPARE_FACTOR * len(wanted):
        return (Line("in turn", wanted, in_turn=True),)
    limited: dict[str, list[Feed]] = {}
    for feed in wanted:
        if feed.limits:
            limited.setdefault(feed.group, []).append(feed)
    return (
        *(Line(feed.consumer, (feed,), in_turn=False) for feed in wanted if not feed.limits),
        *(Line(f"{group} in turn", tuple(grouped), in_turn=True) for group, grouped in limited.items()),
    )
