"""A worker's free slots: who waits for some, and who gets them."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from bus.slots import WeightedRound

RESERVE_S = 0.05
"""How long slots are kept for a consumer whose next pull is on its way; a round trip takes far less."""


class SlotSharing:
    """Hands free slots to those that wait for them, by weight.

    A consumer whose pull is on its way to the server does not wait for slots just then. Where it is known to have more
    tasks it takes part all the same, and has its share at its next claim; otherwise slots that become free in that
    moment would go to the others, against the weights.

    One that waits and of whose tasks none runs has its first slot before the weights count: an urgent task that comes now
    and then would otherwise find, each time that a slot was somebody else's turn, that it waits for a long one to end.
    """

    def __init__(self, turns: WeightedRound, capacity: int) -> None:
        self._turns = turns
        self._capacity = capacity
        self._free = capacity
        self._claims: dict[str, tuple[int, asyncio.Future[int]]] = {}
        self._reserved: dict[str, int] = {}
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._granting = False
        self._members: Mapping[str, Collection[str]] = {}
        self._running = Counter[str]()

    def has_free(self) -> bool:
        """Tell whether a slot is free."""
        return self._free > 0

    def take_one_now(self) -> bool:
        """Take a slot if one is free."""
        if self._free < 1:
            return False
        self._free -= 1
        return True

    def entered(self, member: str) -> None:
        """Say that a task of `member` runs in a slot that was claimed."""
        self._running[member] += 1

    def left(self, member: str) -> None:
        """Say that it does not run any more, and that its slot is free."""
        self._running[member] -= 1
        if not self._running[member]:
            del self._running[member]
        self.give_back(1)

    def reweigh(self, weights: Mapping[str, int], members: Mapping[str, Collection[str]] | None = None) -> None:
        """Share among these from now on; what is reserved for others is free.

        `members` names whose tasks those are that run in a consumer's slots, where it claims for others than itself.
        """
        self._members = members or {}
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
        given = self._turns.divide(self._free, sharing)
        self._help(self._with_nothing(waiting), given)
        for consumer, slots in given.items():
            self._free -= slots
            if not slots:
                continue
            if consumer in waiting:
                self._claims[consumer][1].set_result(slots)
            else:
                self._reserved[consumer] += slots

    def _with_nothing(self, waiting: Mapping[str, int]) -> list[str]:
        """Return those of `waiting` of whose tasks none runs, the heaviest first."""
        idle = [
            consumer
            for consumer in waiting
            if not any(self._running[member] for member in self._members.get(consumer, (consumer,)))
        ]
        return self._turns.heaviest_first(idle)

    def _help(self, idle: Sequence[str], given: dict[str, int]) -> None:
        """Give each of `idle` that got no slot one of another's, as far as those have more than they need to begin with."""
        for consumer in idle:
            givers = [other for other, slots in given.items() if slots > (other in idle)]
            if consumer in given or not givers:
                continue
            giver = max(givers, key=given.__getitem__)
            given[giver] -= 1
            given[consumer] = 1
