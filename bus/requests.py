"""Requests over one connection: any number in flight, answered on one shared inbox, each with a time limit of its own.

nats-py's own `request` does this too; here an answer is a plain future (so that a caller can send many and then wait), a
request costs no task, and a missing responder is an error of ours.
"""

import asyncio
import itertools
from typing import Protocol

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, ConnectionDrainingError, OutboundBufferLimitError

from bus.errors import Disconnected, NoResponders, RequestTimeout

DEFAULT_TIMEOUT_S = 5.0


class _Subscription(Protocol):
    async def unsubscribe(self, limit: int = 0) -> None: ...


class Requester:
    """Sends requests; use as an async context manager."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tokens = itertools.count()
        self._waiting: dict[str, asyncio.Future[Msg]] = {}
        self._inbox = ""
        self._subscription: _Subscription | None = None

    async def __aenter__(self) -> "Requester":
        self._inbox = self._client.new_inbox() + "."
        self._subscription = await self._client.subscribe(self._inbox + "*", cb=self._on_answer)
        return self

    async def __aexit__(self, *_: object) -> None:
        subscription, self._subscription = self._subscription, None
        for future in self._waiting.values():
            future.cancel()
        if subscription is not None and not self._client.is_closed and not self._client.is_draining:
            await subscription.unsubscribe()

    async def send(
        self,
        subject: str,
        payload: bytes,
        *,
        headers: dict[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> asyncio.Future[Msg]:
        """Send a request and return the future of its answer, which fails with RequestTimeout or NoResponders.

        Raises:
            Disconnected: the connection is closed, or there is none just now; nothing was sent.
        """
        if not self._client.is_connected:
            raise Disconnected("not connected to the NATS server")
        loop = asyncio.get_running_loop()
        token = str(next(self._tokens))
        future: asyncio.Future[Msg] = loop.create_future()
        self._waiting[token] = future
        timer = loop.call_later(timeout_s, self._expire, token, subject, timeout_s)

        def forget(_: asyncio.Future[Msg]) -> None:
            timer.cancel()
            self._waiting.pop(token, None)

        future.add_done_callback(forget)
        try:
            await self._client.publish(subject, payload, reply=self._inbox + token, headers=headers)
        except (ConnectionClosedError, ConnectionDrainingError, OutboundBufferLimitError) as error:
            future.cancel()
            raise Disconnected(f"not connected to the NATS server: {error}") from None
        return future

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Msg:
        """Return the first answer.

        Raises:
            RequestTimeout: none came within `timeout_s`; whether the request had an effect is unknown.
            NoResponders: nobody listens on `subject`, or this user may not publish there from its account.
            Disconnected: nothing was sent.
        """
        return await (await self.send(subject, payload, headers=headers, timeout_s=timeout_s))

    async def _on_answer(self, message: Msg) -> None:
        future = self._waiting.get(message.subject[len(self._inbox) :])
        if future is None or future.done():
            return
        if message.headers is not None and message.headers.get("Status") == "503" and not message.data:
            future.set_exception(NoResponders("nobody answers there"))
        else:
            future.set_result(message)

    def _expire(self, token: str, subject: str, timeout_s: float) -> None:
        future = self._waiting.get(token)
        if future is not None and not future.done():
            future.set_exception(RequestTimeout(f"no answer on {subject} within {timeout_s:g} s"))
