"""What the ledger may tell of one task: a pure fold of its entries, which names those that are no legal story.

The rules follow from `bus.attempts.turn` and from what a worker stores before it does what:

- An attempt is told of (TaskStarted) before it runs, but for the first one that an assignment's first delivery brings: that
  one is told of once it has run for 100 ms, so a short one, or one whose worker died at once, leaves nothing.
- The next attempt's number is one more than the last event's, or the same where that one was handed back unfinished.
- An attempt is allowed up to `forgiven + retries + 1`; one that failed on the last number parks the task or is its result.
- Only what the last event names may go on: events of an assignment that is not in charge any more are out of order.
- A server that was killed may have forgotten a first delivery, and brings the task as new: that first attempt, of which nothing
  was told yet, is then made by two at once, and told of twice.
- A worker that lost its lease says nothing more; but what it had sent before may arrive late, behind the next attempt's events.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas import (
    ErrorCode,
    TaskAsked,
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

MOST_ASSIGNMENTS = 256
"""Of one task; one that was handed over more often is judged no more."""
REMEMBERED = 64
"""An event that stands twice, because the answer to its publisher was lost, is known among so many before it."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """An assignment in the ledger."""

    assignment: TaskAssignment
    handed_to: str | None = None
    """The clone whose handover subject it stands on; None for the task's own subject."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger holds about one task."""

    sequence: int
    said: Assigned | TaskEvent | TaskResult


@dataclass(frozen=True, slots=True)
class Excused:
    """What may have happened to the network, and excuses what would be a breach otherwise."""

    server_died: bool = False
    zombies: bool = False
    """Whether a worker may have been cut off for longer than its lease, with words on their way: where what is told of an attempt
    does not fit what was told of it, or of a later one, two may have made it, and the order of what follows tells nothing."""


@dataclass(slots=True)
class Story:
    """Where a task stands, as its entries tell."""

    retries: int | None
    """Further attempts that the task is allowed, by its own word or its route's; None: not known."""
    parks: bool
    """Whether its route parks."""
    excused: Excused = Excused()
    judged: bool = True
    """Whether it is told at all where the story is not legal."""
    last: TaskEvent | None = None
    in_charge: int | None = None
    forgiven: int = 0
    told: bool = False
    """Whether the TaskStarted of the attempt under way was told."""
    first_starts: int = 0
    """How often a TaskStarted of the first attempt was told."""
    assigned: dict[int, str | None] = field(default_factory=dict)
    """By ledger sequence, to whom it was handed."""
    _said: dict[TaskEvent, None] = field(default_factory=dict)
    _breaches: list[str] = field(default_factory=list)

    def take(self, sequence: int, said: Assigned | TaskEvent | TaskResult) -> list[str]:
        """Take the task's next entry in, and return in words why it is not legal; empty where it is.

        The result's copy is the last one: what stands behind it is legal, whatever it is.
        """
        match said:
            case Assigned():
                self.assign(sequence, said.handed_to)
            case TaskEvent():
                if said not in self._said:
                    self._remember(said)
                    is_late = self._may_be_late(said)
                    self._follow(sequence, said)
                    self.judged = self.judged and not (is_late and self._breaches)
            case _:
                self._end(sequence, said)
        found, self._breaches = self._breaches, []
        return found if self.judged else []

    def assign(self, sequence: int, handed_to: str | None) -> None:
        """Take in an assignment. Of two that somebody stored under one id, both may begin, and nothing is judged any more."""
        is_second = handed_to is None and None in self.assigned.values()
        self.assigned[sequence] = handed_to
        self.judged = self.judged and not is_second and len(self.assigned) <= MOST_ASSIGNMENTS

    def _remember(self, event: TaskEvent) -> None:
        self._said[event] = None
        if len(self._said) > REMEMBERED:
            del self._said[next(iter(self._said))]

    @property
    def allowed(self) -> float:
        """The highest number that an attempt may have."""
        return float("inf") if self.retries is None else self.forgiven + self.retries + 1

    @property
    def next_attempt(self) -> int:
        """The next attempt's number."""
        match self.last:
            case None:
                return 1
            case TaskReassigned():
                return self.last.attempt
        return self.last.attempt + 1

    @property
    def runs(self) -> bool:
        """Whether an attempt is under way, or its worker has died."""
        return isinstance(self.last, TaskStarted | TaskProgress | TaskAsked)

    @property
    def may_run_untold(self) -> bool:
        """Whether the next attempt may be the one that a first delivery brings."""
        if self.last is None:
            return True
        handed_over = self.in_charge is not None and self.assigned.get(self.in_charge) is not None
        return isinstance(self.last, TaskResumed) and self.last.to is not None and handed_over

    def _may_be_late(self, event: TaskEvent) -> bool:
        """Tell whether a worker may have said this that had lost the task."""
        if not self.excused.zombies or self.last is None or isinstance(event, TaskResumed):
            return False
        return event.attempt <= self.last.attempt

    def _breach(self, sequence: int, event: TaskEvent, why: str) -> None:
        after = "nothing" if self.last is None else f"{type(self.last).__name__}({self.last.attempt})"
        self._breaches.append(f"#{sequence} {type(event).__name__}({event.attempt}) after {after}: {why}")

    def _follow(self, sequence: int, event: TaskEvent) -> None:
        self._judge_charge(sequence, event)
        match event:
            case TaskStarted():
                self._judge_start(sequence, event)
            case TaskProgress() | TaskAsked() | TaskRetrying() | TaskReassigned() | TaskParked():
                self._judge_attempt(sequence, event)
                if isinstance(event, TaskRetrying) and event.attempt >= self.allowed:
                    self._breach(sequence, event, f"no attempt is left, {self.allowed} are allowed")
                if isinstance(event, TaskParked) and not self.parks:
                    self._breach(sequence, event, "its route parks nothing")
                if isinstance(event, TaskParked) and self.retries is not None and event.attempt < self.allowed:
                    self._breach(sequence, event, f"attempts are left, {self.allowed} are allowed")
            case TaskResumed():
                self._judge_resumption(sequence, event)
        self.first_starts += isinstance(event, TaskStarted) and event.attempt == 1
        self.told = isinstance(event, TaskStarted) or (self.told and isinstance(event, TaskProgress | TaskAsked))
        self.last, self.in_charge, self.forgiven = event, event.sequence, event.forgiven

    def _judge_charge(self, sequence: int, event: TaskEvent) -> None:
        if event.sequence not in self.assigned:
            self._breach(sequence, event, f"no assignment #{event.sequence} stands before it")
        if isinstance(event, TaskResumed):
            return
        if self.last is not None and event.sequence != self.in_charge:
            self._breach(sequence, event, f"#{event.sequence} is not in charge, #{self.in_charge} is")
        if event.forgiven != self.forgiven:
            self._breach(sequence, event, f"it forgives {event.forgiven} attempts, and {self.forgiven} are forgiven")

    def _judge_start(self, sequence: int, event: TaskStarted) -> None:
        # A first delivery's own start is told after 100 ms; its handler may have reported progress before.
        of_last = self.last is not None and event.attempt == self.last.attempt
        late = isinstance(self.last, TaskProgress | TaskAsked) and not self.told and of_last
        first_again = self.runs and of_last and event.attempt == 1
        made_by_two = self.excused.server_died and first_again and self.first_starts == 1
        if isinstance(self.last, TaskParked):
            self._breach(sequence, event, "a parked task runs only once it is resumed")
        elif event.attempt != self.next_attempt and not late and not made_by_two:
            self._breach(sequence, event, f"attempt {self.next_attempt} is the next")
        if event.attempt > self.allowed:
            self._breach(sequence, event, f"only {self.allowed} attempts are allowed")

    def _judge_attempt(self, sequence: int, event: TaskEvent) -> None:
        """Hold what is told of an attempt under way against the attempt that is."""
        if self.runs and self.last is not None and event.attempt == self.last.attempt:
            return
        if self.may_run_untold and event.attempt == self.next_attempt:
            return
        under_way = f"attempt {self.last.attempt} is under way" if self.runs and self.last is not None else "none runs"
        self._breach(sequence, event, under_way)

    def _judge_resumption(self, sequence: int, event: TaskResumed) -> None:
        if self.last is None or not (isinstance(self.last, TaskParked) or self._is_handed_on(event)):
            self._breach(
                sequence, event, "only a parked task is resumed, or one that was handed to a clone handed to another"
            )
            return
        if (event.attempt, event.forgiven) != (self.last.attempt, self.last.attempt):
            self._breach(sequence, event, f"the {self.last.attempt} attempts before it are to be forgiven")
        handed_to = None if event.sequence is None else self.assigned.get(event.sequence)
        if event.to is None and event.sequence != self.in_charge:
            self._breach(sequence, event, f"it was handed to nobody, yet #{event.sequence} is put in charge")
        if event.to is not None and handed_to != event.to:
            self._breach(sequence, event, f"#{event.sequence} was not handed to {event.to}")
        if event.to is not None and event.sequence is not None and event.sequence <= (self.in_charge or 0):
            self._breach(sequence, event, f"#{event.sequence} is no later assignment")

    def _is_handed_on(self, event: TaskResumed) -> bool:
        """Tell whether a task that was handed to one clone is handed to another before that one took it."""
        return isinstance(self.last, TaskResumed) and self.last.to is not None and event.to is not None

    def _end(self, sequence: int, result: TaskResult) -> None:
        """Hold a result that a worker wrote, not Omega, against the attempts before it."""
        if not self.assigned:
            self._breaches.append(f"#{sequence} is the result of what was never submitted")
        if result.attempt > self.allowed:
            self._breaches.append(f"#{sequence} is the result of attempt {result.attempt}; {self.allowed} are allowed")
        lost = not isinstance(result, TaskCompletion) and result.code == ErrorCode.ATTEMPTS_EXHAUSTED
        if self.last is None and not result.attempt:
            return  # it killed its workers, so often as the server counts, before any of them could say so
        if lost and self.retries is not None and (not self.runs or result.attempt != self.allowed):
            self._breaches.append(f"#{sequence} says that {result.attempt} attempts were lost; the events do not")


def breaches(
    entries: Iterable[Entry], *, retries: int, parks: bool, server_died: bool = False, zombies: bool = False
) -> list[str]:
    """Return in words where the ledger's entries on one task, in its order, tell no legal story; empty where they do.

    `retries` is the route's, or the task's own. What stands behind the result's copy is legal, whatever it is.
    """
    story = Story(retries, parks, Excused(server_died, zombies))
    found: list[str] = []
    for entry in entries:
        found += story.take(entry.sequence, entry.said)
        if not isinstance(entry.said, Assigned | TaskEvent):
            break
    return found
