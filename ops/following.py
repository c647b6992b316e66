"""Following a run of a workflow: how its steps fare, by its history and by what their tasks report while they run."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from bus.definitions import Definitions
from bus.errors import SanctuaryError
from bus.ledger import entries
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from clones.workflows.advance import advance
from clones.workflows.commands import Command, StartWorkflow, SubmitTask
from clones.workflows.state import State
from clones.workflows.views import lines
from ops.flaws import flawed_steps
from ops.history_words import of_line, place
from schemas import (
    AnyTaskEvent,
    SchemaError,
    StepEnded,
    StepLine,
    TaskParked,
    TaskProgress,
    TaskReassigned,
    TaskResumed,
    TaskRetrying,
    TaskStarted,
    WorkflowDefinition,
    WorkflowEntry,
    WorkflowWaiting,
    decode,
)

LOOK_EVERY_S = 1.0
"""The history is read this often, whatever was heard."""
MOST_TASKS = 64
"""Tasks that are listened to at once; of others one hears when they end."""
OVER = ("completed", "failed", "skipped", "cancelled")
"""States of steps that have ended."""


class StepNews(msgspec.Struct, frozen=True, kw_only=True):
    """How one step of a run fares now."""

    step: str
    kind: str
    """As in StepLine."""
    state: str
    """As in StepLine; `retrying` and `parked` too."""
    clone: str = ""
    fraction: float = 0.0
    """How far it has come: what its task reports, or how many elements of its fan-out have ended."""
    text: str = ""
    flawed: bool = False
    """Of what is completed: not all is well with what was looked at."""


OnNews = Callable[[StepNews], None]


class Following:
    """Tells how the steps of one run fare. Use as an async context manager: it tells while it is open."""

    def __init__(self, network: Network, definitions: Definitions, workflow_id: str, on_news: OnNews) -> None:
        """Take what hears of each change; the first time it hears of all steps, in the definition's order."""
        self._network = network
        self._definitions = definitions
        self._id = workflow_id
        self._on_news = on_news
        self._wake = asyncio.Event()
        self._looking = asyncio.Lock()
        self._next = 1
        self._definition: WorkflowDefinition | None = None
        self._state: State | None = None
        self._lines: dict[str, tuple[StepLine, int]] = {}
        self._ended: Counter[str] = Counter()
        self._flawed: set[str] = set()
        self._tasks: dict[str, Subscription] = {}
        self.begun = asyncio.Event()
        """Set once the run has a history."""

    async def __aenter__(self) -> "Following":
        subject = self._network.subjects.history(self._id)
        self._subscription = await self._network.client.listen(subject, lambda _: self._wake.set())
        self._work = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)
        if not self._network.client.is_closed:
            for subscription in (self._subscription, *self._tasks.values()):
                await subscription.unsubscribe()

    async def _run(self) -> None:
        while True:
            # What cannot be read just now is read the next time.
            with contextlib.suppress(SanctuaryError, NatsError):
                await self.look()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_S)
            self._wake.clear()

    async def look(self) -> None:
        """Tell what the history says by now.

        Raises:
            SanctuaryError: it cannot be read.
        """
        async with self._looking:
            commands: list[Command] = []
            ended: list[StepEnded] = []
            subject = self._network.subjects.history(self._id)
            async for message in entries(self._network, subject, start=self._next):
                with contextlib.suppress(SchemaError):
                    entry: WorkflowEntry = decode(WorkflowEntry, message.data)
                    await self._know(entry)
                    commands += self._take(entry)
                    ended += [event for event in entry.events if isinstance(event, StepEnded)]
                self._next = message.sequence + 1
            self._flawed |= await flawed_steps(self._network, ended)
            self._tell()
            await self._listen(commands, {event.task_id for event in ended})

    async def _know(self, entry: WorkflowEntry) -> None:
        """Read the run's definition, at its first entry."""
        if self._definition is None:
            found = await self._definitions.version(entry.workflow, entry.version)
            self._definition = found.definition if found else None
            self.begun.set()

    def _take(self, entry: WorkflowEntry) -> list[Command]:
        """Advance by an entry; returns what follows from it."""
        wanted: list[Command] = []
        if self._definition is not None:
            for event in entry.events:
                self._state, commands = advance(
                    self._definition, self._state, event, entry.at, self._id, version=entry.version
                )
                wanted += commands
                if isinstance(event, StepEnded) and not event.compensation:
                    self._ended[event.step] += 1
        return wanted

    def _tell(self) -> None:
        if self._definition is None or self._state is None:
            return
        for line in lines(self._definition, self._state):
            now = line, self._ended[line.step]
            if self._lines.get(line.step) != now:
                self._lines[line.step] = now
                self._on_news(self._news(line))

    def _news(self, line: StepLine) -> StepNews:
        done = self._ended[line.step] / line.items if line.items else 0.0
        return StepNews(
            step=line.step,
            kind=line.kind,
            state=line.state,
            clone=line.clone,
            fraction=1.0 if line.state in OVER else done,
            text=of_line(line, self._ended[line.step]),
            flawed=line.state == "completed" and line.step in self._flawed,
        )

    async def _listen(self, commands: Iterable[Command], ended: set[str]) -> None:
        """Hear what the tasks of these commands report, as long as they run."""
        for task_id in ended & self._tasks.keys():
            await self._tasks.pop(task_id).unsubscribe()
        for command in commands:
            match command:
                case SubmitTask(compensation=False):
                    task_type, task_id = command.task_type, command.task_id
                case StartWorkflow():
                    task_type, task_id = WORKFLOW_TYPE, command.workflow_id
                case _:
                    continue
            if task_id in ended or task_id in self._tasks or len(self._tasks) >= MOST_TASKS:
                continue
            subject = self._network.subjects.event(task_type, task_id)
            self._tasks[task_id] = await self._network.client.listen(subject, self._reporter(command))

    def _reporter(self, command: SubmitTask | StartWorkflow) -> Callable[[Msg], None]:
        def report(message: Msg) -> None:
            with contextlib.suppress(SchemaError):
                event: AnyTaskEvent = decode(AnyTaskEvent, message.data)
                line, ended = self._lines[command.step]
                told = news_of(event)
                if told is None or line.state in OVER:
                    return
                state, fraction, text = told
                if line.items:
                    fraction, text = ended / line.items, f"{place(command.step, command.index)}: {text}"
                    state = "running"
                clone = "" if line.kind == WORKFLOW_TYPE else event.clone
                self._on_news(
                    StepNews(step=line.step, kind=line.kind, state=state, clone=clone, fraction=fraction, text=text)
                )

        return report


def news_of(event: AnyTaskEvent) -> tuple[str, float, str] | None:  # noqa: PLR0911  one for each kind of event
    """Return what an event of a step's task says of the step: its state, how far it has come, and a text; None: nothing."""
    match event:
        case TaskStarted():
            return "running", 0.0, f"attempt {event.attempt}" if event.attempt > 1 else ""
        case TaskProgress():
            return "running", event.fraction, event.message
        case TaskRetrying():
            return "retrying", 0.0, f"{event.code}: {event.message}"
        case TaskParked():
            return "parked", 0.0, f"waits for a decision: {event.code}: {event.message}"
        case WorkflowWaiting():
            return "running", 0.0, event.message
        case TaskReassigned() | TaskResumed():
            return "running", 0.0, ""
    return None
