"""A worker's free slots: who waits for some, and who gets them."""

import asyncio
from collections.abc import Mapping

from bus.slots import WeightedRound

RESERVE_S = 0.05
"""How long slots are kept for a consumer whose next pull is on its way; a round trip takes far less."""


class SlotSharing:
    """Hands free slots to those that wait for them, by weight.

    A consumer whose pull is on its way to the server does not wait for slots just then. Where it is known to have more
    tasks it takes part all the same, and has its share at its next claim; otherwise slots that become free in that
    moment would go to the others, against the weights.
    """

    def __init__(self, turns: WeightedRound, capacity: int) -> None:
        self._turns = turns
        self._capacity = capacity
        self._free = capacity
        self._claims: dict[str, tuple[int, asyncio.Future[int]]] = {}
        self._reserved: dict[str, int] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._granting = False

    def has_free(self) -> bool:
        """Tell whether a slot is free."""
        return self._free > 0

    def take_one_now(self) -> bool:
        """Take a slot if one is free."""
        if self._free < 1:
            return False
        self._free -= 1
        return True

    def reweigh(self, weights: Mapping[str, int]) -> None:
        """Share among these from now on; what is reserved for others is free."""
        for consumer in self._reserved.keys() - weights.keys():
            self.forgo(consumer)
        self._turns.reweigh(weights)

    def give_back(self, slots: int) -> None:
        """Say that `slots` are free again."""
        self._free += slots
        if slots:
            self._grant_soon()

    async def claim(self, consumer: str, limit: int) -> int:
        """Wait for free slots and take this consumer's share of them, 1 to `limit`."""
        if reserved := self._unreserve(consumer):
            return reserved
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._claims[consumer] = (limit, future)
        self._grant_soon()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.give_back(future.result())
            raise
        finally:
            # A loop that ends may have been followed already by one that claims for the same consumer.
            if self._claims.get(consumer, (0, None))[1] is future:
                del self._claims[consumer]

    def reserve(self, consumer: str) -> None:
        """Let `consumer`, which has more tasks than it has claimed slots for, take part until its next claim."""
        self.forgo(consumer)
        self._reserved[consumer] = 0
        self._expiries[consumer] = asyncio.get_running_loop().call_later(RESERVE_S, self.forgo, consumer)

    def forgo(self, consumer: str) -> None:
        """Say that `consumer` has no use for what is reserved for it."""
        self.give_back(self._unreserve(consumer))

    def _unreserve(self, consumer: str) -> int:
        expiry = self._expiries.pop(consumer, None)
        if expiry is not None:
            expiry.cancel()
        return self._reserved.pop(consumer, 0)

    def _grant_soon(self) -> None:
        # Once a turn of the event loop, so that slots which become free together are asked for in one pull.
        if self._claims and self._free > 0 and not self._granting:
            self._granting = True
            asyncio.get_running_loop().call_soon(self._grant)

    def _grant(self) -> None:
        self._granting = False
        waiting = {consumer: limit for consumer, (limit, future) in self._claims.items() if not future.done()}
        if not waiting:
            return
        sharing = dict.fromkeys(self._reserved, self._capacity) | waiting
        for consumer, slots in self._turns.divide(self._free, sharing).items():
            self._free -= slots
            if consumer in waiting:
                self._claims[consumer][1].set_result(slots)
            else:
                self._reserved[consumer] += slots
