"""One runtime's place on the network: its connection, its name, and the inbox where it is answered."""

import asyncio
import os
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import FlushTimeoutError

from bus.agents import wire
from bus.agents.addressing import Names, new_worker
from bus.agents.errors import RuntimeFailed
from bus.connection import Connection, Refusal, connect
from bus.errors import ConfigurationError, Disconnected, RequestTimeout
from bus.quick_client import Listener, QuickClient
from bus.requests import Requester
from bus.server_config import AGENTS
from bus.settings import IN_PROGRAM, ConnectionSettings, resolve

Where = Connection | ConnectionSettings | str

ORDER_TIMEOUT_S = 2.5
"""How long another runtime may take to answer an order; one that is frozen costs a caller this long."""
_CONNECT_WAIT_S = 4.5
"""No first caller waits longer for a server."""
_RECENTLY_S = 5.0
_CONFIRM_TRIES = 2
"""A subscription that a break interrupted is confirmed after it."""


class Session:
    """Opened once, with the first thing that needs it."""

    def __init__(self, where: Where, namespace: str) -> None:
        self.names = Names(namespace)
        self.worker = new_worker()
        self._where = where
        self._stack = AsyncExitStack()
        self._opened: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._client: QuickClient | None = None
        self._requester: Requester | None = None
        self._breaks = 0
        self._back_at = -_RECENTLY_S

    async def open(self) -> None:
        """Connect where no open connection was given; raises as `bus.connection.connect`."""
        if self._opened is None:
            self._opened = asyncio.create_task(self._open(), name=f"open {self.worker}")
        opening = self._opened
        try:
            await asyncio.shield(opening)
        except BaseException:
            if opening.done() and self._opened is opening:
                self._opened = None
            raise

    async def _open(self) -> None:
        if isinstance(self._where, Connection):
            connection = self._where
        else:
            settings = self._where if isinstance(self._where, ConnectionSettings) else settings_of(self._where)
            name = f"agents {self.names.namespace}"
            connection = await self._stack.enter_async_context(
                await connect(settings, name=name, wait_s=_CONNECT_WAIT_S)
            )
        await connection.wait_connected()
        self._connection = connection
        self._client = connection.client
        self._breaks = self.breaks
        self._requester = await self._stack.enter_async_context(Requester(connection.client, self.new_inbox()))

    async def unless_refused(self, joining: Coroutine[Any, Any, None]) -> None:
        """Do what joining takes, until the server refuses a part of it: it says so at once, but beside what is waited for.

        Raises:
            RuntimeFailed: it does; says what, and as whom to connect.
        """
        if self._connection is None:
            raise Disconnected("the runtime has not connected yet")
        doing = asyncio.create_task(joining)
        refused = asyncio.create_task(self._connection.refusal(self._concerns_joining, since=time.monotonic()))
        try:
            await asyncio.wait((doing, refused), return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            raise RuntimeFailed(
                f"{refused.result()} ({self._connection.settings.identity}), and the agents of {self.names.namespace} need "
                f"that. Sanctuary's own server lets its user {AGENTS!r}, NATS_NKEY=<its store>/keys/{AGENTS}.nk, take part in "
                "the namespace of its realm"
            )
        finally:
            refused.cancel()
            while not doing.done():
                # Again and again: Python 3.11's wait_for, which nats-py uses, can swallow a cancellation.
                doing.cancel()
                await asyncio.wait((doing,), timeout=0.1)

    def _concerns_joining(self, refusal: Refusal) -> bool:
        names = self.names
        ours = (names.worker(""), names.reply(""), names.member(""), names.named_prefix)
        # Refusals are in lower case. The server's own subjects end in the stream, or have it before the key.
        return refusal.subject.startswith(tuple(map(str.lower, ours))) or (
            refusal.subject.startswith("$js.api.")
            and any(stream.lower() in refusal.subject for stream in (names.stream, names.states_stream, names.topics))
        )

    async def close(self) -> None:
        """Close what was opened here; a connection that was given stays open."""
        opening, self._opened = self._opened, None
        if opening is not None and not opening.done():
            opening.cancel()
            await asyncio.wait((opening,))
        await self._stack.aclose()

    @property
    def is_open(self) -> bool:
        """Tell whether `open` has done its work."""
        return self._opened is not None and self._opened.done()

    @property
    def client(self) -> QuickClient:
        """The connection's client."""
        if self._client is None:
            raise Disconnected("the runtime has not connected yet")
        return self._client

    @property
    def requester(self) -> Requester:
        """For requests to the server and orders to other runtimes."""
        if self._requester is None:
            raise Disconnected("the runtime has not connected yet")
        return self._requester

    @property
    def breaks(self) -> int:
        """How often the connection came back. It changes before anything is heard on the new one."""
        return self.client.stats["reconnects"]

    @property
    def recently_back(self) -> bool:
        """Tell whether the connection came back a moment ago: others may not be back yet."""
        now = asyncio.get_running_loop().time()
        if self.breaks != self._breaks:
            self._breaks, self._back_at = self.breaks, now
        return now - self._back_at < _RECENTLY_S

    def new_inbox(self) -> str:
        """Return a fresh subject to be answered at."""
        return self.names.reply(self.client.new_inbox())

    async def listen(self, subject: str, listener: Listener) -> "Listening":
        """Subscribe; when this returns, the server knows, or hears of it with the connection's return.

        Raises:
            RequestTimeout: the server did not confirm it, nor after a break, if there was one.
        """
        subscription = await self.client.listen(subject, listener)
        for _ in range(_CONFIRM_TRIES):
            try:
                await self.client.flush()
            except FlushTimeoutError:
                # A break, with which the confirmation was lost: what was subscribed is so again afterwards.
                continue
            return Listening(self.client, subscription)
        await self.client.end(subscription)
        raise RequestTimeout(
            f"{subject}: the server did not confirm the subscription; it may be too busy, or stand still"
        )

    async def order(self, worker: str, order: wire.Order, *, timeout_s: float = ORDER_TIMEOUT_S) -> Msg:
        """Ask another runtime; raises NoResponders where it is gone, and as `Requester.request`."""
        return await self.requester.request(self.names.worker(worker), wire.encode(order), timeout_s=timeout_s)


class Listening:
    """A subscription that can be ended."""

    def __init__(self, client: QuickClient, subscription: Subscription) -> None:
        self._client = client
        self._subscription = subscription

    async def end(self) -> None:
        """Unsubscribe, where there still is a connection to do it on; what was on its way is heard before."""
        await self._client.end(self._subscription)


def settings_of(url: str) -> ConnectionSettings:
    """Return how to connect to a URL, with credentials as the nats CLI finds them."""
    home = Path(os.environ.get("XDG_CONFIG_HOME", "~/.config")).expanduser()
    settings = resolve(os.environ, server=url, context=None, config_home=home, server_source=IN_PROGRAM)
    if settings is None:
        raise ConfigurationError("name a server: nats://host:port")
    return settings
