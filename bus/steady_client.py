"""nats-py's client, steadier where a break of the connection could stop it for good. Behaviour of nats-py 2.16.

What is overridden are the client's own protocol hooks, each with the reason beside it; a test shows each failure.
"""

import asyncio
import logging
from typing import Any

from nats import errors
from nats.aio.client import PING_PROTO, Client, Srv

_log = logging.getLogger(__name__)

_RETRY_WAIT_S = 1.0


class SteadyClient(Client):
    """A client that reconnects for ever and never sends late what was published before a break."""

    def __init__(self, *, demand_tls: bool) -> None:
        super().__init__()
        self._demand_tls = demand_tls
        self._closed_for_good = False

    async def give_up(self) -> None:
        """Close a client that never came to be connected, without its callbacks; nothing was sent that could be lost."""
        if self._transport is not None:
            _abort(self._transport)
        self._transport = None
        if self._flush_queue is not None:
            await self._close(Client.CLOSED, do_cbs=False)

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        # nats-py is "closed" between attempts of the first connection as well.
        self._closed_for_good = self._closed_for_good or status == Client.CLOSED
        if self._status == Client.RECONNECTING:
            # What waits to be sent has no socket to go to, and trying would keep the rest from being closed.
            self._pending = []
            self._pending_data_size = 0
        await super()._close(status, do_cbs)

    async def _process_err(self, err_msg: str) -> None:
        # nats-py closes for good on any error that it does not know ("maximum connections exceeded", "authentication
        # expired"). The server closes the socket itself where an error is fatal, and then we reconnect.
        if "stale connection" in err_msg or "permissions violation" in err_msg:
            await super()._process_err(err_msg)
        else:
            await self._error_cb(errors.Error(f"nats: {err_msg.strip(chr(39))}"))

    async def _send_ping(self, future: asyncio.Future[Any] | None = None) -> None:
        # nats-py writes the PING past what waits to be sent, so that a flush could return before the server had seen a
        # subscription or a publish that came first. In line with the rest, it confirms them.
        self._pongs.append(asyncio.get_running_loop().create_future() if future is None else future)
        await self._send_command(PING_PROTO)
        await self._flush_pending()

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        # nats-py's own looks at every character of every name in turn, which is a third of a waiter's time per result.
        headers = {}
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip()] = value.strip()
        return headers

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        # Whoever may publish chooses the bytes, and the server takes nearly any in a subject. What nats-py makes nothing of
        # would end its read loop: deaf until the next reconnect, each time.
        try:
            await super()._process_msg(sid, subject, reply, data, headers)
        except Exception as error:  # noqa: BLE001  see above
            await self._error_cb(error)

    async def _process_pong(self) -> None:
        # A flush that timed out leaves its future behind, cancelled; setting it would end the read loop.
        if self._pongs and self._pongs[0].done():
            self._pongs.pop(0)
            self._pongs_received += 1
            self._pings_outstanding = 0
        else:
            await super()._process_pong()

    async def _attempt_reconnect(self) -> None:
        # A frozen server reads nothing, so closing gracefully would wait on what was written, perhaps for ever.
        _abort(self._transport)
        # What was not sent before the break is not sent after it: callers were told that it was not confirmed.
        # Subscriptions are sent anew from nats-py's list of them.
        self._pending = []
        self._pending_data_size = 0
        # Publishers that waited for the socket go on, rather than wait until there is a server again.
        while self._flush_queue is not None and not self._flush_queue.empty():
            flushed = self._flush_queue.get_nowait()
            if not flushed.done():
                flushed.set_result(None)
        # Nobody answers the pings of a connection that is gone: a flush would wait for its whole time.
        for pong in self._pongs:
            if not pong.done():
                pong.set_exception(errors.FlushTimeoutError())
                pong.exception()  # those of the client's own pings are awaited by nobody
        self._pongs = []
        while not self._closed_for_good:
            try:
                await super()._attempt_reconnect()
            except Exception:  # noqa: BLE001  see the next line
                # nats-py's loop lets errors of kinds it does not expect end the task: connected to nothing, for ever.
                _log.exception("reconnecting failed in an unexpected way; trying again")
                await asyncio.sleep(_RETRY_WAIT_S)
            else:
                return

    async def _connect_to_server(self, s: Srv) -> None:
        # nats-py forgets the socket of an attempt that failed: a server frozen for an hour would cost a thousand of them.
        _abort(self._transport)
        await super()._connect_to_server(s)
        self._stay_closed()

    def _connect_command(self) -> bytes:
        self._stay_closed()
        # The last moment before credentials are sent. nats-py goes on in the clear where a server offers no TLS.
        if self._demand_tls and not self._server_info.get("tls_required"):
            raise errors.SecureConnWantedError
        return super()._connect_command()

    def _stay_closed(self) -> None:
        # Closing cancels the reconnecting task, but Python 3.11's wait_for can swallow that: it would open the client again.
        if self._closed_for_good:
            raise asyncio.CancelledError


def _abort(transport: Any) -> None:
    """Drop the socket with whatever is unsent."""
    # nats-py's transport has no public way to do that.
    for name in ("_io_writer", "_bare_io_writer"):
        writer = getattr(transport, name, None)
        if writer is not None:
            writer.transport.abort()
