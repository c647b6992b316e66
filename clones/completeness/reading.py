"""Reading what the check of the ledger needs from the network: entries looked up, and tasks that have left their queues."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bus.consumers import ConsumerState, consumer_states
from bus.definitions import Definitions
from bus.jetstream import StoredMessage, api, last_of
from bus.ledger import entry, first_of
from bus.network import Network
from bus.routes import in_force
from bus.subjects import COMMAND_TYPE, ESCALATION_TYPE
from clones.completeness.books import Books
from clones.completeness.findings import Finding, Key
from clones.completeness.followed import Followed
from clones.completeness.looking import Look
from clones.omega.submissions import consumer_of
from schemas import Command, RouteChange, SchemaError, WorkflowInForce, decode, sequence_id

LATE_S = 60.0
"""So old a result has reached the ledger, where that takes any."""
MOST_ASKED = 1000
"""So many tasks that have left their queues are looked up at once; the others have their turn the next time."""


class Present:
    """As `clones.completeness.looking.Look`: the ledger's stream as it is now."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._definitions = Definitions(network)

    async def entry(self, sequence: int) -> StoredMessage | None:
        """As of Look."""
        return await entry(self._network, sequence)

    async def first_result(self, task_type: str, task_id: str) -> StoredMessage | None:
        """As of Look."""
        return await first_of(self._network, self._network.subjects.result(task_type, task_id))

    async def definition(self, name: str, version: int) -> WorkflowInForce | None:
        """As of Look."""
        return await self._definitions.version(name, version)

    async def begins(self) -> int:
        """As of Look."""
        return int((await self._info())["state"]["first_seq"])

    async def now(self) -> datetime:
        """As of Look: the server's time."""
        return msgspec.convert((await self._info())["ts"], datetime)

    async def _info(self) -> dict[str, Any]:
        return await api(self._network.requester, f"STREAM.INFO.{self._network.subjects.ledger}")

    async def signed(self) -> int | None:
        """As of Look."""
        ledger, newest = self._network.subjects.ledger, f"{self._network.subjects.realm}.checkpoint.>"
        message = await last_of(self._network.requester, ledger, newest)
        return None if message is None else tree_size(message.data)


def tree_size(checkpoint: bytes) -> int:
    """Return how many entries a checkpoint is about, by its second line (C2SP tlog-checkpoint); 0 where it says none."""
    lines = checkpoint.split(b"\n", 2)
    return int(lines[1]) if len(lines) > 1 and lines[1].isdigit() and len(lines[1]) < 20 else 0


async def routes_unknown(network: Network, look: Look) -> list[Finding]:
    """Return the routing table in force as a finding where the ledger does not hold the command that put it there.

    Raises:
        SanctuaryError: the network did not tell.
    """
    revision = await in_force(network)
    if revision is None:
        return []
    routes = revision.routes
    if 0 < routes.command < await look.begins():
        return []  # archived, as far as can be told here
    message = await look.entry(routes.command)
    try:
        command: object = message and decode(Command, message.data, message.headers.get("Content-Type"))
    except SchemaError:
        return []  # of a later version
    if isinstance(command, RouteChange) and command.table == routes.table:
        return []
    words = (
        f"revision {revision.number} of the routing table names the command {routes.command}, which says nothing of it"
    )
    return [Finding(rule="routes", sequence=routes.command, stored_at=routes.at, message=words)]


async def lost(network: Network, books: Books, now: datetime) -> list[Finding]:
    """Return which of the open tasks have left their queues without a result, or with one that the ledger does not hold.

    Raises:
        SanctuaryError: the network did not tell.
    """
    states = await consumer_states(network)
    left = (each for each in books.open.items() if _has_left(network, states, *each))
    found: list[Finding] = []
    for _, (key, followed) in zip(range(MOST_ASKED), left, strict=False):
        finding = await _end_of(network, key, followed, now)
        if finding is not None:
            found.append(finding)
    return found


def _has_left(network: Network, states: Mapping[str, ConsumerState], key: Key, followed: Followed) -> bool:
    """Tell whether every message of a task is acknowledged for certain."""
    if followed.rests:
        return False
    reserved = {
        COMMAND_TYPE: network.subjects.commands_consumer,
        ESCALATION_TYPE: network.subjects.escalations_consumer,
    }
    for sequence, subject in followed.assigned.items():
        state = states.get(reserved.get(key[0]) or consumer_of(network.subjects, subject) or "")
        if state is None or sequence >= state.first_open:
            return False
    return True


async def _end_of(network: Network, key: Key, followed: Followed, now: datetime) -> Finding | None:
    subject, (task_type, task_id) = network.subjects.result(*key), key
    try:
        result = await network.results.read(task_type, task_id)
        # What is no task, and names the id of one, is answered under its own number.
        own = [await network.results.read(task_type, sequence_id(number)) for number in followed.assigned]
    except SchemaError:
        return None  # of a later version
    if result is None and all(own):
        return None
    if await last_of(network.requester, network.subjects.ledger, subject) is not None:
        return None  # the books have not come to it
    if result is not None and now - result.finished_at < timedelta(seconds=LATE_S):
        return None
    sequence = max(followed.assigned)
    message = await entry(network, sequence)
    words = (
        "it has left its queue, and nobody stored a result"
        if result is None
        else "the ledger has no copy of its result"
    )
    return Finding(
        rule="no_result" if result is None else "not_copied",
        sequence=sequence,
        stored_at=datetime.now(UTC) if message is None else message.stored_at,
        message=words,
        task_type=task_type,
        task_id=task_id,
    )
