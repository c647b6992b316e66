"""Tasks that nobody serves: a type or a priority that does not exist ends at once with a TaskFailure that says so.

The ledger takes any subject below `<realm>.task.`, so a typo would wait for ever; and a type that is taken out of the routing
table leaves tasks behind that wait, run, are parked or were handed over. Omega lists the subjects that hold
messages (one request, however many tasks there are) and settles what no route covers. Whoever may publish chooses these
subjects, and a server takes nearly any bytes in one: nothing here may trust them.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from nats.errors import Error as NatsError

from bus.consumers import consumer_state
from bus.delivery import from_ledger
from bus.errors import SanctuaryError
from bus.identity import Identity
from bus.intake import read
from bus.jetstream import StoredMessage
from bus.journal import Journal
from bus.ledger import entries, subjects_of
from bus.network import Network
from bus.outcomes import failure
from bus.replies import reply
from bus.subjects import PRIORITIES, WORKFLOW_TYPE, Subjects
from bus.topology import RESULTS_MAX_AGE_S
from clones.omega.repeating import repeat
from clones.omega.submissions import consumer_of
from clones.routing import known_types
from clones.tables import table_of
from schemas import ErrorCode, RoutingTable, is_task_id, is_token, sequence_id

LOOK_EVERY_S = 1.0
SETTLE_WITHIN_S = 10.0
"""What one stray may take; then the others come first."""
AT_ONCE = 1000
"""So many of one subject are ended before the other subjects have their turn."""
REMEMBERED = 100_000
"""So many subjects are remembered as settled. What is beyond that is looked at each time, which ends nothing twice."""
UNNAMEABLE_TYPE = "unknown"
"""The type token of results of tasks whose own one cannot stand in a result's subject, such as `*`."""

log = logging.getLogger(__name__)


class _Settled(NamedTuple):
    """How far the strays of one subject are settled."""

    held: int
    """How many messages the subject held when all of them were settled; 0: not all are."""
    next: int
    """The ledger sequence to read on from."""


class Strays:
    """Ends tasks on subjects that no route serves; several Omegas may do so at once, the first result stands."""

    def __init__(self, network: Network, identity: Identity, table: Callable[[], RoutingTable]) -> None:
        """Take what gives the routing table in force."""
        self._network = network
        self._table = table
        self._identity = identity
        self._journal = Journal(network.requester, network.subjects)
        self._settled: dict[int, _Settled] = {}
        """By subject, as its hash: publishers choose how long subjects are. Empty after a start: what was settled before is
        refused then."""
        self._failed: dict[str, int] = {}
        """By subject, the first that could not be settled on the way: it is tried again when the others have had their turn."""

    async def run(self) -> None:
        """Look until cancelled."""
        await repeat(self.look, LOOK_EVERY_S, "look for tasks that nobody serves")

    async def look(self) -> None:
        """End what there is now.

        Raises:
            SanctuaryError: the server did not tell which subjects there are.
        """
        subjects = self._network.subjects
        for family in ("task", "workflow", "handover"):
            async for page in subjects_of(self._network, subjects.every(family)):
                for subject, count in sorted(page.items()):
                    if not is_served(subjects, self._table(), subject) and not self._is_settled(subject, count):
                        await self._try(subject, count)

    def _is_settled(self, subject: str, count: int) -> bool:
        known = self._settled.get(hash(subject))
        return known is not None and known.held == count

    def _remember(self, subject: str, settled: _Settled) -> None:
        key = hash(subject)
        # What is not settled yet must come to its end, whatever else is remembered.
        if settled.held and len(self._settled) - (key in self._settled) >= REMEMBERED:
            self._settled.pop(key, None)
        else:
            self._settled[key] = settled

    async def _try(self, subject: str, count: int) -> None:
        try:
            if is_served(self._network.subjects, await table_of(self._network, self._table()), subject):
                # The table that we went by was a moment old.
                return
            await self._settle_some(subject, count)
        except (SanctuaryError, NatsError, TimeoutError) as error:
            log.warning("a task on %r that nobody serves could not be ended yet: %s", subject, error)

    async def _first(self, subject: str) -> int:
        """Return the ledger sequence from which on a subject may hold what has not ended."""
        # A type that the table had once has its consumers still, and they know what was done.
        name = consumer_of(self._network.subjects, subject)
        if name is None or not all(is_token(token) for token in subject.split(".")):
            return 1
        state = await consumer_state(self._network, name)
        return state.first_open if state else 1

    async def _settle_some(self, subject: str, count: int) -> None:
        """End what waits on a subject that holds `count`, up to `AT_ONCE` of it."""
        known = self._settled.get(hash(subject))
        start = known.next if known is not None else await self._first(subject)
        position, left, is_all = start, AT_ONCE, False
        try:
            async for message in entries(self._network, subject, start=start):
                if not left:
                    return
                left -= 1
                # One that was published with a literal `*` or `>` reads as a filter, and finds what others are served by.
                if message.subject == subject and not _is_forgotten(message):
                    await self._insist_on(message)
                position = message.sequence + 1
            is_all = subject not in self._failed
            position = self._failed.pop(subject, position)
        finally:
            if is_all or position != start:
                self._remember(subject, _Settled(count if is_all else 0, position))

    async def _insist_on(self, message: StoredMessage) -> None:
        """End one; one that is like no other must not keep the rest waiting, and is tried again when they had their turn."""
        try:
            async with asyncio.timeout(SETTLE_WITHIN_S):
                await self._settle(message)
        except (SanctuaryError, NatsError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001  as the docstring says
            told = f"a task on {message.subject!r} that nobody serves could not be ended"
            asyncio.get_running_loop().call_exception_handler({"message": told, "exception": error})
            self._failed.setdefault(message.subject, message.sequence)

    async def _settle(self, message: StoredMessage) -> None:
        tokens = message.subject.split(".")
        is_workflow = tokens[1] == "workflow"
        code = ErrorCode.UNKNOWN_WORKFLOW if is_workflow else ErrorCode.UNKNOWN_TASK_TYPE
        delivery = from_ledger(message)
        task_type = WORKFLOW_TYPE if is_workflow else tokens[2]
        request = read(self._network.subjects, task_type, delivery)
        if is_task_id(task_type) and (last := await self._journal.last(task_type, request.id)) is not None:
            if last.sequence != message.sequence and task_type not in self._table().routes:
                return  # what is in charge of the task ends it
            if last.sequence != message.sequence:
                # Somebody else's task: what nobody serves is answered under a name of its own.
                request = msgspec.structs.replace(request, id=sequence_id(message.sequence))
        result = failure(self._identity, request, code, _why(tokens, self._table()))
        if not is_task_id(task_type):
            result = msgspec.structs.replace(result, task_type=UNNAMEABLE_TYPE, task_id=sequence_id(message.sequence))
        settlement = await self._network.results.settle(result)
        if settlement.won:
            reply(self._network.client, request.reply_to, settlement.result, delivery.content_type)


def is_served(subjects: Subjects, table: RoutingTable, subject: str) -> bool:
    """Tell whether somebody takes what is published on a task, workflow or handover subject."""
    task = subjects.parse_task(subject)
    if task is not None:
        return task.task_type in table.routes
    match subject.split("."):
        case [subjects.realm, "handover", task_type, _]:
            return task_type in table.routes
        case [subjects.realm, "workflow", _]:
            # Whoever takes it up says that there is none of that name.
            return True
    return False


def _is_forgotten(message: StoredMessage) -> bool:
    """Tell whether a result of that time may have expired: another one would be a second."""
    return datetime.now(UTC) - message.stored_at > timedelta(seconds=RESULTS_MAX_AGE_S)


def _why(tokens: list[str], table: RoutingTable) -> str:
    """Return what is wrong with a task or workflow subject, given as its tokens."""
    family, name, *rest = tokens[1:]
    if family == "workflow":
        return f"{'.'.join((name, *rest))!r} names no workflow: publish on {tokens[0]}.workflow.<name>"
    if name in table.routes and rest:
        return f"{'.'.join(rest)!r} is no priority; publish on {tokens[0]}.task.{name}, or with .{', .'.join(PRIORITIES)} behind it"
    return f"no clone serves {name!r}; known: {known_types(table)}"
