"""Definitions of workflows: a bucket that holds each version under a key of its own, `<name>.<version>`, for good.

The bucket is one that `nats kv` reads (ADR-8), body WorkflowInForce. Only Omega writes.
"""

import asyncio
import logging
from collections.abc import Mapping

from bus import buckets
from bus.jetstream import StoredMessage
from bus.network import Network
from schemas import SchemaError, WorkflowInForce, decode, decode_grown, encode

log = logging.getLogger(__name__)


class GrownWorkflow(WorkflowInForce, frozen=True, kw_only=True, tag="WorkflowInForce"):
    """A version that says more than is known here, as a later version of the product has stored it: to be shown, never to be run."""

    def beyond(self) -> str:
        """Return in words what it is."""
        return (
            f"version {self.version} of the workflow {self.definition.name} is of a later version of Sanctuary: "
            "it has fields that are not known here"
        )


async def create(network: Network, workflow: WorkflowInForce) -> bool:
    """Store a version of a definition; False where there is one of this name and number.

    Raises:
        SanctuaryError: the server did not store it, or did not say so.
    """
    key = _key(workflow.definition.name, workflow.version)
    subject = buckets.subject_of(network.subjects.workflows, key)
    return await buckets.put(network.requester, subject, encode(workflow), 0) is not None


class Definitions:
    """All versions of all definitions, as one process knows them; one may be asked for at any number of places at once.

    A version never changes, so what is known is not read again. What is newest is asked of the bucket each time, in one request
    for all who ask meanwhile: who has just stored a version starts that one, at whichever Omega. What has fields that are not
    known here comes as a GrownWorkflow. All methods raise SanctuaryError where the bucket could not be read.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._known: dict[str, dict[int, WorkflowInForce]] = {}
        self._highest: dict[str, int] = {}
        """Of the versions that there are or were, those too that cannot be read."""
        self._unreadable: dict[str, dict[int, str]] = {}
        """Why not, by name and version."""
        self._revision = 0
        self._turn = asyncio.Lock()
        self._begun = 0
        """Readings of the bucket."""
        self._done = 0
        """The newest of them that came to its end."""
        network.on_reconnect(self._begin_anew)

    async def newest(self, name: str) -> WorkflowInForce | None:
        """Return the newest version of a name, or None where there is none."""
        await self._read()
        known = self._known.get(name)
        return known[max(known)] if known else None

    async def version(self, name: str, version: int) -> WorkflowInForce | None:
        """Return one version, or None where there is none."""
        if version not in self._known.get(name, {}):
            await self._read()
        return self._known.get(name, {}).get(version)

    async def unreadable(self, name: str, version: int | None = None) -> str:
        """Return in words that a version, the newest where none is named, is there and cannot be read here; empty: it can, or is not.

        As of when anything was asked last.
        """
        found = self._unreadable.get(name, {})
        wanted = max((*found, *self._known.get(name, ())), default=0) if version is None else version
        if wanted not in found:
            return ""
        return f"version {wanted} of the workflow {name} is of a later version of Sanctuary, and cannot be read here: {found[wanted]}"

    async def versions(self, name: str) -> tuple[WorkflowInForce, ...]:
        """Return all versions of a name, oldest first."""
        await self._read()
        known = self._known.get(name, {})
        return tuple(known[version] for version in sorted(known))

    def following(self, name: str) -> int:
        """Return the number that the next version of a name is stored under, as of when anything was asked last.

        It is behind all that there ever were: what somebody has deleted, or what cannot be read here, keeps its number.
        """
        return self._highest.get(name, 0) + 1

    async def all_newest(self) -> Mapping[str, WorkflowInForce]:
        """Return the newest version of each name, in order."""
        await self._read()
        return {name: known[max(known)] for name, known in sorted(self._known.items()) if known}

    def _begin_anew(self) -> None:
        # A server that died may have lost what it stored last, and given its revisions anew.
        self._revision = 0
        self._known.clear()
        self._unreadable.clear()
        self._highest.clear()

    async def _read(self) -> None:
        """Take in what was stored before this was called."""
        # A reading that is under way may have passed what was stored since it began; who comes meanwhile shares the next one.
        wanted = self._begun + 1
        async with self._turn:
            if self._done >= wanted:
                return
            self._begun += 1
            bucket = self._network.subjects.workflows
            async for message in buckets.changes(self._network.requester, bucket, after=self._revision):
                self._take(message)
                self._revision = message.sequence
            self._done = self._begun

    def _take(self, message: StoredMessage) -> None:
        name, _, version = buckets.key_of(self._network.subjects.workflows, message).rpartition(".")
        if not (name and version.isascii() and version.isdecimal()):
            log.warning("%s is no version of a workflow", message.subject)
            return
        known = self._known.setdefault(name, {})
        self._highest[name] = max(self._highest.get(name, 0), int(version))
        unreadable = self._unreadable.setdefault(name, {})
        if not message.data:
            known.pop(int(version), None)
            unreadable.pop(int(version), None)
            return
        try:
            known[int(version)] = _read(message.data)
        except SchemaError as error:
            unreadable[int(version)] = error.message
            log.warning("version %s of the workflow %s cannot be read: %s", version, name, error)


def _read(data: bytes) -> WorkflowInForce:
    try:
        # What is around the definition may grow; a field of the definition itself may be what its runs depend on.
        return decode(WorkflowInForce, data)
    except SchemaError as error:
        grown = decode_grown(GrownWorkflow, data)
        log.warning("%s, and its runs are left to Omegas of that version: %s", grown.beyond(), error)
        return grown


def _key(name: str, version: int) -> str:
    return f"{name}.{version}"
