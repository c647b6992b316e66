"""A canary instance: one that takes only a share of the tasks, so that a new version meets few of them first."""

import asyncio
import logging
import math

from bus.consumers import consumer_state
from bus.errors import SanctuaryError
from bus.network import Network

POLL_S = 0.5

log = logging.getLogger(__name__)


class Share:
    """A limit: at most `share` of what one consumer hands out to anybody, and one task to begin with.

    A task is taken where those taken before are no more than the share of all that were handed out, as far as that is
    known: so it is exceeded by one task at most, and made up for whenever it is not reached.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._taken = 0
        self._total = 0
        self._base: int | None = None

    def seen(self, handed_out: int) -> None:
        """Hear how many deliveries the consumer has made since it exists."""
        if self._base is None:
            self._base = handed_out - self._taken
        if handed_out - self._base < self._total:
            # Made anew, or put back by a server that died: what was counted so far stays counted.
            self._base = handed_out - self._total
        self._total = handed_out - self._base

    def has_room(self) -> bool:
        """As in bus.throttle.Limit."""
        return self._taken <= self._share * self._total

    def enter(self) -> None:
        """As in bus.throttle.Limit."""
        self._taken += 1

    def wait_s(self) -> float:
        """As in bus.throttle.Limit."""
        return 0.0 if self.has_room() else math.inf


class Canary:
    """Keeps a worker to its share of each of its consumers, counted from its start."""

    def __init__(self, network: Network, share: float) -> None:
        """Take the share, above 0 and below 1.

        Raises:
            ValueError: it is no share.
        """
        if not 0 < share < 1:
            raise ValueError(f"a canary's share lies between 0 and 1, and {share:g} does not")
        self._network = network
        self._share = share
        self._shares: dict[str, Share] = {}

    def limit(self, consumer: str) -> Share:
        """Return the limit for what `consumer` brings."""
        return self._shares.setdefault(consumer, Share(self._share))

    async def poll(self) -> None:
        """Ask the server once how much each consumer has handed out."""
        await asyncio.gather(*(self._poll(consumer, share) for consumer, share in tuple(self._shares.items())))

    async def _poll(self, consumer: str, share: Share) -> None:
        try:
            state = await consumer_state(self._network, consumer)
        except SanctuaryError as error:
            log.debug("could not ask how much %s has handed out: %s", consumer, error)
        else:
            if state is not None:
                share.seen(state.delivered.consumer_seq)
