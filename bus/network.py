"""One open connection to one realm: what everything on the bus is given."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar

from bus.connection import Connection, ConnectionState, connect
from bus.requests import Requester
from bus.results import Results
from bus.settings import ConnectionSettings
from bus.signing import ResultSigner, signer_for
from bus.subjects import Subjects


class Network:
    """A realm as this process reaches it. Made by `open_network`."""

    def __init__(
        self, connection: Connection, requester: Requester, subjects: Subjects, signer: ResultSigner | None = None
    ) -> None:
        self.connection = connection
        self.client = connection.client
        self.requester = requester
        self.subjects = subjects
        self.results = Results(requester, subjects, signer)
        self.reconnects = 0
        """How often the connection was replaced by a new one."""
        self.reconnected_at: datetime | None = None
        """When the last of them was; None: never."""
        self._listeners: dict[object, Callable[[], None]] = {}
        self._defect_listeners: dict[object, Callable[[Exception], None]] = {}

    @property
    def max_payload(self) -> int:
        """The largest message that the server takes, in bytes."""
        return self.client.max_payload

    @property
    def server_version(self) -> str:
        """The server's version, `2.15.1`."""
        version = self.client.connected_server_version
        return f"{version.major}.{version.minor}.{version.patch}"

    def is_connected(self) -> bool:
        """Tell whether there is a connection just now."""
        return self.client.is_connected

    def on_reconnect(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after each reconnect; returns what ends that, and does no harm when called again."""
        return _add(self._listeners, listener)

    def on_defect(self, listener: Callable[[Exception], None]) -> Callable[[], None]:
        """Call `listener` with what a handler of messages raised; returns as `on_reconnect`."""
        return _add(self._defect_listeners, listener)

    def failed(self, error: Exception) -> None:
        """Tell all listeners that a handler of messages raised `error`."""
        for listener in tuple(self._defect_listeners.values()):
            listener(error)

    def reconnected(self) -> None:
        """Tell all listeners that the connection is a new one: what the server held for the old one is gone."""
        self.reconnects += 1
        self.reconnected_at = datetime.now(UTC)
        self.requester.forget()
        for listener in tuple(self._listeners.values()):
            listener()


_L = TypeVar("_L")


def _add(listeners: dict[object, _L], listener: _L) -> Callable[[], None]:
    key = object()
    listeners[key] = listener

    def forget() -> None:
        listeners.pop(key, None)

    return forget


@asynccontextmanager
async def open_network(
    settings: ConnectionSettings, subjects: Subjects, *, name: str, wait_s: float | None = None
) -> AsyncIterator[Network]:
    """Connect to the realm of `subjects`; `name` is what `nats server report connections` shows.

    `wait_s` bounds the first connect, in seconds; None waits for ever. Later losses are mended without a bound.

    Raises:
        ConnectionFailed, AuthorizationFailed: as of `bus.connection.connect`.
    """
    network: Network | None = None

    def on_state(state: ConnectionState) -> None:
        if state is ConnectionState.RECONNECTED and network is not None:
            network.reconnected()

    def on_defect(error: Exception) -> None:
        if network is not None:
            network.failed(error)

    async with (
        await connect(settings, name=name, on_state=on_state, on_defect=on_defect, wait_s=wait_s) as connection,
        Requester(connection.client) as requester,
    ):
        network = Network(connection, requester, subjects, signer_for(settings))
        yield network
