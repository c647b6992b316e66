"""A world in which a run's commands come true when the test says so, with time that is counted in events."""

from datetime import UTC, datetime, timedelta
from typing import Any

from clones.workflows.advance import advance
from clones.workflows.commands import CancelTask, CancelWorkflow, Command, Finish, StartWorkflow, SubmitTask
from clones.workflows.state import State
from clones.workflows.views import lines, pruned
from schemas import (
    DecisionMade,
    StepEnded,
    StepLine,
    StepState,
    TimerFired,
    WorkflowBegun,
    WorkflowDefinition,
    WorkflowEntry,
    WorkflowEvent,
)

NOON = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)
RUN = "run-1"


def key_of(command: SubmitTask | StartWorkflow) -> str:
    """Return how tests name what is asked for: `scan`, `scan[2]`, `scan!` for its compensation."""
    return command.step + ("" if command.index is None else f"[{command.index}]") + "!" * is_undo(command)


def is_undo(command: Command) -> bool:
    return isinstance(command, SubmitTask) and command.compensation


def id_of(command: SubmitTask | StartWorkflow) -> str:
    return command.task_id if isinstance(command, SubmitTask) else command.workflow_id


class World:
    """One run and what it has asked for."""

    def __init__(self, definition: WorkflowDefinition, begun: WorkflowBegun | None = None, **given: Any) -> None:
        self.definition = definition
        self.at = NOON
        self.entries: list[WorkflowEntry] = []
        self.commands: list[tuple[Command, ...]] = []
        self.open: dict[str, SubmitTask | StartWorkflow] = {}
        self.asked: dict[str, SubmitTask | StartWorkflow] = {}
        self.cancelled: list[str] = []
        self.finish: Finish | None = None
        self._state: State | None = None
        self.tell(begun or WorkflowBegun(input=given))

    @property
    def state(self) -> State:
        assert self._state is not None
        return self._state

    def tell(self, event: WorkflowEvent) -> tuple[Command, ...]:
        """Store an event, a second after the one before, and note the commands that follow."""
        self.at += timedelta(seconds=1)
        self.entries.append(
            WorkflowEntry(
                workflow_id=RUN,
                workflow=self.definition.name,
                version=3,
                at=self.at,
                instance="omega-test",
                activation=1,
                events=(event,),
            )
        )
        self._state, commands = advance(self.definition, self._state, event, self.at, RUN, version=3)
        self.commands.append(commands)
        for command in commands:
            match command:
                case SubmitTask() | StartWorkflow():
                    assert key_of(command) not in self.asked, "asked for twice"
                    self.open[key_of(command)] = self.asked[key_of(command)] = command
                case CancelTask() | CancelWorkflow():
                    self.cancelled.append(command.step + ("" if command.index is None else f"[{command.index}]"))
                case Finish():
                    assert self.finish is None, "ended twice"
                    self.finish = command
        return commands

    def ended(self, key: str, *, code: str = "", **fields: Any) -> StepEnded:
        """Return the event that what was asked for as `key` has ended; with a code, failed."""
        command = self.asked[key]
        output = fields.pop("output", None)
        return StepEnded(
            step=command.step,
            index=command.index,
            compensation=is_undo(command),
            state="failed" if code else "completed",
            task_type=command.task_type if isinstance(command, SubmitTask) else "workflow",
            task_id=id_of(command),
            clone="delta",
            code=code,
            message=fields.pop("message", f"{code or 'done'} it"),
            output=None if code or is_undo(command) else pruned(self.definition, command.step, output),
            finished_at=self.at,
            **fields,
        )

    def end(self, key: str, **fields: Any) -> tuple[Command, ...]:
        event = self.ended(key, **fields)
        del self.open[key]
        return self.tell(event)

    def decide(self, step: str, verdict: Any = "approve", comment: str = "") -> tuple[Command, ...]:
        return self.tell(DecisionMade(step=step, verdict=verdict, decided_by="ann", comment=comment, command=7))

    def fire(self, step: str = "") -> tuple[Command, ...]:
        return self.tell(TimerFired(step=step))

    def line(self, step: str) -> StepLine:
        return next(line for line in lines(self.definition, self.state) if line.step == step)

    def states(self) -> dict[str, StepState]:
        return {line.step: line.state for line in lines(self.definition, self.state)}
