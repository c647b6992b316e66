"""All entries about one task or workflow and about what it asked for, from the archive and from the stream."""

from collections.abc import Iterable

from bus.ledger import entries
from bus.network import Network
from bus.record_reader import records
from bus.records import as_message
from bus.subjects import COMMAND_TYPE, ESCALATION_TYPE, WORKFLOW_TYPE
from ops.archive.source import Source
from ops.assignment_search import BEGINNINGS
from ops.audit import between
from ops.entries import Entry, read_entry
from ops.lookup import find, in_order, told_of
from ops.stories import Key
from schemas import SEQUENCE_PREFIX, sequence_id

SAID = ("command", "escalation", "handover")
"""The families of what is said about a task by others."""


async def family(source: Source, task_id: str) -> list[Entry]:
    """Return all entries about a task or workflow and about the tasks that it asked for, in the ledger's order.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    found = _Family(task_id)
    found.take_archived(source)
    if source.network is not None:
        await found.take_stored(source.network, source.archive.end + 1)
    return in_order(found.entries)


async def said(source: Source, task_id: str) -> list[Entry]:
    """Return the command or the escalation whose number the id `seq-N` is, and what came of it; empty: it is the id of neither.

    Raises:
        SanctuaryError: the ledger cannot be read.
    """
    number = task_id.removeprefix(SEQUENCE_PREFIX)
    record = await source.entry(int(number)) if number != task_id and number.isdecimal() else None
    entry = read_entry(source.subjects, as_message(record)) if record is not None else None
    if entry is None or entry.family not in (COMMAND_TYPE, ESCALATION_TYPE):
        return []
    archived = [read_entry(source.subjects, message) for message in source.archived_about({task_id})]
    found = [each for each in archived if (each.task_type, each.task_id) == (entry.family, task_id)]
    if source.network is not None and not found:
        start = source.archive.end + 1
        found = [told async for told in told_of(source.network, [entry.family], task_id, start)]
    return in_order([entry, *found])


class _Family:
    """What belongs to one task, as far as it is known."""

    def __init__(self, task_id: str) -> None:
        self.entries: list[Entry] = []
        self._task_id = task_id
        self._ids = {task_id}
        self._children: dict[Key, None] = {}
        self._known: set[str | int] = set()
        """Numbers in the ledger, and subjects."""

    def _add(self, found: Iterable[Entry]) -> None:
        """Take in entries that are not known yet; a result's copy in the ledger stands for the result."""
        for entry in found:
            if (entry.sequence or entry.subject) not in self._known:
                self._known |= {entry.sequence or entry.subject, entry.subject}
                self.entries.append(entry)

    def _adopt(self, entry: Entry) -> bool:
        """Take in a task that one of the family asked for; False: it is none."""
        if entry.family not in BEGINNINGS or entry.parent_id not in self._ids:
            return False
        if entry.task_type and entry.task_id:
            self._ids.add(entry.task_id)
            self._children[entry.task_type, entry.task_id] = None
            self._add([entry])
        return True

    def take_archived(self, source: Source) -> None:
        """Add what the archive has."""
        asked_about: set[str] = set()
        while wanted := self._ids - asked_about:
            asked_about |= wanted
            about = [read_entry(source.subjects, message) for message in source.archived_about(wanted)]
            self._add(entry for entry in about if entry.task_id in self._ids)
            for entry in about:
                self._adopt(entry)
        verdicts = {sequence_id(number) for _, number in self._said()}
        if verdicts:
            about = [read_entry(source.subjects, message) for message in source.archived_about(verdicts)]
            self._add(entry for entry in about if entry.task_id in verdicts)

    async def take_stored(self, network: Network, start: int) -> None:
        """Add what the stream has from the sequence `start` on."""
        self._add(await find(network, self._task_id, known=self.entries))
        own = [entry for entry in self.entries if entry.task_id == self._task_id]
        if not own:
            return
        start = max(start, min((entry.sequence for entry in own if entry.sequence is not None), default=start))
        # A task's children are submitted while it runs.
        ends = [entry.sequence for entry in own if entry.family == "result" and entry.sequence is not None]
        await self._take_children(network, start, max(ends, default=None))
        for task_type, child_id in self._children:
            self._add([told async for told in told_of(network, [task_type], child_id, start)])
        runs = [child_id for task_type, child_id in self._children if task_type == WORKFLOW_TYPE]
        for run in (self._task_id, *runs):
            history = network.subjects.history(run)
            self._add(
                [read_entry(network.subjects, message) async for message in entries(network, history, start=start)]
            )
        for kind in SAID:
            async for entry in between(network, network.subjects.every(kind), start):
                if entry.task_id in self._ids and entry.family == kind:
                    self._add([entry])
        for kind, number in self._said():
            self._add([told async for told in told_of(network, [kind], sequence_id(number), start)])

    def _said(self) -> list[tuple[str, int]]:
        """Return the commands and escalations, by family and number: what became of them is a result of that number."""
        return [
            (entry.family, entry.sequence)
            for entry in self.entries
            if entry.family in ("command", "escalation") and entry.sequence is not None
        ]

    async def _take_children(self, network: Network, start: int, end: int | None) -> None:
        """Add what was asked for between two entries, in one pass: who asks is stored before what is asked for."""
        async for batch in records(network, start, end):
            for record in batch:
                kind = record.subject.split(".", 2)[1:2]
                # Few tasks have a parent, and few are decoded. JSON with escapes may hold the word in other characters.
                named = b"parent_id" in record.data or b"\\" in record.data
                if kind == ["workflow"] or (kind == ["task"] and named):
                    entry = read_entry(network.subjects, as_message(record))
                    if not self._adopt(entry) and entry.family == "wake-up" and entry.task_id in self._ids:
                        self._add([entry])
