"""What must stay in the ledger, and what has ended by what the ledger says. Pure.

Only a beginning of the ledger can go, so the first entry that must stay decides. That a task has its result never changes again:
what has ended while it is looked at has ended when it goes.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from bus.delivery import from_ledger
from bus.intake import read
from bus.jetstream import StoredMessage
from bus.records import Record, as_message
from bus.subjects import COMMAND_TYPE, ESCALATION_TYPE, WORKFLOW_TYPE, Subjects
from bus.topology import RESULTS_MAX_AGE_S
from clones.omega.strays import UNNAMEABLE_TYPE
from schemas import SEQUENCE_PREFIX, is_task_id, is_token, sequence_id

Key = tuple[str, str]
"""A result's type token and id."""


class Hold(NamedTuple):
    """An entry that must stay, and with it all that follow."""

    sequence: int
    why: str
    """In words that go on from "the entry N"."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What can go, and what keeps the rest."""

    first: int
    """The ledger's first sequence."""
    last: int
    """Its last one."""
    holds: tuple[Hold, ...]
    """The one that decides comes first."""

    @property
    def until(self) -> int:
        """The first sequence that stays; `first` or less: nothing can go."""
        return self.holds[0].sequence

    @property
    def count(self) -> int:
        """How many sequences can go."""
        return max(0, self.until - self.first)


def planned(first: int, last: int, holds: Iterable[Hold]) -> Plan:
    """Return what can go of a ledger; its newest entry always stays."""
    newest = Hold(last, "is the newest one")
    return Plan(first=first, last=last, holds=tuple(sorted((*holds, newest))))


class Obligation(NamedTuple):
    """An entry that asks for something: a task, a workflow, a command or an escalation."""

    sequence: int
    stored_at: datetime
    task_type: str
    task_id: str

    @property
    def answers(self) -> tuple[Key, ...]:
        """The results of which any one ends it."""
        number = sequence_id(self.sequence)
        keys = ((self.task_type, self.task_id), (self.task_type, number), (UNNAMEABLE_TYPE, number))
        # A subject may hold anything, and what is no token would read as a wildcard.
        return tuple(dict.fromkeys(key for key in keys if is_token(key[0]) and is_task_id(key[1])))

    def is_answered_by(self, copy: StoredMessage) -> bool:
        """Tell whether the ledger's copy of a result, one of `answers`, is of this, and not of what had its id long before.

        A result is forgotten where workers look for it after `RESULTS_MAX_AGE_S`; who asks under its id then is answered anew.
        """
        return self.stored_at - copy.stored_at <= timedelta(seconds=RESULTS_MAX_AGE_S)

    def __str__(self) -> str:
        return f"{self.task_type} {self.task_id}"


def obligation(subjects: Subjects, record: Record) -> Obligation | None:
    """Return what an entry asks for, or None where it asks for nothing."""
    message = as_message(record)
    _, family, *rest = [*message.subject.split("."), ""]
    match family:
        case "task" | "handover":
            task_type = rest[0]
        case "workflow":
            task_type = WORKFLOW_TYPE
        case "command" | "escalation":
            task_type = COMMAND_TYPE if family == "command" else ESCALATION_TYPE
            return Obligation(record.sequence, message.stored_at, task_type, sequence_id(record.sequence))
        case _:
            return None
    task_id = read(subjects, task_type, from_ledger(message)).id
    return Obligation(record.sequence, message.stored_at, task_type, task_id)


class Open:
    """What a stretch of the ledger asks for and does not answer. Memory holds what is open."""

    def __init__(self, subjects: Subjects) -> None:
        self._subjects = subjects
        self._open: dict[int, Obligation] = {}
        self._waiting: dict[Key, list[int]] = {}

    def __iter__(self) -> Iterator[Obligation]:
        """Iterate over what is open, oldest first."""
        return iter(tuple(self._open.values()))

    def take(self, record: Record) -> None:
        """Take in the next entry."""
        tokens = record.subject.split(".")
        if len(tokens) == 4 and tokens[1] == "result":
            self._answer((tokens[2], tokens[3]))
        elif (asked := obligation(self._subjects, record)) is not None:
            self._open[asked.sequence] = asked
            self._waiting.setdefault((asked.task_type, asked.task_id), []).append(asked.sequence)

    def _answer(self, key: Key) -> None:
        for sequence in self._waiting.pop(key, ()):
            self._open.pop(sequence, None)
        digits = key[1].removeprefix(SEQUENCE_PREFIX)
        asked = self._open.get(int(digits)) if digits != key[1] and digits.isdecimal() else None
        if asked is not None and key in asked.answers:
            del self._open[asked.sequence]
