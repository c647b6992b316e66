"""One open connection to one realm: what everything on the bus is given."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from nats.aio.client import Client

from bus.requests import Requester
from bus.results import Results
from bus.subjects import Subjects


class Network:
    """A realm as this process reaches it; use as an async context manager around a connected client."""

    def __init__(self, client: Client, subjects: Subjects) -> None:
        self.client = client
        self.subjects = subjects
        self.requester = Requester(client)
        self.results = Results(self.requester, subjects)
        self.reconnects = 0
        self._listeners: list[Callable[[], None]] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Network":
        await self._stack.enter_async_context(self.requester)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    @property
    def max_payload(self) -> int:
        """The largest message that the server takes, in bytes."""
        return self.client.max_payload

    def is_connected(self) -> bool:
        """Tell whether there is a connection just now."""
        return self.client.is_connected

    def on_reconnect(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each reconnect; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def reconnected(self) -> None:
        """Say that the connection is a new one; whoever opened the client calls this from its reconnect callback."""
        self.reconnects += 1
        for listener in tuple(self._listeners):
            listener()


async def flush(network: Network, timeout_s: float = 5.0) -> None:
    """Return when the server has handled all that was sent before.

    Raises:
        TimeoutError: it has not within `timeout_s`.
    """
    await asyncio.wait_for(network.client.flush(), timeout_s)
