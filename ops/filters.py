"""Which entries of the ledger are wanted. Pure.

A filter is asked twice: of an entry's bytes, where it is quick and may let too many through, and of what they decode to, where it
is exact. So a search over millions decodes little more than what it finds.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, get_args

import msgspec

from bus.subjects import WORKFLOW_TYPE
from ops.entries import CHECKPOINT, UNREADABLE, Entry, text
from schemas import ErrorCode

Outcome = Literal["completed", "failed", "cancelled"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
BY = ("by", "decided_by", "told_by", "instance")
"""The fields of messages that say who wrote them, or on whose word."""
_NAMED_BY_SUBJECT = {
    "task": "TaskAssignment",
    "handover": "TaskAssignment",
    "workflow": "WorkflowStart",
    "checkpoint": CHECKPOINT,
}
"""The families whose entries are of one kind whatever their bodies say."""
_CLONE_IN_SUBJECT = ("handover", "escalation")
"""The families whose subjects end with a clone."""
_OF_TASKS = ("task", "handover", "event", "result")
"""The families whose subjects name the task type after the family."""


@dataclass(frozen=True)
class Filter:
    """What is looked for. What is empty or None takes all; of several values of one field any will do, of labels all must be there."""

    types: Collection[str] = ()
    """Task types; `workflow` for workflows."""
    clones: Collection[str] = ()
    """Which the message names as its own, or its subject names. An assignment names none unless it was handed to one."""
    outcomes: Collection[Outcome] = ()
    """Only results, those that ended so."""
    kinds: Collection[str] = ()
    """Types of message, such as TaskFailure."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """As assignments and results carry them."""
    by: Collection[str] = ()
    """Who wrote it or asked for it: a person, an instance, or the public key that signed it."""
    text: str = ""
    """What its subject or its body holds; capital and small letters of ASCII are the same."""
    since: datetime | None = None
    until: datetime | None = None
    """When the ledger stored it: not before the one, and before the other."""

    def with_aliases(self, aliases: Mapping[str, str]) -> "Filter":
        """Return this filter with other names of task types resolved."""
        return replace(self, types=tuple(aliases.get(name, name) for name in self.types))

    def may_match(self, subject: str, data: bytes, headers: bytes = b"") -> bool:
        """Tell by its bytes whether an entry may match; False is certain. Times are not looked at."""
        _, family, rest = [*subject.split(".", 2), "", ""][:3]
        return (
            (not self.types or self._may_be_of_type(family, rest, data))
            and (not self.outcomes or family == "result")
            and (not self.kinds or self._may_be_of_kind(family, data))
            and (not self.clones or family in _CLONE_IN_SUBJECT or _may_hold(data, self._clones))
            and (not self.by or _may_hold(data, self._by) or any(each in headers for each in self._by))
            and all(_may_hold(data, (each,)) for each in self._labels)
            and (not self.text or b"\\" in data or self._is_raw_text(subject, data))
        )

    def matches(self, entry: Entry) -> bool:
        """Tell whether an entry is wanted."""
        return (
            (self.since is None or entry.stored_at >= self.since)
            and (self.until is None or entry.stored_at < self.until)
            and (not self.types or entry.task_type in self.types)
            and (not self.kinds or entry.kind in self.kinds)
            and (not self.outcomes or outcome_of(entry) in self.outcomes)
            and (not self.clones or not clones_of(entry).isdisjoint(self.clones))
            and (not self.by or not writers_of(entry).isdisjoint(self.by))
            and (not self.labels or self.labels.items() <= labels_of(entry).items())
            and (not self.text or self._holds_text(entry))
        )

    def _may_be_of_type(self, family: str, rest: str, data: bytes) -> bool:
        if family in _OF_TASKS:
            return rest.partition(".")[0] in self.types
        if family in ("workflow", "history"):
            return WORKFLOW_TYPE in self.types
        # A decision names no type, and is about a workflow.
        return WORKFLOW_TYPE in self.types or _may_hold(data, self._types)

    def _may_be_of_kind(self, family: str, data: bytes) -> bool:
        if (kind := _NAMED_BY_SUBJECT.get(family)) is not None:
            return kind in self.kinds
        return UNREADABLE in self.kinds or _may_hold(data, self._kinds)

    def _is_raw_text(self, subject: str, data: bytes) -> bool:
        return self._text in data.lower() or self._text in subject.encode(errors="surrogateescape").lower()

    def _holds_text(self, entry: Entry) -> bool:
        if self._is_raw_text(entry.subject, entry.data):
            return True
        if b"\\" not in entry.data or entry.body is None:
            return False
        # JSON may write a character in several ways; here both sides are written in the same.
        wanted = _canonical(self.text)[1:-1].lower()
        return bool(wanted) and wanted in _canonical(entry.body).lower()

    @cached_property
    def _types(self) -> tuple[bytes, ...]:
        return _encoded(self.types)

    @cached_property
    def _clones(self) -> tuple[bytes, ...]:
        return _encoded(self.clones)

    @cached_property
    def _kinds(self) -> tuple[bytes, ...]:
        return _encoded(self.kinds)

    @cached_property
    def _by(self) -> tuple[bytes, ...]:
        return _encoded(self.by)

    @cached_property
    def _labels(self) -> tuple[bytes, ...]:
        return _encoded(word for pair in self.labels.items() for word in pair)

    @cached_property
    def _text(self) -> bytes:
        return self.text.encode(errors="surrogateescape").lower()


EVERYTHING = Filter()


def outcome_of(entry: Entry) -> Outcome | None:
    """Return how a task ended, by its result; None: the entry is none."""
    return outcome(entry.kind, entry.fields.get("code")) if entry.family == "result" else None


def outcome(kind: str, code: Any) -> Outcome | None:
    """Return how a task ended, by its result's kind and error code; None: that is no result."""
    if kind in ("TaskCompletion", "WorkflowCompletion"):
        return "completed"
    if kind in ("TaskFailure", "WorkflowFailure"):
        return "cancelled" if code == ErrorCode.CANCELLED else "failed"
    return None


def clones_of(entry: Entry) -> set[str]:
    """Return the clones that an entry names as its own: in its body, or by its subject."""
    named = {clone} if (clone := text(entry.fields.get("clone"))) else set()
    if entry.subject.split(".")[1] in _CLONE_IN_SUBJECT:
        named.add(entry.subject.rpartition(".")[2])
    return named


def labels_of(entry: Entry) -> Mapping[str, Any]:
    """Return what an assignment or a result is to be found by."""
    labels = entry.fields.get("labels")
    return labels if isinstance(labels, dict) else {}


def writers_of(entry: Entry) -> set[str]:
    """Return who wrote an entry, or on whose word, as far as it says so: `ann@host` also as `ann`."""
    named = (entry.signer, *(text(entry.fields.get(name)) for name in BY))
    return {each for name in named if name for each in (name, name.partition("@")[0]) if each}


def _encoded(words: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(word.encode(errors="surrogateescape") for word in words)


def _may_hold(data: bytes, words: Iterable[bytes]) -> bool:
    """Tell whether a body may hold one of these words: JSON with escapes may, whatever it looks like."""
    return b"\\" in data or any(word in data for word in words)


def _canonical(value: Any) -> bytes:
    """Return `value` as JSON that escapes only what it has to; empty where it cannot be written."""
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError):  # MessagePack has values that JSON has not
        return b""
