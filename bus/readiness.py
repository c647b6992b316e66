"""Which consumers a worker may ask for tasks now: neither kept from it by their limits nor refused a moment ago."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from bus.feeds import Feed
from bus.pull_request import PullRequest

RETRY_S = 1.0
"""How long a consumer is left alone when the server refused a pull (no such consumer yet, no leader)."""

log = logging.getLogger(__name__)


class Readiness:
    """Remembers refusals, and who waits for room."""

    def __init__(self) -> None:
        self.waiting: dict[object, tuple[Sequence[Feed], Callable[[], None]]] = {}
        """Who waits for room in which feeds, and how to say that there is some."""
        self._resting: dict[str, float] = {}
        """When the consumers that were refused are asked again."""
        self._refusals: dict[str, str] = {}
        """What the server said, so that the log tells it once."""

    def has(self, feed: Feed) -> bool:
        """Tell whether `feed` may be asked."""
        return feed.has_room() and not self.rest_s(feed)

    def rest_s(self, feed: Feed) -> float:
        """Return how long `feed` is left alone after a refusal."""
        return max(0.0, self._resting.get(feed.consumer, 0.0) - time.monotonic()) if self._resting else 0.0

    def wait_s(self, feeds: Iterable[Feed]) -> float:
        """Return when the first of `feeds` may be asked by the passing of time alone; infinity for never."""
        return min((max(feed.wait_s(), self.rest_s(feed)) for feed in feeds), default=math.inf)

    async def any_of(self, feeds: Sequence[Feed]) -> None:
        """Wait until one of `feeds` may be asked."""
        while not any(map(self.has, feeds)):
            room = asyncio.Event()
            wait_s = self.wait_s(feeds)
            with self.told_of(feeds, room.set), contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if wait_s == math.inf else wait_s):
                    await room.wait()

    @contextlib.contextmanager
    def told_of(self, feeds: Sequence[Feed], tell: Callable[[], None]) -> Iterator[None]:
        """Within this, `tell` is called when `changed` finds that one of `feeds` may be asked."""
        key = object()
        if feeds:
            self.waiting[key] = (feeds, tell)
        try:
            yield
        finally:
            self.waiting.pop(key, None)

    def changed(self) -> None:
        """Say that limits may have room now."""
        for feeds, tell in tuple(self.waiting.values()):
            if any(map(self.has, feeds)):
                tell()

    def learn(self, pull: PullRequest, inboxes: Mapping[str, Feed], *, waiting: bool) -> None:
        """Draw the conclusions from a pull that has ended; `waiting` tells whether it was to wait for tasks to come."""
        if pull.lost:
            names = ", ".join(feed.consumer for feed in inboxes.values())
            log.warning("the server has said nothing about a pull for %s; it is sent again", names)
            if not waiting:
                # A question that is not answered (for want of rights, say) must not keep the others from their turns.
                self._leave_alone(inboxes.values())
        elif pull.refusals and not pull.received:
            for inbox, said in pull.refusals.items():
                self._refused(inboxes[inbox], said)
        elif self._refusals:
            for feed in inboxes.values():
                self._refusals.pop(feed.consumer, None)
                self._resting.pop(feed.consumer, None)

    def _refused(self, feed: Feed, said: str) -> None:
        self._leave_alone((feed,))
        if self._refusals.get(feed.consumer) != said:
            self._refusals[feed.consumer] = said
            log.warning("the server refuses to hand out tasks of %s: %s", feed.consumer, said)

    def _leave_alone(self, feeds: Iterable[Feed]) -> None:
        for feed in feeds:
            self._resting[feed.consumer] = time.monotonic() + RETRY_S
