"""Finding tasks in the ledger: one by its id with all that belongs to it, or the newest ones."""

import contextlib
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from bus.jetstream import StoredMessage, last_of_each
from bus.ledger import entry as ledger_entry
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from clones.tables import table_of
from ops.assignment_search import BEGINNINGS, assignment_of, beginnings
from ops.audit import between, first_from, newest_first
from ops.entries import Entry, read_entry
from ops.stories import Key, State, Story, fold
from schemas import SEQUENCE_PREFIX, SchemaError, TaskResult, decode, is_token, sequence_id

CHUNK = 32
"""Tasks whose state is looked up together; each result may have up to a megabyte."""

TYPES = 256
"""Task types under which an id is looked for at once; a request takes 1024 subjects."""


async def find(
    network: Network, task_id: str, *, only: str | None = None, known: Collection[Entry] = ()
) -> list[Entry]:
    """Return a task's assignment, events and result, in the ledger's order; empty: there is no such task.

    `only` is the one task type that is meant; None: any. `known` is what was found elsewhere already; it is not returned.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    own = [entry for entry in known if entry.task_id == task_id and entry.task_type and only in (None, entry.task_type)]
    assignment = next((entry for entry in own if entry.family in BEGINNINGS), None)
    stored = await _assignment_by_sequence(network, task_id) if assignment is None else None
    if stored is not None and only in (None, stored.task_type):
        types = [stored.task_type or ""]
    elif only is not None:
        types, stored = [only], None
    else:
        named = [*(await table_of(network)).routes, WORKFLOW_TYPE, *(entry.task_type or "" for entry in own)]
        types = await _told_under(network, named, task_id)
    found = [told async for told in told_of(network, types, task_id)]
    if assignment is None and stored is None:
        stored = await assignment_of(network, task_id, [*own, *found], only)
        if stored is not None and stored.task_type not in types:
            # A type that nobody serves, or none that is known here.
            found += [told async for told in told_of(network, [stored.task_type or ""], task_id)]
    return in_order([stored, *found] if stored else found)


async def _told_under(network: Network, types: Iterable[str], task_id: str) -> list[str]:
    """Return those of the types under which an event or a result of the id stands: two requests, however many there are."""
    subjects = network.subjects
    wanted = [task_type for task_type in dict.fromkeys(types) if is_token(task_type)]
    found: list[str] = []
    for start in range(0, len(wanted), TYPES):
        chunk = wanted[start : start + TYPES]
        events = [subjects.event(task_type, task_id) for task_type in chunk]
        results = [subjects.result(task_type, task_id) for task_type in chunk]
        told = await last_of_each(network.requester, subjects.ledger, [*events, *results])
        told |= await last_of_each(network.requester, subjects.results, results)
        found += [
            each for each in chunk if {subjects.event(each, task_id), subjects.result(each, task_id)} & told.keys()
        ]
    return found


@dataclass(frozen=True, slots=True)
class About:
    """What was said about tasks."""

    entries: list[Entry]
    """Commands and escalations, in the ledger's order."""
    verdicts: dict[int, TaskResult]
    """What became of them, by their numbers in the ledger."""
    aliases: Mapping[str, str]
    """Other names of task types, which commands may use."""

    def concerns(self, entry: Entry, story: Story) -> bool:
        """Tell whether a command or an escalation is about this task."""
        task_type = entry.task_type or ""
        return (self.aliases.get(task_type, task_type), entry.task_id) == (story.task_type, story.task_id)


async def said_about(network: Network, stories: Iterable[Story]) -> About:
    """Return the commands and escalations about these tasks, from their assignments on.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    known = list(stories)
    starts = [story.assignment.sequence or 1 for story in known if story.assignment is not None]
    about = About([], {}, (await table_of(network)).aliases)
    for kind in ("command", "escalation"):
        async for entry in between(network, network.subjects.every(kind), min(starts, default=1)):
            if any(about.concerns(entry, story) for story in known):
                about.entries.append(entry)
    return replace(about, entries=in_order(about.entries), verdicts=await _verdicts(network, about.entries))


async def _verdicts(network: Network, said: Iterable[Entry]) -> dict[int, TaskResult]:
    subjects = network.subjects
    by_subject = {
        subjects.result(entry.family, sequence_id(entry.sequence)): entry.sequence
        for entry in said
        if entry.sequence is not None
    }
    verdicts: dict[int, TaskResult] = {}
    asked = list(by_subject)
    for start in range(0, len(asked), CHUNK):
        for message in await stored_results(network, asked[start : start + CHUNK]):
            with contextlib.suppress(SchemaError):
                verdicts[by_subject[message.subject]] = decode(TaskResult, message.data)
    return verdicts


def workflow_name(start: Entry) -> str:
    """Return which workflow a start begins."""
    return start.subject.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks are looked for; what is empty or None takes all."""

    types: Collection[str] = ()
    states: Collection[State] = ()
    clones: Collection[str] = ()
    """Who ended the task, or had it last."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """All of which the task has."""
    since: datetime | None = None
    until: datetime | None = None
    """When the task was stored: not before the one, and before the other."""
    workflows: Collection[str] = ()
    """Names of workflows; what is no workflow is not wanted then."""

    def takes_assignment(self, entry: Entry) -> bool:
        """Tell whether a task may be wanted, by its assignment alone."""
        if self.types and entry.task_type not in self.types:
            return False
        if self.workflows and (entry.family != "workflow" or workflow_name(entry) not in self.workflows):
            return False
        labels = entry.fields.get("labels")
        return not self.labels or (isinstance(labels, dict) and self.labels.items() <= labels.items())

    def takes(self, story: Story) -> bool:
        """Tell whether a task is wanted, its assignment being so."""
        return (not self.states or story.state in self.states) and (not self.clones or story.clone in self.clones)

    @property
    def needs_stories(self) -> bool:
        """Whether more has to be known than the assignments."""
        return bool(self.states or self.clones)


async def newest(network: Network, wanted: Wanted, *, limit: int = 20) -> list[Story]:
    """Return the newest tasks and workflows that are `wanted`, newest first.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    stories: dict[Key, Story] = {}
    chunk: dict[Key, Entry] = {}
    async for assignment in _assignments(network, wanted):
        if _key(assignment) in stories:
            continue
        chunk.setdefault(_key(assignment), assignment)
        if len(chunk) == CHUNK or (not wanted.needs_stories and len(stories) + len(chunk) >= limit):
            stories |= await _among(network, list(chunk.values()), wanted)
            chunk = {}
            if len(stories) >= limit:
                break
    stories |= await _among(network, list(chunk.values()), wanted)
    return list(stories.values())[:limit]


async def _among(network: Network, assignments: list[Entry], wanted: Wanted) -> dict[Key, Story]:
    """Return the stories of those of these tasks that are wanted."""
    stories = await _stories(network, assignments)
    return {key: story for key, story in stories.items() if wanted.takes(story)}


async def _assignments(network: Network, wanted: Wanted) -> AsyncIterator[Entry]:
    """Yield the assignments that may be wanted, newest first; a task that was stored twice comes twice."""
    before = None if wanted.until is None else await first_from(network, wanted.until)
    async for assignment in newest_first(network, beginnings(network, wanted.types), before=before):
        if wanted.since is not None and assignment.stored_at < wanted.since:
            return
        if assignment.family in BEGINNINGS and wanted.takes_assignment(assignment):
            yield assignment


async def _stories(network: Network, assignments: list[Entry]) -> dict[Key, Story]:
    """Return the stories of these tasks, each from its newest event and its result."""
    keys = _keys(assignments)
    # A type that is no token may read as a wildcard, and find other tasks' messages.
    askable = [key for key in keys if is_token(key[0])]
    subjects, requester = network.subjects, network.requester
    told: list[StoredMessage] = []
    if askable:
        told += (await last_of_each(requester, subjects.ledger, [subjects.event(*key) for key in askable])).values()
        told += await stored_results(network, [subjects.result(*key) for key in askable])
    stories = fold([*assignments, *(read_entry(subjects, message) for message in told)])
    return {key: stories[key] for key in keys}


async def stored_results(network: Network, subjects: Collection[str]) -> list[StoredMessage]:
    """Return those of the results that there are, by their subjects; raises as `find`."""
    found = await last_of_each(network.requester, network.subjects.results, subjects)
    # Results outlive their stream in the ledger's copies.
    if missing := [subject for subject in subjects if subject not in found]:
        found |= await last_of_each(network.requester, network.subjects.ledger, missing)
    return list(found.values())


def _keys(entries: Iterable[Entry]) -> list[Key]:
    return list(dict.fromkeys(map(_key, entries)))


def _key(entry: Entry) -> Key:
    return entry.task_type or "", entry.task_id or ""


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries as the ledger has them; results whose copies have yet to arrive there come last."""
    return sorted(entries, key=lambda entry: (entry.sequence is None, entry.sequence or 0))


async def _assignment_by_sequence(network: Network, task_id: str) -> Entry | None:
    number = task_id.removeprefix(SEQUENCE_PREFIX)
    if number == task_id or not number.isdecimal():
        return None
    message = await ledger_entry(network, int(number))
    found = read_entry(network.subjects, message) if message else None
    return found if found and found.family in BEGINNINGS and found.task_id == task_id else None


async def told_of(network: Network, types: Iterable[str], task_id: str, start: int = 1) -> AsyncIterator[Entry]:
    """Yield the events and results of one id under these types, from the sequence `start` on; raises as `find`."""
    subjects = network.subjects
    for task_type in filter(is_token, types):
        async for event in between(network, subjects.event(task_type, task_id), start):
            yield event
        copied = False
        async for result in between(network, subjects.result(task_type, task_id), start):
            copied = True
            yield result
        if not copied and (original := await _original(network, task_type, task_id)) is not None:
            yield original


async def _original(network: Network, task_type: str, task_id: str) -> Entry | None:
    """Return a result whose copy is not in the ledger yet."""
    subject = network.subjects.result(task_type, task_id)
    found = await last_of_each(network.requester, network.subjects.results, [subject])
    return read_entry(network.subjects, found[subject], in_ledger=False) if subject in found else None
