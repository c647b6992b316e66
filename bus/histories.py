"""The histories of workflows' runs: entries of the ledger, each written after the one before by compare-and-set."""

from datetime import datetime
from typing import NamedTuple

from bus.errors import JetStreamError
from bus.jetstream import WRONG_LAST_SEQUENCE, publish
from bus.ledger import entries
from bus.network import Network
from schemas import WorkflowEntry, decode, encode


class Written(NamedTuple):
    """An entry as it stands in the ledger."""

    sequence: int
    stored_at: datetime
    """By the server's clock."""
    entry: WorkflowEntry


class Histories:
    """Reads and writes the histories of one realm."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def read(self, workflow_id: str, *, after: int = 0) -> list[Written]:
        """Return a run's entries behind the ledger's entry `after`, in order; none: there is no such run, or nothing new.

        Raises:
            SchemaError: one is of a later version, and cannot be read here.
            JetStreamError, RequestTimeout, NoResponders, Disconnected: they could not be read to their end.
        """
        subject = self._network.subjects.history(workflow_id)
        return [
            Written(message.sequence, message.stored_at, decode(WorkflowEntry, message.data))
            async for message in entries(self._network, subject, start=after + 1)
        ]

    async def append(self, entry: WorkflowEntry, *, last: int) -> int | None:
        """Store `entry` behind the run's newest one, the ledger's entry `last` (0: it is the first), and return its number.

        None: another one is the newest. After an answer that was lost it may be this very entry.

        Raises:
            StorageFull, JetStreamError, RequestTimeout, NoResponders, Disconnected: as `bus.jetstream.publish`.
        """
        headers = {"Nats-Expected-Last-Subject-Sequence": str(last)}
        subject = self._network.subjects.history(entry.workflow_id)
        try:
            return (await publish(self._network.requester, subject, encode(entry), headers=headers)).seq
        except JetStreamError as error:
            if error.err_code == WRONG_LAST_SEQUENCE:
                return None
            raise
