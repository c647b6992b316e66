"""What a worker serves just now, and what follows from it: what is pulled, under which limits, and whether it shows itself.

Everything that may change while the worker runs meets here: the services, the presence of primaries, circuit breakers,
the canary's share. Each change is put into force at once, by comparing what is wanted with what is.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

from bus.breaker import Breakers, State
from bus.canary import POLL_S, Canary
from bus.feeds import Feed
from bus.network import Network
from bus.primaries import Announcements, Probe
from bus.pull import PullLoop
from bus.subjects import RESERVED_TYPES
from bus.task import Service
from bus.throttle import Limit, Throttle


class Serving:
    """Keeps a worker's pulls and its presence as its services, the other primaries and its own failures want them."""

    def __init__(
        self, network: Network, pulls: PullLoop, running: Callable[[], Iterable[Service]], *, share: float | None
    ) -> None:
        """Feed `pulls`; `running` gives the service of each task that runs now.

        Raises:
            ValueError: `share` is none.
        """
        self.services: tuple[Service, ...] = ()
        self.breakers = Breakers(self._refresh)
        self._by_consumer: dict[str, Service] = {}
        self._pulls = pulls
        self._running = running
        self._announcements = Announcements(network)
        self._probe = Probe(network, self._refresh)
        self._canary = None if share is None else Canary(network, share)
        self._throttles: dict[str, Throttle] = {}
        """Of the types that have limits."""
        self._open = False

    @property
    def consumers(self) -> tuple[str, ...]:
        """All consumers of the services."""
        return tuple(self._by_consumer)

    def of(self, consumer: str) -> Service:
        """Return the service whose tasks `consumer` brings."""
        return self._by_consumer[consumer]

    def replace(self, services: Iterable[Service]) -> None:
        """Serve these, and nothing else, from now on."""
        self.services = tuple(services)
        self._by_consumer = {
            consumer: service
            for service in self.services
            for consumer in (*service.consumers, *service.direct_consumers)
        }
        # Omega's own work has nobody to leave it to: a clone's breaker would only keep people from steering.
        self.breakers.watch(service.task_type for service in self.services if service.task_type not in RESERVED_TYPES)
        self._refresh()

    async def open(self) -> None:
        """Begin to pull."""
        if self._canary is not None:
            for consumer in self.consumers:
                self._canary.limit(consumer)
            await self._canary.poll()
        self._open = True
        self._refresh()

    def tasks(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Return what has to run as long as the worker does."""
        yield self._announcements.run()
        yield self._probe.run()
        if self._canary is not None:
            yield self._poll(self._canary)

    async def close(self) -> None:
        """Show oneself no more, and pull no more; `tasks` have been cancelled."""
        self._open = False
        self.breakers.close()
        await self._announcements.close()
        await self._pulls.stop()

    def left(self, service: Service) -> None:
        """Hear that one of the tasks that ran has ended."""
        if self._throttles and (throttle := self._throttles.get(service.task_type)):
            throttle.leave()

    def _refresh(self) -> None:
        self._set_throttles()
        if not self._open:
            return
        # A canary leaves most tasks to others, so it must not keep the fallback from them.
        self._announcements.want(
            service.task_type
            for service in self.services
            if service.place == 0 and self._canary is None and self.breakers.state(service.task_type) is State.CLOSED
        )
        self._probe.watch(service.task_type for service in self.services if service.only_when_absent)
        self._pulls.feed(feed for service in self.services for feed in self._feeds(service))

    def _set_throttles(self) -> None:
        running: Counter[str] | None = None
        throttles = {}
        for service in self.services:
            half_open = self.breakers.state(service.task_type) is State.HALF_OPEN
            concurrency = 1 if half_open else service.concurrency
            if concurrency is None and service.rate_per_s is None:
                continue
            throttle = self._throttles.get(service.task_type)
            if throttle is None:
                running = running or Counter(each.task_type for each in self._running())
                throttle = Throttle(concurrency, service.rate_per_s, running=running[service.task_type])
            else:
                throttle.set(concurrency, service.rate_per_s)
            throttles[service.task_type] = throttle
        self._throttles = throttles

    def _feeds(self, service: Service) -> Iterator[Feed]:
        if self.breakers.state(service.task_type) is State.OPEN:
            return
        throttle = self._throttles.get(service.task_type)
        consumers = {consumer: (weight, 0) for consumer, weight in service.direct_consumers.items()}
        if not service.only_when_absent or self._probe.is_absent(service.task_type):
            consumers |= {consumer: (weight, service.place) for consumer, weight in service.consumers.items()}
        for consumer, (weight, place) in consumers.items():
            limits: list[Limit] = [throttle] if throttle is not None else []
            if self._canary is not None:
                limits.append(self._canary.limit(consumer))
            yield Feed(consumer, service.task_type, weight, place, tuple(limits))

    async def _poll(self, canary: Canary) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            await canary.poll()
            self._pulls.room_changed()
