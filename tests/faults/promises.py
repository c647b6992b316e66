"""What must be true of a realm once all has healed and drained, read from the server and from the handlers' own journal.

Each check returns what is wrong in words, with the task that it is about.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from bus.delivery import from_ledger
from bus.identity import OMEGA
from bus.intake import Request, read
from bus.jetstream import StoredMessage
from bus.subjects import COMMAND_TYPE, ESCALATION_TYPE, Subjects
from clones.completeness.stories import Assigned, Entry, breaches
from schemas import (
    AnyTaskEvent,
    Command,
    ErrorCode,
    RecoveryAction,
    TaskAssignment,
    TaskCancel,
    TaskCompletion,
    TaskEvent,
    TaskFailure,
    TaskParked,
    TaskResult,
    TaskResumed,
    TaskRetrying,
    decode,
)
from tests.faults.legal import Execution, excesses
from tests.faults.machine_processes import TABLE, Act, Note, Place

Task = tuple[str, str]
"""A task's type and id."""
Wrong = tuple[Task, str]

_REFUSALS = (ErrorCode.COMMAND_REFUSED, ErrorCode.INVALID_ASSIGNMENT)
_CODES = {
    "fails": ErrorCode.TARGET_UNAVAILABLE,
    "refuses": ErrorCode.INCOMPATIBLE_TASK,
    "raises": ErrorCode.HANDLER_FAILED,
}


@dataclass
class Asked:
    """What this side knows to be stored, and done."""

    tasks: dict[Task, tuple[Act, ...]] = field(default_factory=dict)
    """Each with its script."""
    commands: set[int] = field(default_factory=set)
    """Their numbers in the ledger."""
    disturbed: bool = False
    """Whether a process was killed, frozen or drained: then attempts may be lost."""


class Ledger:
    """All that one realm holds, by task."""

    def __init__(self, subjects: Subjects, ledger: Sequence[StoredMessage], results: Sequence[StoredMessage]) -> None:
        self.entries: dict[Task, list[Entry]] = defaultdict(list)
        self.results: dict[Task, TaskResult] = {}
        self.events: list[TaskEvent] = []
        self.copies: list[str] = []
        """The subjects of the results that the ledger holds."""
        self.stored: list[str] = [message.subject for message in results]
        self.commands: dict[int, Command] = {}
        self.escalations: list[int] = []
        for message in results:
            result: TaskResult = decode(TaskResult, message.data)
            self.results[result.task_type, result.task_id] = result
        for message in ledger:
            self._take(subjects, message)

    def _take(self, subjects: Subjects, message: StoredMessage) -> None:
        match message.subject.split("."):
            case [_, "task" | "handover" as family, task_type, *rest]:
                request = read(subjects, task_type, from_ledger(message))
                assert isinstance(request, Request), message
                assigned = Assigned(request.assignment, rest[0] if family == "handover" else None)
                self.entries[task_type, request.id].append(Entry(message.sequence, assigned))
            case [_, "event", task_type, task_id]:
                event: TaskEvent = decode(AnyTaskEvent, message.data)
                self.entries[task_type, task_id].append(Entry(message.sequence, event))
                self.events.append(event)
            case [_, "result", task_type, task_id]:
                self.copies.append(message.subject)
                result: TaskResult = decode(TaskResult, message.data)
                self.entries[task_type, task_id].append(Entry(message.sequence, result))
            case [_, "command", _]:
                self.commands[message.sequence] = decode(Command, message.data)
            case [_, "escalation", *_]:
                self.escalations.append(message.sequence)

    def assignments(self, task: Task) -> list[TaskAssignment]:
        return [entry.said.assignment for entry in self.entries[task] if isinstance(entry.said, Assigned)]

    def parked(self) -> dict[Task, int]:
        """Return the tasks that wait for a decision, each with its newest event's number."""
        return {
            task: entries[-1].sequence
            for task, entries in self.entries.items()
            if task not in self.results and isinstance(entries[-1].said, TaskParked)
        }

    def open_tasks(self) -> list[Task]:
        """Return those without a result, and those that are parked although they have one."""
        return [
            task
            for task, entries in self.entries.items()
            if task not in self.results or any(isinstance(entry.said, TaskParked) for entry in entries)
        ]


def wrongs(asked: Asked, ledger: Ledger, place: Place) -> list[Wrong]:
    """Return all that is not as it must be."""
    executions: dict[str, list[Execution]] = defaultdict(list)
    for begun, end in _calls(place.notes()):
        executions[begun.task_id].append(Execution(begun.attempt, begun.sequence, end))
    return [
        *_of_results(asked, ledger),
        *_of_stories(asked, ledger, executions),
        *_of_verdicts(ledger),
        *_of_predictions(asked, ledger),
    ]


def _of_results(asked: Asked, ledger: Ledger) -> list[Wrong]:
    known = {task for task in ledger.entries if ledger.assignments(task)}
    known |= {(COMMAND_TYPE, f"seq-{number}") for number in ledger.commands}
    known |= {(ESCALATION_TYPE, f"seq-{number}") for number in ledger.escalations}
    accepted = asked.tasks.keys() | {(COMMAND_TYPE, f"seq-{number}") for number in asked.commands}
    found = [(task, "it was accepted and is not in the ledger") for task in accepted - known]
    found += [(task, "it has no result") for task in known - ledger.results.keys()]
    found += [(task, "it has a result and was never submitted") for task in ledger.results.keys() - known]
    if len(set(ledger.copies)) != len(ledger.copies):
        found.append((("", ""), f"the ledger holds a result twice: {sorted(ledger.copies)}"))
    return found


def _of_stories(asked: Asked, ledger: Ledger, executions: dict[str, list[Execution]]) -> list[Wrong]:
    found: list[Wrong] = []
    for task, entries in ledger.entries.items():
        route, assignments = TABLE.routes.get(task[0]), ledger.assignments(task)
        if route is None or not assignments:
            continue
        retries = route.retries if assignments[0].retries is None else assignments[0].retries
        said = breaches(entries, retries=retries, parks=route.when_exhausted != "fail")
        said += excesses(executions[task[1]], entries, retries=retries)
        founded = task not in ledger.results or _is_founded(
            ledger.results[task], assignments, executions[task[1]], disturbed=asked.disturbed
        )
        if not founded:
            ends = [(each.attempt, each.ended) for each in executions[task[1]]]
            said.append(f"it ended with {brief(ledger.results[task])}, and its executions with {ends}")
        found += [(task, each) for each in said]
    return found


def _is_founded(
    result: TaskResult, assignments: Sequence[TaskAssignment], executions: Sequence[Execution], *, disturbed: bool
) -> bool:
    """Tell whether somebody may have written this: an execution that ended so, a command, or whoever keeps the limits.

    A process that is killed just after its handler has noted its end has told nobody of it.
    """
    ends = [execution.ended for execution in executions if execution.attempt == result.attempt]
    by_command = result.writer.startswith("command-")
    if isinstance(result, TaskCompletion):
        return by_command or ("done" in ends and result.output["attempt"] == result.attempt)
    limited = any((each.schedule_to_start_s or each.schedule_to_close_s) is not None for each in assignments)
    founded: dict[str, bool] = {
        ErrorCode.CANCELLED: by_command,
        ErrorCode.FAILED_BY_OPERATOR: by_command,
        ErrorCode.DEADLINE_EXCEEDED: limited,
        ErrorCode.START_TO_CLOSE_TIMEOUT: any(each.timeout_s is not None for each in assignments),
        ErrorCode.ATTEMPTS_EXHAUSTED: disturbed or any(end in (None, "cancelled") for end in ends) or not ends,
        **{code: end in ends for end, code in _CODES.items()},
    }
    return founded.get(result.code, False)


def _of_verdicts(ledger: Ledger) -> list[Wrong]:
    """Hold each command's verdict against what it changed: a refused one nothing, another one exactly what it says."""
    found: list[Wrong] = []
    ended_by = {result.writer: task for task, result in ledger.results.items()}
    resumed_by = {event.command for event in ledger.events if isinstance(event, TaskResumed)}
    for number, command in ledger.commands.items():
        verdict = ledger.results.get((COMMAND_TYPE, f"seq-{number}"))
        if verdict is None or not isinstance(command, TaskCancel | RecoveryAction):
            continue
        task = command.task_type, command.task_id
        done = isinstance(verdict, TaskCompletion)
        said: list[str] = []
        if isinstance(verdict, TaskFailure) and verdict.code not in _REFUSALS:
            said.append("it is no refusal")
        if done and task not in ledger.results:
            said.append("the task has no result")
        if isinstance(command, RecoveryAction) and command.action in ("retry", "reassign"):
            again = verdict.output.get("new_task_id") if isinstance(verdict, TaskCompletion) else None
            if (number in resumed_by) != (done and again is None):
                said.append("the events say otherwise")
            if again is not None and ledger.results[task[0], again].retry_of != task[1]:
                said.append(f"{again} is not this task run again")
            if again is not None and command.by == OMEGA:
                said.append("a task that had ended, as somebody wanted, was run again of Omega's own accord")
        elif done != (ended_by.get(f"command-{number}") == task):
            said.append("its result says otherwise")
        found += [(task, f"the verdict on #{number} is {brief(verdict)}: {each}") for each in said]
    return found


def _of_predictions(asked: Asked, ledger: Ledger) -> list[Wrong]:
    """Where nobody meddled with a task, its script tells its end.

    An attempt whose lease ended as the machine stood still is one that the ledger tells no end of; `_of_stories` judges those.
    """
    steered = {
        (each.task_type, each.task_id)
        for each in ledger.commands.values()
        if isinstance(each, TaskCancel | RecoveryAction)
    }
    found: list[Wrong] = []
    for task, script in asked.tasks.items():
        assignment, result = ledger.assignments(task)[0], ledger.results.get(task)
        is_limited = assignment.schedule_to_start_s or assignment.schedule_to_close_s
        untold = any(act.ends in ("hangs", "dies") for act in script)
        if asked.disturbed or is_limited or untold or task in steered or result is None:
            continue
        retries = TABLE.routes[task[0]].retries if assignment.retries is None else assignment.retries
        acts = [script[min(number, len(script) - 1)] for number in range(retries + 1)]
        if isinstance(result, TaskFailure) and result.code == ErrorCode.ATTEMPTS_EXHAUSTED:
            continue
        failed = {entry.said.attempt for entry in ledger.entries[task] if isinstance(entry.said, TaskRetrying)}
        lost = set(range(1, result.attempt)) - failed
        ends = [number for number, act in enumerate(acts, 1) if act.ends in ("done", "refuses") and number not in lost]
        last = ends[0] if ends else retries + 1
        expected = last, _CODES.get(acts[last - 1].ends)
        if expected != (result.attempt, result.code if isinstance(result, TaskFailure) else None):
            found.append((task, f"it was to end with {expected} and ended with {brief(result)}"))
    return found


def _calls(notes: Sequence[Note]) -> list[tuple[Note, str | None]]:
    """Return each call of a handler and how it ended: of one task, an instance has one at a time, or the last one is what ends."""
    calls: list[tuple[Note, str | None]] = []
    running: dict[tuple[str, str, int], int] = {}
    for note in notes:
        key = note.instance, note.task_id, note.attempt
        if note.what == "starts":
            running[key] = len(calls)
            calls.append((note, None))
        elif note.task_id:
            calls[running[key]] = calls[running[key]][0], note.what
    return calls


def told(ledger: Ledger, place: Place, about: Collection[Task]) -> str:
    """Return the stories of some tasks, for whoever has to find out what happened."""
    lines: list[str] = []
    notes = place.notes()
    for task in dict.fromkeys(about):
        lines += [f"{task}:", *(f"    #{entry.sequence} {brief(entry.said)}" for entry in ledger.entries.get(task, ()))]
        lines += [f"    {note}" for note in notes if note.task_id == task[1]]
        lines.append(f"    result: {brief(ledger.results.get(task))}")
        for number, command in ledger.commands.items():
            if isinstance(command, TaskCancel | RecoveryAction) and (command.task_type, command.task_id) == task:
                verdict = ledger.results.get((COMMAND_TYPE, f"seq-{number}"))
                lines += [f"    #{number} {command}", f"        {brief(verdict)}"]
    log = place.journal.with_suffix(".log")
    return "\n".join([*lines, log.read_text()[-4000:] if log.exists() else ""])


def brief(said: object) -> str:
    """Return what counts of an entry, on one line."""
    match said:
        case Assigned():
            asked = said.assignment
            limits = f"{asked.schedule_to_start_s} {asked.schedule_to_close_s} {asked.timeout_s} {asked.retries}"
            return f"assigned to {said.handed_to}, {limits}: {[each['ends'] for each in asked.params['script']]}"
        case TaskEvent():
            name = f"{type(said).__name__}({said.attempt})"
            return f"{name} by {said.instance} for #{said.sequence}, {said.forgiven} forgiven, {said.at:%S.%f}"
        case TaskFailure():
            who = f"{said.instance} {said.writer}"
            return f"{said.code}({said.attempt}) by {who} at {said.finished_at:%S.%f}: {said.message}"
        case TaskCompletion():
            who = f"{said.instance} {said.writer}"
            return f"done({said.attempt}) by {who} at {said.finished_at:%S.%f}: {said.summary} {said.output}"
    return str(said)
