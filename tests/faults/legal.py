"""What a task's handler may have done, given its legal story in the ledger (`clones.completeness.stories`): a pure function."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from clones.completeness.stories import Assigned, Entry
from schemas import TaskEvent, TaskReassigned, TaskStarted


@dataclass(frozen=True)
class Execution:
    """What a handler's own journal tells of one call of it."""

    attempt: int
    sequence: int
    """Of the assignment that it was called for."""
    ended: str | None
    """How, in the handler's own words; None: it never came to an end (its process died)."""


def excesses(executions: Sequence[Execution], entries: Sequence[Entry], *, retries: int) -> list[str]:
    """Return in words where a task's handler was called more often than its entries in the ledger account for.

    `executions` are in the order in which they began. An attempt runs once, and once more for each time that it was handed
    back; the first one of an assignment may run again where its worker died before that was told.
    """
    said: list[str] = []
    events = [entry.said for entry in entries if isinstance(entry.said, TaskEvent)]
    forgiven = max((event.forgiven for event in events), default=0)
    handed_back = Counter(event.attempt for event in events if isinstance(event, TaskReassigned))
    first: dict[int, int] = {}
    for execution in executions:
        first.setdefault(execution.sequence, execution.attempt)
    calls = Counter(execution.attempt for execution in executions)
    for attempt, count in sorted(calls.items()):
        untold = attempt in first.values()
        if count > 1 + handed_back[attempt] + untold:
            said.append(f"attempt {attempt} ran {count} times and was handed back {handed_back[attempt]} times")
    if executions and max(calls) > forgiven + retries + 1:
        said.append(f"attempt {max(calls)} ran; {forgiven} were forgiven and {retries} retries are allowed")
    if sorted(calls) != list(range(1, len(calls) + 1)):
        numbers = [execution.attempt for execution in executions]
        if (gaps := set(range(1, max(numbers, default=0) + 1)) - set(numbers)) - _died_before_they_ran(events):
            said.append(f"the attempts {sorted(gaps)} are missing among {numbers}")
    in_order = [execution.attempt for execution in executions]
    if in_order != sorted(in_order):
        said.append(f"attempts ran in the order {in_order}")
    known = {entry.sequence for entry in entries if isinstance(entry.said, Assigned)}
    if strange := {execution.sequence for execution in executions} - known:
        said.append(f"it ran for the entries {sorted(strange)}, which are no assignments of it")
    return said


def _died_before_they_ran(events: Iterable[TaskEvent]) -> set[int]:
    """Return the attempts that were told of: their workers may have died, or drained, before the handlers began."""
    return {event.attempt for event in events if isinstance(event, TaskStarted)}
