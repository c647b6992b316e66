"""The ledger, taken in entry by entry: who was asked for what and has not ended yet, and what does not fit. Pure.

Memory holds what has not ended, whatever the ledger's length: a task is forgotten with its result, but for some that ended
last. So what comes behind a result long after it (a zombie's event, an id that is used again) is a doubt, which a look into the
ledger clears (`clones.completeness.looking`). What is open can be had as the numbers of its entries, and taken in again from them.
"""

from collections.abc import Collection, Iterable

from bus.delivery import from_ledger
from bus.intake import Refusal, is_wake_up, read
from bus.jetstream import StoredMessage
from bus.journal import event_of
from bus.subjects import COMMAND_TYPE, ESCALATION_TYPE, INSTANCE_TYPE, RESERVED_TYPES, WORKFLOW_TYPE, Subjects
from clones.completeness.findings import Doubt, Finding, Key, Rule, finding_about, number_in
from clones.completeness.followed import Followed, Pieces, make_patchy
from clones.completeness.limits import Limits
from clones.completeness.stories import Assigned
from clones.omega.once import is_new_task
from clones.omega.strays import UNNAMEABLE_TYPE
from schemas import (
    SEQUENCE_PREFIX,
    Command,
    ErrorCode,
    RouteChange,
    RoutingTable,
    SchemaError,
    TaskCompletion,
    TaskProgress,
    TaskResult,
    TaskResumed,
    WorkflowWaiting,
    decode,
    is_task_id,
    sequence_id,
)

MOST_OPEN = 500_000
"""So many tasks that have not ended are followed at once; of more, what is told is not judged."""
ENDED = 65_536
"""Of so many tasks that ended last it is remembered that they have."""
_COMMAND_WRITER = "command-"


class Books:
    """What is open at one place of the ledger, and what was found up to there."""

    def __init__(self, subjects: Subjects, table: RoutingTable | None = None) -> None:
        """Take the routing table in force where the reading begins; None: the ledger will say so."""
        self._subjects = subjects
        self._prefix = f"{subjects.realm}."
        self.findings: list[Finding] = []
        """What is certain; whoever reads it takes it out."""
        self.doubts: list[Doubt] = []
        """What is to be looked up; whoever does takes it out."""
        self.open: dict[Key, Followed] = {}
        self.runs: dict[str, Pieces] = {}
        """By id those that have not ended, or whose tasks have not."""
        self.over: list[Pieces] = []
        """Runs that can be judged; whoever does takes them out, and says `judged`."""
        self.unclaimed: dict[Key, Finding] = {}
        """Results of what was cancelled and never asked for, until a run says that it was its."""
        self.last = 0
        """The number of the last entry."""
        self.entries = 0
        self._ended: dict[Key, None] = {}
        self._not_followed = 0
        self._missing = 0
        """The last number that was missing from the sequence."""
        self._limits = Limits(table)

    # Going on where another one was

    def kept(self) -> list[int]:
        """Return the numbers of the entries that have to be taken in again to go on from here, in order."""
        numbers: set[int] = {*self._limits.proposed, *(finding.sequence for finding in self.unclaimed.values())}
        for followed in self.open.values():
            numbers.update(followed.assigned, followed.events)
        for run in (*self.runs.values(), *self.over):
            numbers.update(run.activations, run.history, run.children.values(), run.results.values())
        return sorted(numbers)

    def resume(self, last: int) -> None:
        """Go on behind the entry `last`, what is `kept` being taken in: what was found there was told before."""
        self.findings.clear()
        self.doubts.clear()
        self.last = last
        self._limits.begin_unsure()
        self._unsettle({task_type for task_type, _ in self.open})

    # What comes

    def take(self, message: StoredMessage, *, again: bool = False) -> None:
        """Take in the ledger's next entry, or one that is `kept`, `again`."""
        if not again:
            if message.sequence != self.last + 1:
                self._gap(message)
            self.last = message.sequence
            self.entries += 1
        tokens = message.subject.removeprefix(self._prefix).split(".")
        match tokens:
            case ["task" | "handover" | "workflow" as family, *_]:
                self._asked(message, family, tokens)
            case ["event", task_type, task_id] if task_type != INSTANCE_TYPE:
                self._told(message, (task_type, task_id))
            case ["result", task_type, task_id]:
                self._result(message, (task_type, task_id), again=again)
            case ["history", workflow_id]:
                self._history(message, workflow_id)
            case ["command", *_]:
                self._commanded(message)
            case ["escalation", _, _]:
                key = ESCALATION_TYPE, sequence_id(message.sequence)
                self.open[key] = Followed({message.sequence: message.subject})

    def _gap(self, message: StoredMessage) -> None:
        missing, behind = self.last + 1, message.sequence - 1
        words = f"entry {missing} is missing" if missing == behind else f"the entries {missing} to {behind} are missing"
        finding = Finding(rule="gap", sequence=missing, stored_at=message.stored_at, message=words)
        self.doubts.append(Doubt(finding=finding, names=behind))
        # What stood there is not known: neither what was told of anything open, nor which routes are in force.
        self._missing = behind
        self._limits.forget()
        make_patchy(self.open.values(), self.runs.values())

    def _asked(self, message: StoredMessage, family: str, tokens: list[str]) -> None:
        task_type = WORKFLOW_TYPE if family == "workflow" else tokens[1] if len(tokens) > 1 else ""
        request = read(self._subjects, task_type, from_ledger(message))
        key = task_type, request.id
        if not is_task_id(task_type):
            key = UNNAMEABLE_TYPE, sequence_id(message.sequence)
        if key in self._ended:
            return  # answered by the result that stands
        followed = self.open.get(key)
        if followed is None:
            if len(self.open) >= MOST_OPEN:
                self._not_followed += 1
                return
            # What was handed over, or woken, was asked for before: there the beginning is missing.
            is_later = is_wake_up(message.headers) if family == "workflow" else not is_new_task(message)
            followed = self.open[key] = Followed({}, patchy=family != "task" and is_later)
            if not isinstance(request, Refusal):
                followed.parent_id = request.assignment.parent_id if request.assignment.parent_type is None else None
                followed.own_retries = request.assignment.retries
        followed.assigned[message.sequence] = message.subject
        if followed.story is not None and not isinstance(request, Refusal):
            handed_to = tokens[2] if family == "handover" else None
            followed.story.take(message.sequence, Assigned(request.assignment, handed_to))
        if family == "workflow":
            run = self.runs.setdefault(request.id, Pieces(request.id, patchy=followed.patchy))
            run.activations.append(message.sequence)
        if followed.parent_id in self.runs and not is_wake_up(message.headers):
            self.runs[followed.parent_id].adopt(key, message.sequence)

    def _told(self, message: StoredMessage, key: Key) -> None:
        if key in self._ended:
            return  # late: legal, whatever it is
        followed, event = self.open.get(key), event_of(message)
        if event is None:
            # Of a kind that a later version has: what it makes of the story is not known here.
            if followed is not None:
                followed.story = followed.story or self._limits.story(key[0], followed, message.stored_at)
                followed.story.judged = False
                followed.events.append(message.sequence)
                followed.progressed = False
            return
        if followed is None:
            words = f"{type(event).__name__} of a task that was never submitted"
            self._doubt("no_task", message, key, words, names=event.sequence)
            return
        if isinstance(event, TaskResumed):
            words = f"it goes on by the command {event.command}, which is not there"
            self._doubt("no_command", message, key, words, names=event.command)
        if followed.progressed and isinstance(event, TaskProgress):
            followed.events.pop()
        followed.events.append(message.sequence)
        followed.patchy = followed.patchy or (event.sequence or self._missing + 1) <= self._missing
        followed.progressed = isinstance(event, TaskProgress)
        followed.rests = isinstance(event, WorkflowWaiting)
        if key[0] in RESERVED_TYPES:
            return
        if followed.story is None:
            followed.story = self._limits.story(key[0], followed, message.stored_at)
        said = followed.story.take(message.sequence, event)
        self._judge([] if followed.patchy else said, message, key)

    def _result(self, message: StoredMessage, key: Key, *, again: bool) -> None:
        if key in self._ended:
            self._doubt("second_result", message, key, "another result of it stands before", ends=True)
            return
        try:
            result: TaskResult = decode(TaskResult, message.data)
        except SchemaError:
            self._end(key, message)
            return  # of a later version
        if result.writer.startswith(_COMMAND_WRITER):
            words = f"it was ended by {result.writer}, which is not there"
            self._doubt("no_command", message, key, words, names=number_in(result.writer, _COMMAND_WRITER))
        followed = self.open.get(key)
        if followed is None:
            self._unknown(message, key, result, again=again)
            return
        if key[0] == COMMAND_TYPE:
            command, in_force = next(iter(followed.assigned)), isinstance(result, TaskCompletion)
            self._unsettle(self._limits.decide(command, message.stored_at, in_force=in_force))
        elif key[0] not in RESERVED_TYPES:
            story = followed.story or self._limits.story(key[0], followed, message.stored_at)
            self._judge([] if followed.patchy else story.take(message.sequence, result), message, key)
        self._end(key, message)

    def _unknown(self, message: StoredMessage, key: Key, result: TaskResult, *, again: bool) -> None:
        """Take in the result of what is not open."""
        if self._not_followed:
            self._not_followed -= 1
            return
        is_cancel = not isinstance(result, TaskCompletion) and result.code == ErrorCode.CANCELLED
        names = number_in(key[1], SEQUENCE_PREFIX)
        words = f"the result of {key[0]} {key[1]}, which was never submitted"
        if again:
            self.unclaimed[key] = finding_about("no_task", message, key, words)
        else:
            self._doubt("no_task", message, key, words, names=names, ends=True, cancelled=is_cancel)
        self._remember(key)

    def _end(self, key: Key, message: StoredMessage) -> None:
        followed = self.open.pop(key, None)
        self._remember(key)
        parent = None if followed is None or followed.parent_id is None else self.runs.get(followed.parent_id)
        if parent is not None and key in parent.children:
            parent.results[key] = message.sequence
            self._is_over(parent)
        if key[0] == WORKFLOW_TYPE and (run := self.runs.get(key[1])) is not None:
            run.results[key] = message.sequence
            self._is_over(run)

    def _is_over(self, run: Pieces) -> None:
        if run.is_over:
            del self.runs[run.id]
            self.over.append(run)

    def _remember(self, key: Key) -> None:
        self._ended[key] = None
        if len(self._ended) > ENDED:
            del self._ended[next(iter(self._ended))]

    def _history(self, message: StoredMessage, workflow_id: str) -> None:
        run = self.runs.get(workflow_id)
        if run is not None:
            run.history.append(message.sequence)
        elif (WORKFLOW_TYPE, workflow_id) not in self._ended:
            key = WORKFLOW_TYPE, workflow_id
            self._doubt("no_task", message, key, "the history of a run that was never started")

    def _commanded(self, message: StoredMessage) -> None:
        key = COMMAND_TYPE, sequence_id(message.sequence)
        self.open[key] = Followed({message.sequence: message.subject})
        try:
            command: Command = decode(Command, message.data, message.headers.get("Content-Type"))
        except SchemaError:
            return  # its verdict says so
        if isinstance(command, RouteChange):
            self._unsettle(self._limits.propose(message.sequence, command, message.stored_at))

    def _unsettle(self, changed: Collection[str]) -> None:
        """Judge no task by the routes of types that some worker may have otherwise."""
        for (task_type, _), followed in self.open.items():
            if task_type in changed and followed.story is not None:
                followed.story.retries, followed.story.parks = followed.own_retries, True

    # What was found

    def judged(self, run: Pieces, claimed: Iterable[Key]) -> None:
        """Take in that a run that is over was looked at, and what its history has cancelled."""
        for key in claimed:
            self.unclaimed.pop(key, None)

    def claims_over(self) -> None:
        """Find those results of which no run can say any more that they were its."""
        first = min((min(run.activations, default=0) for run in (*self.runs.values(), *self.over)), default=None)
        for key, finding in list(self.unclaimed.items()):
            if first is None or finding.sequence < first:
                self.findings.append(self.unclaimed.pop(key))

    def _judge(self, said: list[str], message: StoredMessage, key: Key) -> None:
        if said:
            self.findings.append(finding_about("story", message, key, "; ".join(said)))

    def _doubt(
        self,
        rule: Rule,
        message: StoredMessage,
        key: Key,
        words: str,
        *,
        names: int | None = None,
        ends: bool = False,
        cancelled: bool = False,
    ) -> None:
        finding = finding_about(rule, message, key, words)
        self.doubts.append(Doubt(finding=finding, names=names, ends=ends, cancelled=cancelled))
