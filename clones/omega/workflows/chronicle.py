"""A run's history as its driver knows it: the state that follows from it, and how it grows, by compare-and-set."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from bus.histories import Written
from bus.journal import insist
from bus.task import Task
from clones.omega.clock import Clock
from clones.omega.workflows.ports import Histories
from clones.workflows.advance import advance
from clones.workflows.commands import Command
from clones.workflows.state import State
from schemas import WorkflowDefinition, WorkflowEntry, WorkflowEvent, encode

MOST_BYTES = 256 * 1024
"""Of the events of one entry, unless it is one event alone."""
HEADROOM_BYTES = 4096
"""What an entry needs beside its events."""


class Overtaken(Exception):
    """A later activation has the run."""


class Chronicle:
    """The history of the run that one driver drives."""

    def __init__(self, task: Task, histories: Histories, clock: Clock, note: Callable[[WorkflowEvent], None]) -> None:
        """Take what hears of each event once the state has it."""
        self.definition: WorkflowDefinition
        """Set before anything is taken in."""
        self._task = task
        self._histories = histories
        self._clock = clock
        self._note = note
        self._state: State | None = None
        self._last = 0
        """The sequence of the run's newest entry that is taken in."""

    @property
    def state(self) -> State:
        """What is taken in has made of the run."""
        if self._state is None:
            raise RuntimeError(f"the history of {self._task.id} does not begin with its beginning")
        return self._state

    def take_in(self, written: Iterable[Written]) -> Sequence[Command]:
        """Bring the state up to entries that stand; returns what they want done.

        Raises:
            Overtaken: one is of a later activation.
        """
        commands: list[Command] = []
        for each in written:
            if each.entry.activation > self._task.sequence:
                raise Overtaken
            for event in each.entry.events:
                self._state, more = advance(
                    self.definition, self._state, event, each.entry.at, self._task.id, version=each.entry.version
                )
                commands += more
                self._note(event)
            self._last = each.sequence
        return commands

    async def added(self) -> list[Written]:
        """Return what stands behind all that is taken in."""
        return await insist(lambda: self._histories.read(self._task.id, after=self._last))

    def entry(self, events: Sequence[WorkflowEvent], version: int) -> WorkflowEntry:
        """Return an entry as this driver writes it."""
        return WorkflowEntry(
            workflow_id=self._task.id,
            workflow=self.definition.name,
            version=version,
            at=self._clock.now(),
            instance=self._task.instance,
            activation=self._task.sequence,
            events=tuple(events),
        )

    async def store(self, entry: WorkflowEntry) -> int | None:
        """Store an entry behind what is taken in, and return its number; None where the history has grown meanwhile.

        After an answer that was lost, it may be by this very entry that it has.
        """
        return await insist(partial(self._histories.append, entry, last=self._last))

    async def record(self, events: Sequence[WorkflowEvent]) -> Sequence[Command]:
        """Store those of `events` that are news, and take in what stands by then; returns what is to be done for all of it."""
        commands: list[Command] = []
        for part in parts(events):
            wanted: Sequence[WorkflowEvent] = part
            while wanted:
                entry = self.entry(wanted, self.state.version)
                sequence = await self.store(entry)
                if sequence is not None:
                    commands += self.take_in([Written(sequence, entry.at, entry)])
                    break
                # Somebody has told the run something, or the answer to this very append was lost.
                commands += self.take_in(await self.added())
                wanted = [event for event in wanted if self._is_news(event)]
        return commands

    def _is_news(self, event: WorkflowEvent) -> bool:
        state = self.state
        after, commands = advance(
            self.definition, state, event, self._clock.now(), self._task.id, version=state.version
        )
        return bool(commands) or after is not state


def parts(events: Sequence[WorkflowEvent]) -> list[list[WorkflowEvent]]:
    """Return events in order, in parts of at most `MOST_BYTES` or of one event."""
    if len(events) == 1:
        return [list(events)]
    made: list[list[WorkflowEvent]] = []
    size = MOST_BYTES
    for event in events:
        more = len(encode(event))
        if size + more > MOST_BYTES:
            made.append([])
            size = 0
        made[-1].append(event)
        size += more
    return made
