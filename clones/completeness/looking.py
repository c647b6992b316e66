"""Clearing doubts about the ledger's books, and judging runs, by looking entries up."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from bus.definitions import GrownWorkflow
from bus.delivery import from_ledger
from bus.histories import Written
from bus.intake import read
from bus.jetstream import StoredMessage
from bus.subjects import WORKFLOW_TYPE, Subjects
from bus.topology import RESULTS_MAX_AGE_S
from clones.completeness.books import Books
from clones.completeness.findings import MOST_WORDS, Doubt, Finding, Key, finding_about
from clones.completeness.followed import Pieces, drop_removed
from clones.completeness.runs import Child, Life, cancelled, run_breaches
from schemas import (
    CancelRequested,
    Command,
    DecisionMade,
    SchemaError,
    TaskAssignment,
    TaskResult,
    WorkflowEntry,
    WorkflowInForce,
    WorkflowStart,
    decode,
)

AT_ONCE = 64
"""Entries that are read at the same time; each may have a megabyte."""
MOST_RUN_BYTES = 32 * 1024 * 1024
"""So much of one run, its history and what it asked for, is held to judge it; a larger run is not judged."""
PURGED_S = 600.0
"""So long after a purge was seen, results may come of what it has removed: all of that had ended, and copies of results are late by
a minute at most."""
_SUBMISSIONS = ("task", "handover", "workflow", "command", "escalation")


log = logging.getLogger(__name__)


class Look(Protocol):
    """Where entries are looked up; each method raises SanctuaryError where nothing could be read."""

    async def entry(self, sequence: int) -> StoredMessage | None:
        """Return an entry of the ledger, or None where there is none."""

    async def first_result(self, task_type: str, task_id: str) -> StoredMessage | None:
        """Return the ledger's first copy of a task's result, or None where it has none."""

    async def definition(self, name: str, version: int) -> WorkflowInForce | None:
        """Return a version of a workflow, or None where there is none."""

    async def begins(self) -> int:
        """Return the number of the first entry that can be read."""

    async def signed(self) -> int | None:
        """Return up to which entry the newest checkpoint in the ledger goes; None: there is none."""

    async def now(self) -> datetime:
        """Return the present time, by the clock that times the ledger's entries."""


class CannotJudge(Exception):
    """A run is not judged: not all of it is at hand, or it is too large. The message says which."""


class Looking:
    """Clears doubts and judges runs of one ledger."""

    def __init__(self, subjects: Subjects, look: Look) -> None:
        self._subjects = subjects
        self._look = look
        self.unsure_until: datetime | None = None
        """Results up to here may be of tasks that were purged before they were read; None: all that was ever asked for was read."""

    async def clear(self, books: Books) -> list[Finding]:
        """Look into all that the books doubt, and into the runs that are over, and return all that was found, in order.

        Raises:
            SanctuaryError: not everything could be looked up; what could not stays in the books.
        """
        while books.doubts:
            found = await self._cleared(books.doubts[0])
            if found is not None and found.rule == "no_task" and books.doubts[0].cancelled:
                books.unclaimed[found.task_type or "", found.task_id or ""] = found
            elif found is not None:
                books.findings.append(found)
            elif books.doubts[0].finding.rule == "gap":
                drop_removed(books.open, books.runs, (books.doubts[0].names or 0) + 1)
            del books.doubts[0]
        while books.over:
            said, claimed = await self._judged(books.over[0], books.unclaimed)
            books.findings += said
            books.judged(books.over.pop(0), claimed)
        books.claims_over()
        findings, books.findings = sorted(books.findings, key=lambda each: each.sequence), []
        return findings

    async def _cleared(self, doubt: Doubt) -> Finding | None:
        """Return what a doubt comes to: None where nothing is wrong."""
        finding, begins = doubt.finding, await self._look.begins()
        match finding.rule:
            case "gap":
                behind, signed = doubt.names or 0, await self._look.signed()
                if behind < begins:
                    self.unsure_until = await self._look.now() + timedelta(seconds=PURGED_S)
                is_explained = behind < begins and (signed is None or signed >= behind)
            case "no_command":
                is_explained = await self._is_there(doubt.names, begins, ("command",))
            case "second_result":
                first = await self._first(finding)
                is_explained = first is None or _is_forgotten(first, finding)
            case _ if doubt.ends:
                return await self._of_nothing(doubt, begins)
            case _:
                # Late, behind the result; or of a task that is not followed; or, where it names none, of what was purged.
                is_purged = doubt.names is None and begins > 1
                is_explained = is_purged or await self._first(finding) is not None or await self._is_its(doubt, begins)
        return None if is_explained else finding

    async def _of_nothing(self, doubt: Doubt, begins: int) -> Finding | None:
        """Return what the result of a task comes to that is not known."""
        if await self._is_there(doubt.names, begins, _SUBMISSIONS):
            return None
        first = await self._first(doubt.finding)
        if first is None:
            may_be_purged = self.unsure_until is not None and doubt.finding.stored_at <= self.unsure_until
            if doubt.names is not None or begins == 1:
                return doubt.finding
            words = f"{doubt.finding.message}, or had another result that was purged"
            return None if may_be_purged else msgspec.structs.replace(doubt.finding, message=words)
        if _is_forgotten(first, doubt.finding):
            return None
        return msgspec.structs.replace(doubt.finding, rule="second_result", message=f"#{first.sequence} is one too")

    async def _first(self, finding: Finding) -> StoredMessage | None:
        """Return the first copy of a task's result, where it stands before what was found."""
        first = await self._look.first_result(finding.task_type or "", finding.task_id or "")
        return None if first is None or first.sequence >= finding.sequence else first

    async def _is_there(self, sequence: int | None, begins: int, families: Collection[str]) -> bool:
        if sequence is None:
            return False
        if 0 < sequence < begins:
            return True  # archived, as far as can be told here
        message = await self._look.entry(sequence)
        return message is not None and message.subject.split(".")[1] in families

    async def _is_its(self, doubt: Doubt, begins: int) -> bool:
        """Tell whether the assignment that an event names is one of the task that the event is about."""
        if doubt.names is None:
            return False
        if 0 < doubt.names < begins:
            return True
        message = await self._look.entry(doubt.names)
        if message is None or message.sequence >= doubt.finding.sequence:
            return False
        family = message.subject.split(".")[1]
        if family in ("command", "escalation"):
            return (doubt.finding.task_type, doubt.finding.task_id) == (family, f"seq-{message.sequence}")
        task_type = doubt.finding.task_type or ""
        return family in _SUBMISSIONS and read(self._subjects, task_type, from_ledger(message)).id == (
            doubt.finding.task_id
        )

    async def _judged(self, run: Pieces, unclaimed: Mapping[Key, Finding]) -> tuple[list[Finding], set[Key]]:
        """Return what is wrong with a run, and what its history has cancelled."""
        try:
            life = await self._life(run, unclaimed)
            if life is None:
                return [], set()
            said, claimed = run_breaches(life), cancelled(life)
        except (CannotJudge, SchemaError) as error:
            log.debug("the run %s is not judged: %s", run.id, error)
            # What was cancelled since it began may have been its.
            return [], {key for key, finding in unclaimed.items() if finding.sequence > min(run.activations, default=0)}
        except (LookupError, RuntimeError, TypeError, ValueError) as error:
            said, claimed = [f"its history makes no sense: {type(error).__name__}: {error}"], set()
        result = await self._look.entry(run.results[WORKFLOW_TYPE, run.id])
        if not said or result is None or run.patchy:
            return [], claimed
        more = f"; and {len(said) - 1} more" if len(said) > 1 else ""
        words = f"{said[0][: MOST_WORDS // 2]}{more}"
        finding = finding_about("run", result, (WORKFLOW_TYPE, run.id), words)
        return [finding], claimed

    async def _life(self, run: Pieces, unclaimed: Mapping[Key, Finding]) -> Life | None:
        """Return what is stored of a run; None where it never began.

        Raises:
            CannotJudge, SchemaError: it cannot be judged: it is not all there any more, too large, or of a later version.
        """
        room = _Room()
        if run.is_crowded:
            raise CannotJudge(f"{len(run.children):,} tasks or more name it as their parent")
        history = [
            Written(message.sequence, message.stored_at, decode(WorkflowEntry, room.hold(message)))
            async for message in self._entries(run.history)
        ]
        if not history and not run.history:
            return None
        if len(history) < len(run.history):
            raise CannotJudge("its history is not all there")
        first = history[0].entry
        definition = await self._look.definition(first.workflow, first.version)
        if definition is None or isinstance(definition, GrownWorkflow):
            raise CannotJudge("its definition is not known here")
        children = [
            _child(self._subjects, key[0], message, room.hold(message)) async for key, message in self._of(run.children)
        ]
        others = {key: finding.sequence for key, finding in unclaimed.items()}
        results: dict[Key, TaskResult] = {}
        async for key, message in self._of({**others, **run.results}):
            results[key] = _without_output(decode(TaskResult, message.data), of_run=key == (WORKFLOW_TYPE, run.id))
        if len(children) < len(run.children) or not run.results.keys() <= results.keys():
            raise CannotJudge("its tasks or their results are not all there")
        commands: dict[int, Command] = {}
        async for message in self._entries(_commands(history)):
            if message.subject.split(".")[1] == "command":
                commands[message.sequence] = decode(Command, room.hold(message), message.headers.get("Content-Type"))
        return Life(
            workflow_id=run.id,
            definition=definition.definition,
            history=history,
            activations=frozenset(run.activations),
            children=children,
            results=results,
            commands=commands,
        )

    async def _entries(self, sequences: Iterable[int]) -> AsyncIterator[StoredMessage]:
        """Yield the entries that are there of those that are named, in order."""
        wanted = sorted(set(sequences))
        for start in range(0, len(wanted), AT_ONCE):
            part = await asyncio.gather(*(self._look.entry(number) for number in wanted[start : start + AT_ONCE]))
            for message in part:
                if message is not None:
                    yield message

    async def _of(self, numbers: Mapping[Key, int]) -> AsyncIterator[tuple[Key, StoredMessage]]:
        """Yield the entries that are there of those that are named, in order, each with its key."""
        keys = {number: key for key, number in numbers.items()}
        async for message in self._entries(keys):
            yield keys[message.sequence], message


class _Room:
    """What may be held of one run at once."""

    def __init__(self) -> None:
        self._left = MOST_RUN_BYTES

    def hold(self, message: StoredMessage) -> bytes:
        """Return the body of one more message that is held.

        Raises:
            CannotJudge: it is too much.
        """
        self._left -= len(message.data)
        if self._left < 0:
            raise CannotJudge(f"it has more than {MOST_RUN_BYTES:,} bytes")
        return message.data


def _is_forgotten(first: StoredMessage, second: Finding) -> bool:
    """Tell whether the stream of results had forgotten the first result when the second one came."""
    return second.stored_at - first.stored_at > timedelta(seconds=RESULTS_MAX_AGE_S)


def _without_output(result: TaskResult, *, of_run: bool) -> TaskResult:
    """Return a result; of a run's tasks without what they put out, which no rule looks at and may be large."""
    kept: Any = result
    return result if of_run or not hasattr(kept, "output") else msgspec.structs.replace(kept, output=None)


def _child(subjects: Subjects, task_type: str, message: StoredMessage, body: bytes) -> Child:
    kind: Any = WorkflowStart if task_type == WORKFLOW_TYPE else TaskAssignment
    asked: TaskAssignment | WorkflowStart = decode(kind, body, message.headers.get("Content-Type"))
    task_id = read(subjects, task_type, from_ledger(message)).id
    return Child(message.sequence, task_type, msgspec.structs.replace(asked, id=task_id))


def _commands(history: Iterable[Written]) -> list[int]:
    """Return the commands that a history names."""
    return [
        event.command
        for written in history
        for event in written.entry.events
        if isinstance(event, DecisionMade | CancelRequested) and event.command is not None
    ]
