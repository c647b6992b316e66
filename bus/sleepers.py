"""Runs of workflows that only wait: a bucket of what each waits for, by workflow id, which every Omega follows.

At any time a run that has begun and not ended has a record here, or a message of the ledger, not acknowledged, under which an
Omega drives it: its driver writes the record before it acknowledges, and whoever wakes the run stores its next message before
the next driver takes the record away. Under each message one driver at most writes a record: a second one who is given the
message has the run start anew under another one, before it acknowledges.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from bus import buckets
from bus.jetstream import StoredMessage
from bus.network import Network
from schemas import SchemaError, WorkflowStart, decode, decode_grown, encode, encode_grown


class Sleeper(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A run that waits. Made by `sleeper`."""

    workflow_id: str
    workflow: str
    start: WorkflowStart
    """What wakes it when it is stored anew: its start under its id, without the input, which its history has."""
    activation: int
    """The ledger sequence of the message under which it was driven until now."""
    since: datetime
    waits_for: Mapping[str, tuple[str, ...]] = {}
    """By task type the ids of what it has asked for, all of which is stored; `workflow` for runs. The first result wakes it."""
    until: datetime | None = None
    """Its next timer, which wakes it; None: it has none."""
    awaits: tuple[str, ...] = ()
    """Its steps that wait for a person's decision."""
    nonce: str
    """Of the mark under which its wake-up is stored once, and which proves that Omega stored it (`clones.workflows.ids.new_proof`)."""
    woken_behind: int | None = None
    """Where it is being woken: the ledger's last sequence before its wake-up was stored; None: nobody has begun to."""


def sleeper(
    workflow: str,
    workflow_id: str,
    start: WorkflowStart,
    *,
    activation: int,
    since: datetime,
    waits_for: Mapping[str, tuple[str, ...]],
    until: datetime | None,
    awaits: tuple[str, ...] = (),
    nonce: str,
) -> Sleeper:
    """Return the record of a run that goes to sleep."""
    return Sleeper(
        workflow_id=workflow_id,
        workflow=workflow,
        start=anew(start, workflow_id),
        activation=activation,
        since=since,
        waits_for=waits_for,
        until=until,
        awaits=awaits,
        nonce=nonce,
    )


def anew(start: WorkflowStart, workflow_id: str) -> WorkflowStart:
    """Return what has a run that has begun go on when it is stored: its start under its id, without the input, which its history has."""
    return msgspec.structs.replace(start, id=workflow_id, input={})


class Standing(NamedTuple):
    """What stands under a run's id."""

    revision: int
    """0: nothing ever did, as far as is known."""
    sleeper: Sleeper | None
    """None: it is awake, or the record cannot be read here."""
    grown: bytes = b""
    """The record as it is stored, where a later version of the product has put more there than is known here."""


class Sleepers:
    """The bucket. All methods raise SanctuaryError where it could not be read or written; each may be called again then."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._bucket = network.subjects.sleepers

    async def read(self, workflow_id: str) -> Standing:
        """Return what stands under a run's id."""
        message = await buckets.last_in(self._network.requester, self._bucket, workflow_id)
        return Standing(0, None) if message is None else standing_of(message)

    async def all(self) -> AsyncIterator[Sleeper]:
        """Yield the records of all runs that only wait, those too that are being woken; what cannot be read here is left out."""
        async for message in buckets.changes(self._network.requester, self._bucket):
            if (standing := standing_of(message)).sleeper is not None:
                yield standing.sleeper

    async def lie_down(self, sleeper: Sleeper) -> bool:
        """Have a run sleep; False where a later driver than this one has put it to sleep."""
        while True:
            standing = await self.read(sleeper.workflow_id)
            if standing.sleeper is not None:
                if standing.sleeper.nonce == sleeper.nonce:
                    return True
                if standing.sleeper.activation > sleeper.activation:
                    return False
            if await self.replace(sleeper, standing.revision):
                return True

    async def get_up(self, workflow_id: str, *, activation: int) -> Standing | None:
        """Take away the record of a run that is driven from now on, and return what stood under its id.

        None: a later driver than this one has put it to sleep. What was written under the same activation stays: whoever wrote it
        may acknowledge that message. To be called before the driver reads the history, or writes it: whoever adds to that, and then
        finds no record, is heard.
        """
        while True:
            standing = await self.read(workflow_id)
            if standing.sleeper is None or standing.sleeper.activation == activation:
                return standing
            if standing.sleeper.activation > activation:
                return None
            if await self._delete(workflow_id, standing.revision):
                return standing

    async def replace(self, sleeper: Sleeper, revision: int, *, grown: bytes = b"") -> bool:
        """Write a record in place of the given revision, with what `grown` has beyond it; False where another stands there now."""
        subject = buckets.subject_of(self._bucket, sleeper.workflow_id)
        body = encode_grown(sleeper, grown) if grown else encode(sleeper)
        return await buckets.put(self._network.requester, subject, body, revision) is not None

    async def remove(self, sleeper: Sleeper) -> None:
        """Take away this record of a run, and no other."""
        while True:
            standing = await self.read(sleeper.workflow_id)
            if standing.sleeper is None or standing.sleeper.nonce != sleeper.nonce:
                return
            if await self._delete(sleeper.workflow_id, standing.revision):
                return

    async def _delete(self, workflow_id: str, revision: int) -> bool:
        subject = buckets.subject_of(self._bucket, workflow_id)
        return await buckets.delete(self._network.requester, subject, revision) is not None


def standing_of(message: StoredMessage) -> Standing:
    """Return what a message of the bucket says."""
    if not message.data:
        return Standing(message.sequence, None)
    try:
        return Standing(message.sequence, decode(Sleeper, message.data))
    except SchemaError:
        pass
    try:
        return Standing(message.sequence, decode_grown(Sleeper, message.data), message.data)
    except SchemaError:
        return Standing(message.sequence, None)
