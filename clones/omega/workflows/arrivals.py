"""Hearing of results as they are stored: the server announces each on its subject, with all of it.

An announcement is the server's own word (`bus.topology`: `republish`), and what it holds is what is stored: nobody but the
server publishes there. It may be missed all the same, so a driver looks for results from time to time whatever it hears.
"""

import asyncio
from collections.abc import Callable

from nats.aio.subscription import Subscription

from bus.network import Network
from bus.results import announced

Listener = Callable[[str, bytes | None], None]
"""Called with a task's id when it has, or may have, a result, and with the result's body where that is known."""


MANY = 16
"""From so many results on that are waited for, those that come soon after another are told together..."""
GATHERED_S = 0.004
"""...so much later at most. What follows from them then goes through the network together, at a third less of its time."""


class Arrivals:
    """What one process hears; use as an async context manager.

    Of a type of task of which a result was ever sought here, all are heard from then on: types are few.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._listeners: dict[str, Listener] = {}
        """By the subject of the result."""
        self._heard: dict[str, Subscription] = {}
        """By the type of task."""
        self._turn = asyncio.Lock()
        self._gathering = False
        """Whether what is heard waits, with what is heard a little later."""
        self._held: list[tuple[Listener, str, bytes | None]] = []

    async def __aenter__(self) -> "Arrivals":
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._network.client.is_closed:
            for subscription in self._heard.values():
                await subscription.unsubscribe()

    async def expect(self, task_type: str, task_id: str, listener: Listener) -> None:
        """Have `listener` hear of a result that is stored later than this returns; of one that stands it may never hear."""
        self._listeners[self._network.subjects.result(task_type, task_id)] = listener
        if task_type not in self._heard:
            async with self._turn:
                if task_type not in self._heard:
                    every = self._network.subjects.result(task_type, "*")
                    self._heard[task_type] = await self._network.client.listen_raw(every, self._on_announcement)

    def forget(self, task_type: str, task_id: str, listener: Listener) -> None:
        """Tell `listener` no more of a result."""
        subject = self._network.subjects.result(task_type, task_id)
        if self._listeners.get(subject) == listener:
            del self._listeners[subject]

    def _on_announcement(self, raw_subject: bytes, _reply: bytes, data: bytes, head: bytes) -> None:
        subject = raw_subject.decode()
        listener = self._listeners.get(subject)
        if listener is None:
            return
        headers = self._network.client.parse_headers(head) if head else {}
        body = data if announced(subject, headers, self._network.subjects) else None
        task_id = subject.rpartition(".")[2]
        if self._gathering:
            self._held.append((listener, task_id, body))
            return
        listener(task_id, body)
        if len(self._listeners) >= MANY:
            self._gather()

    def _gather(self) -> None:
        self._gathering = True
        asyncio.get_running_loop().call_later(GATHERED_S, self._tell_held)

    def _tell_held(self) -> None:
        held, self._held, self._gathering = self._held, [], False
        for listener, task_id, body in held:
            listener(task_id, body)
        if held and len(self._listeners) >= MANY:
            self._gather()
