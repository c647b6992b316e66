"""What the ledger may tell of one task, and what its handler may have done meanwhile: pure functions, for stories from anywhere.

The rules follow from `bus.attempts.turn` and from what a worker stores before it does what:

- An attempt is told of (TaskStarted) before it runs, but for the first one that an assignment's first delivery brings: that
  one is told of once it has run for 100 ms, so a short one, or one whose worker died at once, leaves nothing.
- The next attempt's number is one more than the last event's, or the same where that one was handed back unfinished.
- An attempt is allowed up to `forgiven + retries + 1`; one that failed on the last number parks the task or is its result.
- Only what the last event names may go on: events of an assignment that is not in charge any more are out of order.
- A server that was killed may have forgotten a first delivery, and brings the task as new: that first attempt, of which nothing
  was told yet, is then made by two at once, and told of twice.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from schemas import (
    ErrorCode,
    TaskAssignment,
    TaskCompletion,
    TaskEvent,
    TaskParked,
    TaskProgress,
    TaskReassigned,
    TaskResult,
    TaskResumed,
    TaskRetrying,
    TaskStarted,
)


@dataclass(frozen=True)
class Assigned:
    """An assignment in the ledger."""

    assignment: TaskAssignment
    handed_to: str | None = None
    """The clone whose handover subject it stands on; None for the task's own subject."""


@dataclass(frozen=True)
class Entry:
    """What the ledger holds about one task."""

    sequence: int
    said: Assigned | TaskEvent | TaskResult


@dataclass(frozen=True)
class Execution:
    """What a handler's own journal tells of one call of it."""

    attempt: int
    sequence: int
    """Of the assignment that it was called for."""
    ended: str | None
    """How, in the handler's own words; None: it never came to an end (its process died)."""


@dataclass
class _Life:
    """Where a task stands, as its events tell."""

    retries: int
    server_died: bool = False
    last: TaskEvent | None = None
    in_charge: int | None = None
    forgiven: int = 0
    told: bool = False
    """Whether the TaskStarted of the attempt under way was told."""
    first_starts: int = 0
    """How often a TaskStarted of the first attempt was told."""
    assigned: dict[int, str | None] = field(default_factory=dict)
    """By ledger sequence, to whom it was handed."""
    breaches: list[str] = field(default_factory=list)

    @property
    def allowed(self) -> int:
        return self.forgiven + self.retries + 1

    @property
    def next_attempt(self) -> int:
        match self.last:
            case None:
                return 1
            case TaskReassigned():
                return self.last.attempt
        return self.last.attempt + 1

    @property
    def runs(self) -> bool:
        """Whether an attempt is under way, or its worker has died."""
        return isinstance(self.last, TaskStarted | TaskProgress)

    @property
    def may_run_untold(self) -> bool:
        """Whether the next attempt may be the one that a first delivery brings."""
        if self.last is None:
            return True
        handed_over = self.in_charge is not None and self.assigned.get(self.in_charge) is not None
        return isinstance(self.last, TaskResumed) and self.last.to is not None and handed_over

    def breach(self, sequence: int, event: TaskEvent, why: str) -> None:
        after = "nothing" if self.last is None else f"{type(self.last).__name__}({self.last.attempt})"
        self.breaches.append(f"#{sequence} {type(event).__name__}({event.attempt}) after {after}: {why}")


def breaches(entries: Iterable[Entry], *, retries: int, parks: bool, server_died: bool = False) -> list[str]:
    """Return in words where the ledger's entries on one task, in its order, tell no legal story; empty where they do.

    `retries` is the route's, or the task's own. What stands behind the result's copy is legal, whatever it is; a task that
    was submitted twice under one id is none of this function's business.
    """
    life = _Life(retries, server_died)
    said: set[TaskEvent] = set()
    for entry in entries:
        match entry.said:
            case Assigned():
                life.assigned[entry.sequence] = entry.said.handed_to
            case TaskEvent() as event:
                if event in said:
                    continue  # the answer to its publisher was lost
                said.add(event)
                _follow(life, entry.sequence, event, parks=parks)
            case result:
                _end(life, entry.sequence, result)
                break
    return life.breaches


def _follow(life: _Life, sequence: int, event: TaskEvent, *, parks: bool) -> None:
    _judge_charge(life, sequence, event)
    match event:
        case TaskStarted():
            _judge_start(life, sequence, event)
        case TaskProgress() | TaskRetrying() | TaskReassigned() | TaskParked():
            _judge_attempt(life, sequence, event)
            if isinstance(event, TaskRetrying) and event.attempt >= life.allowed:
                life.breach(sequence, event, f"no attempt is left, {life.allowed} are allowed")
            if isinstance(event, TaskParked) and not parks:
                life.breach(sequence, event, "its route parks nothing")
            if isinstance(event, TaskParked) and event.attempt < life.allowed:
                life.breach(sequence, event, f"attempts are left, {life.allowed} are allowed")
        case TaskResumed():
            _judge_resumption(life, sequence, event)
    life.first_starts += isinstance(event, TaskStarted) and event.attempt == 1
    life.told = isinstance(event, TaskStarted) or (life.told and isinstance(event, TaskProgress))
    life.last, life.in_charge, life.forgiven = event, event.sequence, event.forgiven


def _judge_charge(life: _Life, sequence: int, event: TaskEvent) -> None:
    if event.sequence not in life.assigned:
        life.breach(sequence, event, f"no assignment #{event.sequence} stands before it")
    if isinstance(event, TaskResumed):
        return
    if life.last is not None and event.sequence != life.in_charge:
        life.breach(sequence, event, f"#{event.sequence} is not in charge, #{life.in_charge} is")
    if event.forgiven != life.forgiven:
        life.breach(sequence, event, f"it forgives {event.forgiven} attempts, and {life.forgiven} are forgiven")


def _judge_start(life: _Life, sequence: int, event: TaskStarted) -> None:
    # A first delivery's own start is told after 100 ms; its handler may have reported progress before.
    late = isinstance(life.last, TaskProgress) and not life.told and event.attempt == life.last.attempt
    first_again = life.runs and life.last is not None and event.attempt == life.last.attempt == 1
    made_by_two = life.server_died and first_again and life.first_starts == 1
    if isinstance(life.last, TaskParked):
        life.breach(sequence, event, "a parked task runs only once it is resumed")
    elif event.attempt != life.next_attempt and not late and not made_by_two:
        life.breach(sequence, event, f"attempt {life.next_attempt} is the next")
    if event.attempt > life.allowed:
        life.breach(sequence, event, f"only {life.allowed} attempts are allowed")


def _judge_attempt(life: _Life, sequence: int, event: TaskEvent) -> None:
    """Hold what is told of an attempt under way against the attempt that is."""
    if life.runs and life.last is not None and event.attempt == life.last.attempt:
        return
    if life.may_run_untold and event.attempt == life.next_attempt:
        return
    under_way = f"attempt {life.last.attempt} is under way" if life.runs and life.last is not None else "none runs"
    life.breach(sequence, event, under_way)


def _judge_resumption(life: _Life, sequence: int, event: TaskResumed) -> None:
    if not isinstance(life.last, TaskParked):
        life.breach(sequence, event, "only a parked task is resumed")
        return
    if (event.attempt, event.forgiven) != (life.last.attempt, life.last.attempt):
        life.breach(sequence, event, f"the {life.last.attempt} attempts before it are to be forgiven")
    handed_to = None if event.sequence is None else life.assigned.get(event.sequence)
    if event.to is None and event.sequence != life.in_charge:
        life.breach(sequence, event, f"it was handed to nobody, yet #{event.sequence} is put in charge")
    if event.to is not None and handed_to != event.to:
        life.breach(sequence, event, f"#{event.sequence} was not handed to {event.to}")
    if event.to is not None and event.sequence is not None and event.sequence <= (life.in_charge or 0):
        life.breach(sequence, event, f"#{event.sequence} is no later assignment")


def _end(life: _Life, sequence: int, result: TaskResult) -> None:
    """Hold a result that a worker wrote, not Omega, against the attempts before it."""
    if not life.assigned:
        life.breaches.append(f"#{sequence} is the result of what was never submitted")
    if result.attempt > life.allowed:
        life.breaches.append(f"#{sequence} is the result of attempt {result.attempt}; {life.allowed} are allowed")
    lost = not isinstance(result, TaskCompletion) and result.code == ErrorCode.ATTEMPTS_EXHAUSTED
    if lost and (not life.runs or result.attempt != life.allowed):
        life.breaches.append(f"#{sequence} says that {result.attempt} attempts were lost; the events do not")


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
