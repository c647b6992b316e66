"""Finding the assignment of a task whose id its submitter chose: no index leads from such an id to its place in the ledger.

What else is known of the task does. Events name their assignment's number. A result stands behind its assignment, most often a
little, so the search goes backwards from there through that type's tasks. A task that has neither waits for somebody to take it,
or was taken just now: an attempt is told of once it has run for 100 ms, and each later one before it runs.
"""

from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import aclosing

from bus.consumers import consumer_states
from bus.errors import SanctuaryError
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
UNTOLD = 1 << 17
"""So many entries before those that nobody has taken a task is looked for that was taken, and of which nothing was told. One that is
parked keeps everything behind it in doubt, which may be the whole ledger."""
MANY = 1000
"""More entries than this are read by a consumer of their own: to begin that takes three requests, and then it is the faster way."""
_ASSIGNED = ("task", "workflow", "handover")
"""The families of subjects on which assignments are stored."""


class NotAllSearched(SanctuaryError):
    """No task was found under an id, and not everything was looked at that may hold it."""


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
        NotAllSearched: there is none, as far as was looked.
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
    left_out: list[str] = []
    async for entry in _open_under(network, task_id, only, left_out):
        return entry
    if left_out:
        raise NotAllSearched(
            f"no task {task_id} was found: nothing was told of one, and none waits. Not looked at was what was taken long ago and is "
            f"not acknowledged, or stands behind such a task ({'; '.join(left_out)}); `sanctuary audit query --text {task_id}` looks "
            "at everything"
        )
    return None


async def open_under(network: Network, task_id: str) -> list[Entry]:
    """Return every assignment under an id that may not have ended; an id may have been used for tasks of several types.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    if task_id.startswith(SEQUENCE_PREFIX):
        return []
    return [entry async for entry in _open_under(network, task_id, None, [])]


async def _open_under(network: Network, task_id: str, only: str | None, left_out: list[str]) -> AsyncIterator[Entry]:
    async for message in _open(network, task_id, left_out):
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


async def _open(network: Network, task_id: str, left_out: list[str]) -> AsyncIterator[StoredMessage]:
    """Yield the assignments that may name an id and may not have ended: those first that nobody has taken.

    Puts into `left_out`, in words, which were not looked at.
    """
    subjects = network.subjects
    brought = {
        state.subject: state
        for state in (await consumer_states(network)).values()
        if state.subject.split(".")[1:2] and state.subject.split(".")[1] in _ASSIGNED
    }
    for subject, state in brought.items():
        async for message in _naming(network, task_id, subject, state.first_waiting, many=state.num_pending > MANY):
            yield message
    for subject, state in brought.items():
        end = state.first_waiting - 1
        start = max(state.first_open, end - UNTOLD + 1)
        if state.num_ack_pending:
            async for message in _naming(network, task_id, subject, start, end, many=end - start > MANY):
                yield message
            if start > state.first_open:
                left_out.append(f"#{state.first_open} to #{start - 1} on {subject}")
    for family in _ASSIGNED:
        if family == "workflow" and subjects.workflow("*") in brought:
            continue
        async for page in subjects_of(network, subjects.every(family)):
            for subject in sorted(page.keys() - brought.keys()):
                # A type that nobody serves, or a network that no Omega has made.
                async for message in _naming(network, task_id, subject, 1, many=page[subject] > MANY):
                    yield message


async def _naming(
    network: Network, task_id: str, subject: str, start: int, end: int | None = None, *, many: bool
) -> AsyncIterator[StoredMessage]:
    """Yield the entries on a subject between two sequences that may name an id; `many` says how they are read best."""
    if many:
        async with aclosing(records(network, start, end, subject=subject)) as batches:
            async for batch in batches:
                for record in batch:
                    if _may_name(record.data, task_id):
                        yield as_message(record)
        return
    async for message in entries(network, subject, start=start):
        if end is not None and message.sequence > end:
            return
        if _may_name(message.data, task_id):
            yield message
