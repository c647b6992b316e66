"""Finding the assignment of a task whose id its submitter chose: no index leads from such an id to its place in the ledger.

What else is known of the task does. Events name their assignment's number. A result stands behind its assignment, most often a
little, so the search goes backwards from there through that type's tasks. A task that has neither has not ended, and what has
not ended is all that the consumers have not seen acknowledged.
"""

from collections.abc import AsyncIterator, Collection, Iterable

from bus.consumers import consumer_states
from bus.jetstream import StoredMessage
from bus.ledger import entries, last_sequence, subjects_of
from bus.ledger import entry as ledger_entry
from bus.network import Network
from bus.record_reader import records
from bus.records import as_message
from bus.subjects import WORKFLOW_TYPE
from ops.entries import Entry, read_entry
from schemas import SEQUENCE_PREFIX

BEGINNINGS = ("task", "workflow")
"""The families of what begins a task; a handover or a wake-up goes on with one."""
WINDOW = 1024
"""Entries that are looked at first before a result; then twice as many, and so on."""
_ASSIGNED = ("task", "workflow", "handover")
"""The families of subjects on which assignments are stored."""


def beginnings(network: Network, types: Collection[str]) -> tuple[str, ...]:
    """Return the subjects where tasks of these types begin; no types: of all."""
    families = [] if types and set(types) <= {WORKFLOW_TYPE} else ["task", "handover"]
    if not types or WORKFLOW_TYPE in types:
        families.append("workflow")
    return tuple(network.subjects.every(family) for family in families)


async def assignment_of(network: Network, task_id: str, known: Iterable[Entry], only: str | None) -> Entry | None:
    """Return the assignment under an id, or None where there is none; `known` are the task's events and results.

    `only` is the one task type that is meant; None: any.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    found = list(known)
    if task_id.startswith(SEQUENCE_PREFIX):
        return None  # nobody may choose it
    if (named := await _named_by_events(network, task_id, found, only)) is not None:
        return named
    if found:
        first = min((entry.sequence for entry in found if entry.sequence is not None), default=None)
        return await _newest_before(network, task_id, first, only, {entry.task_type for entry in found})
    async for entry in _open_under(network, task_id, only):
        return entry
    return None


async def open_under(network: Network, task_id: str) -> list[Entry]:
    """Return every assignment under an id that may not have ended; an id may have been used for tasks of several types.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    if task_id.startswith(SEQUENCE_PREFIX):
        return []
    return [entry async for entry in _open_under(network, task_id, None)]


async def _open_under(network: Network, task_id: str, only: str | None) -> AsyncIterator[Entry]:
    async for message in _open(network):
        if _may_name(message.data, task_id):
            entry = read_entry(network.subjects, message)
            if _is_it(entry, task_id, only):
                yield entry


def _may_name(data: bytes, task_id: str) -> bool:
    """Tell whether a body may hold an id, so that few are decoded: JSON with escapes may hold it in other characters."""
    return task_id.encode() in data or b"\\" in data


def _is_it(entry: Entry, task_id: str, only: str | None) -> bool:
    return entry.task_id == task_id and entry.family in BEGINNINGS and only in (None, entry.task_type)


async def _named_by_events(network: Network, task_id: str, found: Iterable[Entry], only: str | None) -> Entry | None:
    """Return the assignment whose number the task's events tell. Whoever writes an event chooses the number, so it is looked at."""
    numbers = {entry.fields.get("sequence") for entry in found if entry.family == "event"}
    for number in sorted(number for number in numbers if isinstance(number, int)):
        message = await ledger_entry(network, number)
        entry = read_entry(network.subjects, message) if message else None
        if entry is not None and _is_it(entry, task_id, only):
            return entry
    return None


async def _newest_before(
    network: Network, task_id: str, first: int | None, only: str | None, types: Collection[str | None]
) -> Entry | None:
    """Return the newest assignment of these types under an id that stands before the entry `first`.

    Reads whatever stands there: to begin a search for subjects costs a server that has just started more than it saves.
    """
    end = await last_sequence(network) if first is None else first - 1
    window = WINDOW
    while end > 0:
        begin = max(1, end - window + 1)
        newest: Entry | None = None
        async for batch in records(network, begin, end):
            for record in batch:
                _, family, name = [*record.subject.split(".", 3), "", ""][:3]
                task_type = WORKFLOW_TYPE if family == "workflow" else name
                if family in _ASSIGNED and task_type in types and _may_name(record.data, task_id):
                    entry = read_entry(network.subjects, as_message(record))
                    newest = entry if _is_it(entry, task_id, only) else newest
        if newest is not None:
            return newest
        end, window = begin - 1, window * 2
    return None


async def _open(network: Network) -> AsyncIterator[StoredMessage]:
    """Yield the assignments that may not have ended: those first that nobody has taken."""
    subjects = network.subjects
    brought = {
        state.subject: state
        for state in (await consumer_states(network)).values()
        if state.subject.split(".")[1:2] and state.subject.split(".")[1] in _ASSIGNED
    }
    for subject, state in brought.items():
        async for message in entries(network, subject, start=state.first_waiting):
            yield message
    # One parked task keeps all behind it in doubt: these last.
    for subject, state in brought.items():
        if state.num_ack_pending:
            async for message in entries(network, subject, start=state.first_open):
                if message.sequence >= state.first_waiting:
                    break
                yield message
    for family in _ASSIGNED:
        if family == "workflow" and subjects.workflow("*") in brought:
            continue
        async for page in subjects_of(network, subjects.every(family)):
            for subject in sorted(page.keys() - brought.keys()):
                # A type that nobody serves, or a network that no Omega has made.
                async for message in entries(network, subject):
                    yield message
