"""Runs of workflows that only wait: a bucket of what each waits for, by workflow id, which every Omega follows.

At any time a run that has begun and not ended has a record here, or a message of the ledger, not acknowledged, under which an
Omega drives it: its driver writes the record before it acknowledges, and whoever wakes the run stores its next message before
the next driver takes the record away.
"""

import secrets
from datetime import datetime
from typing import NamedTuple

import msgspec

from bus import buckets
from bus.jetstream import StoredMessage
from bus.network import Network
from schemas import SchemaError, decode_grown, encode


class Sought(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A task or sub-workflow whose result a run waits for."""

    task_type: str
    """`workflow` for a sub-workflow."""
    task_id: str
    sequence: int | None = None
    """The ledger sequence of its assignment or start, where it is known."""


class Sleeper(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run that only waits."""

    workflow_id: str
    workflow: str
    """Its name."""
    activation: int
    """The ledger sequence of the start, or wake-up, under which it was driven last: that entry is what is stored anew."""
    attempt: int
    """Which attempt of that it was."""
    until: datetime | None = None
    """Its next timer, which wakes it; None: it has none."""
    seeks: tuple[Sought, ...] = ()
    """The results of which the first wakes it. All of these are submitted, so whoever takes the run up submits none of them again."""
    nonce: str = msgspec.field(default_factory=lambda: secrets.token_hex(8))
    """Of the mark under which its wake-up is stored once."""
    woken_behind: int | None = None
    """Where it is being woken: the ledger's last sequence before its wake-up was stored; None: nobody has begun to."""

    @property
    def driver(self) -> tuple[int, int]:
        """Who put it to sleep: of two, the larger one is the later one."""
        return self.activation, self.attempt


class Standing(NamedTuple):
    """What stands under a run's id."""

    revision: int
    """0: nothing ever did, as far as is known."""
    sleeper: Sleeper | None
    """None: it is awake, or the record cannot be read here."""


class Sleepers:
    """The bucket. All methods raise SanctuaryError where it could not be read or written; each may be called again then."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._bucket = network.subjects.sleepers

    async def put(self, sleeper: Sleeper) -> None:
        """Have a run sleep, unless a later driver than this one has put it to sleep."""
        while True:
            standing = await self.standing(sleeper.workflow_id)
            other = standing.sleeper
            if other is not None and (other.nonce == sleeper.nonce or other.driver > sleeper.driver):
                return
            if await self.replace(sleeper, standing.revision):
                return

    async def read(self, workflow_id: str) -> Sleeper | None:
        """Return the record of a run, or None where it is awake.

        A driver reads and removes it before it reads the history: whoever adds to that, and then finds no record, is heard.
        """
        return (await self.standing(workflow_id)).sleeper

    async def remove(self, sleeper: Sleeper) -> None:
        """Take away this record of a run, which is driven from now on; another one that stands there by now stays."""
        while True:
            standing = await self.standing(sleeper.workflow_id)
            if standing.sleeper is None or standing.sleeper.nonce != sleeper.nonce:
                return
            subject = buckets.subject_of(self._bucket, sleeper.workflow_id)
            if await buckets.delete(self._network.requester, subject, standing.revision) is not None:
                return

    async def standing(self, workflow_id: str) -> Standing:
        """Return what stands under a run's id."""
        message = await buckets.last_in(self._network.requester, self._bucket, workflow_id)
        return Standing(0, None) if message is None else standing_of(message)

    async def replace(self, sleeper: Sleeper, revision: int) -> bool:
        """Write a record in place of the given revision; False where another stands there now."""
        subject = buckets.subject_of(self._bucket, sleeper.workflow_id)
        return await buckets.put(self._network.requester, subject, encode(sleeper), revision) is not None


def standing_of(message: StoredMessage) -> Standing:
    """Return what a message of the bucket says."""
    if not message.data:
        return Standing(message.sequence, None)
    try:
        return Standing(message.sequence, decode_grown(Sleeper, message.data))
    except SchemaError:
        return Standing(message.sequence, None)
