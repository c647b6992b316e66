"""How far a durable consumer of the ledger has come, as the server tells it (CONSUMER.INFO)."""

from datetime import datetime
from typing import Any

import msgspec

from bus.errors import JetStreamError
from bus.jetstream import CONSUMER_NOT_FOUND, STREAM_NOT_FOUND, api
from bus.network import Network

INFO_TIMEOUT_S = 5.0


class _Position(msgspec.Struct, frozen=True):
    consumer_seq: int
    stream_seq: int


class _Config(msgspec.Struct, frozen=True):
    filter_subject: str = ""
    durable_name: str = ""


class ConsumerState(msgspec.Struct, frozen=True):
    """One consumer's counts and positions."""

    name: str
    created: datetime
    """When it was made, by the server's clock."""
    config: _Config
    num_pending: int
    """Messages that nobody has taken yet."""
    num_ack_pending: int
    """Messages that were taken and are not settled: they run, wait for another attempt, or are parked."""
    delivered: _Position
    """The last message that was handed out: its number among this consumer's deliveries, and in the ledger."""
    ack_floor: _Position
    """Up to here everything is acknowledged."""
    num_waiting: int = 0
    """Pull requests that wait for messages; 0: nobody takes any just now."""

    @property
    def subject(self) -> str:
        """Return the one subject whose messages it brings."""
        return self.config.filter_subject

    @property
    def is_durable(self) -> bool:
        """Tell whether it is there until somebody removes it; others belong to a reader that looks at the ledger now."""
        return bool(self.config.durable_name)

    @property
    def is_idle(self) -> bool:
        """Tell whether every message is acknowledged."""
        return not self.num_pending and not self.num_ack_pending

    @property
    def first_open(self) -> int:
        """Return the ledger sequence from which on there may be messages that are not acknowledged."""
        return self.ack_floor.stream_seq + 1

    @property
    def first_waiting(self) -> int:
        """Return the ledger sequence from which on nobody has taken a message."""
        return self.delivered.stream_seq + 1


async def consumer_state(network: Network, consumer: str) -> ConsumerState | None:
    """Return the state of the ledger's durable `consumer`, or None where there is none.

    Raises:
        JetStreamError, RequestTimeout, NoResponders, Disconnected: the server did not tell.
    """
    try:
        info: dict[str, Any] = await api(
            network.requester, f"CONSUMER.INFO.{network.subjects.ledger}.{consumer}", timeout_s=INFO_TIMEOUT_S
        )
    except JetStreamError as error:
        if error.err_code in (CONSUMER_NOT_FOUND, STREAM_NOT_FOUND):
            return None
        raise
    return msgspec.convert(info, ConsumerState)


async def consumer_states(network: Network) -> dict[str, ConsumerState]:
    """Return the states of all durable consumers of the ledger by name; one request for each 256 of them.

    Raises:
        JetStreamError, RequestTimeout, NoResponders, Disconnected: the server did not tell.
    """
    states: dict[str, ConsumerState] = {}
    asked = 0
    while True:
        subject = f"CONSUMER.LIST.{network.subjects.ledger}"
        page = await api(network.requester, subject, {"offset": asked}, timeout_s=INFO_TIMEOUT_S)
        infos = [msgspec.convert(info, ConsumerState) for info in page["consumers"] or ()]
        states |= {state.name: state for state in infos}
        asked += len(infos)
        if not infos or asked >= page["total"]:
            return states
