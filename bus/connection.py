"""A connection to NATS that stays: it reconnects for ever, notices a frozen server within seconds, and tells of it.

`Connection.client` is nats-py's client, for subscriptions, requests and JetStream; this module adds what a daemon needs
around it: start-up errors in words, states, refusals, and publishes that are never held back silently.
"""

import asyncio
import contextlib
import logging
import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import TracebackType
from typing import Literal, Self

import msgspec
from nats import errors

from bus.connect_errors import is_fatal, more_telling, reason, start_error
from bus.connect_options import client_options, wants_tls
from bus.errors import Disconnected
from bus.quick_client import QuickClient
from bus.settings import ConnectionSettings

_log = logging.getLogger(__name__)

_CLOSE_FLUSH_S = 2
_REPEAT_S = 10.0
"""The same complaint is logged at most this often."""
_REMEMBERED = 64


class ConnectionState(StrEnum):
    """What `on_state` is told."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    RECONNECTED = "reconnected"
    """Subscriptions are in place again; what others published meanwhile was missed."""
    CLOSED = "closed"


StateCallback = Callable[[ConnectionState], None]
DefectCallback = Callable[[Exception], None]


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The server refused a publish or a subscription to this user. It says so beside the call, which just times out."""

    operation: Literal["publish", "subscription"]
    subject: str
    """In lower case: nats-py lowers what the server says."""
    at: float
    """When, by `time.monotonic()`."""

    def __str__(self) -> str:
        action = "publish on" if self.operation == "publish" else "subscribe to"
        return f"the server does not let us {action} {self.subject}"


class Connection:
    """An open connection. Made by `connect`; closed by `close` or at the end of `async with`."""

    def __init__(
        self,
        settings: ConnectionSettings,
        name: str,
        on_state: StateCallback | None,
        on_defect: DefectCallback | None = None,
    ) -> None:
        self.settings = settings
        self.name = name
        self._client = QuickClient(demand_tls=wants_tls(settings))
        self._on_state = on_state
        self._on_defect = on_defect
        self._state: ConnectionState | None = None
        self._changed = asyncio.Event()
        self._refusals: deque[Refusal] = deque(maxlen=_REMEMBERED)
        self._refused = asyncio.Event()
        self._logged: dict[str, float] = {}
        self._hopeless = asyncio.Event()
        self._start_error: Exception | None = None

    @property
    def client(self) -> QuickClient:
        """nats-py's client. Its own `publish` holds messages back while disconnected and sends them late, up to 2 MB."""
        return self._client

    @property
    def state(self) -> ConnectionState | None:
        """What was last told to `on_state`; None before the first connection."""
        return self._state

    @property
    def is_connected(self) -> bool:
        """Tell whether messages can be sent now."""
        return self._client.is_connected

    @property
    def refusals(self) -> Sequence[Refusal]:
        """The last 64 things that this user was not allowed, oldest first."""
        return tuple(self._refusals)

    async def refusal(self, concerns: Callable[[Refusal], bool], *, since: float) -> Refusal:
        """Return the first refusal of a kind from a moment on, by `time.monotonic()`, once there is one."""
        while True:
            refused = self._refused
            for refusal in self._refusals:
                if refusal.at >= since and concerns(refusal):
                    return refusal
            await refused.wait()

    async def publish(
        self, subject: str, payload: bytes = b"", *, reply: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """Publish now or not at all; core NATS confirms nothing.

        Raises:
            Disconnected: there is no connection just now, or it broke meanwhile: whatever was not sent by then never is.
        """
        if not self._client.is_connected:
            raise Disconnected(f"not connected to {self.settings.where}")
        try:
            await self._client.publish(subject, payload, reply=reply, headers=dict(headers) if headers else None)
        except (errors.ConnectionClosedError, errors.ConnectionDrainingError, errors.OutboundBufferLimitError) as error:
            raise Disconnected(f"not connected to {self.settings.where}: {error}") from None
        if not self._client.is_connected:
            raise Disconnected(f"the connection to {self.settings.where} broke while this was being sent")

    async def wait_connected(self) -> None:
        """Return once there is a connection.

        Raises:
            Disconnected: the connection was closed.
        """
        while not self._client.is_connected:
            if self._client.is_closed:
                raise Disconnected(f"the connection to {self.settings.where} is closed")
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        """Send what was published, for up to 2 s, then close. Subscriptions end; messages not yet read are dropped."""
        if self._client.is_connected:
            with contextlib.suppress(errors.Error, OSError):
                await self._client.flush(_CLOSE_FLUSH_S)
        await self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self, wait_s: float | None) -> None:
        """Make the first connection; `connect` calls this, once."""
        options = client_options(self.settings)
        connecting = self._client.connect(
            name=self.name,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
            closed_cb=self._on_closed,
            **options,
        )
        opening = asyncio.create_task(connecting, name=f"connect {self.name}")
        hopeless = asyncio.create_task(self._hopeless.wait())
        try:
            await asyncio.wait({opening, hopeless}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                opening.result()
                self._enter(ConnectionState.CONNECTED)
            else:
                raise start_error(self.settings, self._start_error)
        except (errors.Error, OSError) as error:
            raise start_error(self.settings, error) from None
        finally:
            hopeless.cancel()
            if self._state is None:
                # Only an open connection outlives this, whether it failed or the caller was cancelled.
                while not opening.done():
                    # Again and again: Python 3.11's wait_for, which nats-py uses, can swallow a cancellation.
                    opening.cancel()
                    await asyncio.wait({opening}, timeout=0.1)
                await self._client.give_up()

    async def _on_disconnected(self) -> None:
        if not self._client.is_closed and self._state is not ConnectionState.DISCONNECTED:
            _log.warning("%s: disconnected from %s; reconnecting", self.name, self.settings.where)
            self._enter(ConnectionState.DISCONNECTED)

    async def _on_reconnected(self) -> None:
        _log.warning("%s: connected to %s again", self.name, self.settings.where)
        self._enter(ConnectionState.RECONNECTED)

    async def _on_closed(self) -> None:
        self._enter(ConnectionState.CLOSED)

    def _enter(self, state: ConnectionState) -> None:
        self._state = state
        self._changed.set()
        if self._on_state is not None:
            try:
                self._on_state(state)
            except Exception:  # noqa: BLE001  it runs inside nats-py's reconnect task, which an exception would end
                _log.exception("%s: the callback for the state %s failed", self.name, state)

    async def _on_error(self, error: Exception) -> None:
        """Note what nats-py reports."""
        try:
            self._note(error)
        except Exception:  # noqa: BLE001  an exception here would end nats-py's read loop
            _log.exception("%s: an error could not be reported", self.name)

    def _note(self, error: Exception) -> None:
        if self._state is None:
            self._start_error = more_telling(self._start_error, error)
            if is_fatal(error):
                self._hopeless.set()
        refusal = _refusal(error)
        if refusal is not None:
            self._refusals.append(refusal)
            self._refused.set()
            self._refused = asyncio.Event()
            self._complain(f"{refusal} ({self.settings.identity})")
        elif isinstance(error, errors.SlowConsumerError):
            self._complain(f"messages on {error.subject} came faster than they were handled; some were dropped")
        elif isinstance(error, OSError | TimeoutError | errors.Error):
            self._complain(f"{self.settings.where}: {reason(error)}")
        else:
            _log.error("%s: a message handler failed", self.name, exc_info=error)
            if self._on_defect is not None:
                self._on_defect(error)

    def _complain(self, text: str) -> None:
        now = time.monotonic()
        if now - self._logged.get(text, -_REPEAT_S) < _REPEAT_S:
            return
        if len(self._logged) >= _REMEMBERED:
            self._logged.clear()
        self._logged[text] = now
        _log.warning("%s: %s", self.name, text)


async def connect(
    settings: ConnectionSettings,
    *,
    name: str,
    on_state: StateCallback | None = None,
    on_defect: DefectCallback | None = None,
    wait_s: float | None = None,
) -> Connection:
    """Connect and return the connection, which from then on reconnects for ever.

    `name` is what the server's monitoring shows. Without a `wait_s` this waits for a server as long as it takes, as a
    daemon does, and logs why it waits; credentials that are refused and certificates that do not fit are errors at once.
    `on_state` is called on the event loop and must not block; so is `on_defect`, with what a message handler raised.

    Raises:
        AuthorizationFailed: the server refused the credentials.
        ConnectionFailed: no connection within `wait_s`, or none that may be used.
        ConfigurationError: a file that the settings name holds nothing usable.
    """
    connection = Connection(settings, name, on_state, on_defect)
    await connection.open(wait_s)
    return connection


_REFUSAL = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"')


def _refusal(error: Exception) -> Refusal | None:
    match = _REFUSAL.search(str(error))
    if match is None:
        return None
    operation: Literal["publish", "subscription"] = "publish" if match[1] == "publish" else "subscription"
    return Refusal(operation=operation, subject=match[2], at=time.monotonic())
