"""Hearing of results as soon as they are stored: one inbox of this Omega, named as `reply_to` in what its runs ask for.

A copy of a result only wakes: what counts is what is stored, and a driver looks for that from time to time whatever it hears.
"""

from collections.abc import Callable

from nats.aio.msg import Msg

from bus.network import Network
from schemas import new_id

Listener = Callable[[str], None]
"""Called with a task's id when it may have a result."""


class Arrivals:
    """The inbox; use as an async context manager."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._prefix = f"_INBOX.{new_id()}."
        self._listeners: dict[str, Listener] = {}

    async def __aenter__(self) -> "Arrivals":
        self._subscription = await self._network.client.listen(self._prefix + "*", self._on_copy)
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self._network.client.is_closed:
            await self._subscription.unsubscribe()

    def expect(self, task_id: str, listener: Listener) -> str:
        """Have `listener` hear of a task, and return the inbox to name in its assignment."""
        self._listeners[task_id] = listener
        return self._prefix + task_id

    def forget(self, task_id: str, listener: Listener) -> None:
        """Tell `listener` no more of a task."""
        if self._listeners.get(task_id) == listener:
            del self._listeners[task_id]

    def _on_copy(self, message: Msg) -> None:
        task_id = message.subject[len(self._prefix) :]
        if (listener := self._listeners.get(task_id)) is not None:
            listener(task_id)
