"""What a check of the ledger finds: what is certain, and what is to be looked up first."""

from datetime import datetime
from typing import Literal

import msgspec

from bus.jetstream import StoredMessage
from bus.task import printable

MOST_WORDS = 1000

Key = tuple[str, str]
"""A task's type and id; of a run `workflow` and its id, of commands and escalations their type and `seq-<number>`."""

Rule = Literal[
    "gap",
    "no_task",
    "second_result",
    "story",
    "run",
    "no_command",
    "no_result",
    "not_copied",
    "routes",
]

MEANINGS: dict[Rule, str] = {
    "gap": "entries are missing from the sequence, and no archive or checkpoint accounts for them",
    "no_task": "something is told of a task that was never submitted",
    "second_result": "a task has a second result",
    "story": "what is told of a task is no legal story: no worker could have told it",
    "run": "what is stored of a workflow's run does not follow from its history",
    "no_command": "something was done by a command that the ledger does not hold",
    "no_result": "a task has left its queue without a result: it is lost",
    "not_copied": "a stored result has not reached the ledger",
    "routes": "the routing table in force is not the one that the ledger says was put into force",
}
"""What each rule's breach means, for people."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it must be."""

    rule: Rule
    sequence: int
    """The ledger's entry that shows it; of a gap, the first that is missing."""
    stored_at: datetime
    """When that entry was stored; of a gap, the one behind it."""
    message: str
    task_type: str | None = None
    task_id: str | None = None

    @property
    def meaning(self) -> str:
        """What this means, for people."""
        return MEANINGS[self.rule]


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """A finding, unless what is looked up clears it."""

    finding: Finding
    ends: bool = False
    """Whether it is about a result; otherwise about an event or a history."""
    names: int | None = None
    """The ledger's entry that it names as its task, or its command."""
    cancelled: bool = False
    """Whether it is a result of what was cancelled, which a run may do before it asks for it."""


def finding_about(rule: Rule, message: StoredMessage, key: Key, words: str) -> Finding:
    """Return what is not as it must be about a task, as the ledger's entry `message` shows it."""
    return Finding(
        rule=rule,
        sequence=message.sequence,
        stored_at=message.stored_at,
        message=printable(words[:MOST_WORDS]),
        task_type=key[0],
        task_id=key[1],
    )


def number_in(text: str, prefix: str) -> int | None:
    """Return the entry's number behind `prefix`, or None where there is none that can be."""
    digits = text.removeprefix(prefix)
    is_number = digits != text and digits.isascii() and digits.isdecimal() and len(digits) < 20
    return int(digits) if is_number else None
