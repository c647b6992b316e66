"""What Omega does about a task that its clones could not do, by the task's route: the decision on each escalation."""

from collections.abc import Callable, Container, Sequence

from bus.identity import OMEGA
from bus.jetstream import StoredMessage
from bus.journal import event_of
from bus.ledger import entries
from bus.network import Network
from bus.task import Done, Task, TaskError
from clones.omega.absence import is_absent
from clones.omega.once import mark_of, store_once, target_of
from clones.omega.wording import how_it_ended, of_task
from clones.routing import next_fallback
from schemas import (
    ErrorCode,
    ErrorEscalation,
    RecoveryAction,
    Route,
    RoutingTable,
    TaskParked,
    convert,
    decode,
    encode,
    is_task_id,
    is_token,
)

NOTED = "noted"
PERSON = "waits for a person"
DECIDED = "decided otherwise"


def by_route(
    route: Route, task_type: str, task_id: str, parked: Sequence[TaskParked], absent: Container[str]
) -> RecoveryAction | None:
    """Return what the route has done about a task, given all its parkings and which clones are not there. Pure.

    None: it waits for a person.
    """
    if route.when_exhausted != "fallback":
        return None
    tried = _tried(parked)
    clone = next_fallback(route, tried, absent)
    why = f"{', '.join(tried)} could not do it; the last error: {parked[-1].code}: {parked[-1].message}"[:4000]
    if clone is not None:
        return RecoveryAction(
            task_id=task_id, task_type=task_type, action="reassign", clone=clone, by=OMEGA, reason=why
        )
    reason = f"no fallback clone is left: {why}"
    return RecoveryAction(task_id=task_id, task_type=task_type, action="fail", by=OMEGA, reason=reason)


class Policy:
    """Decides on escalations for one Omega."""

    def __init__(self, network: Network, table: Callable[[], RoutingTable]) -> None:
        self._network = network
        self._table = table

    async def decide(self, task: Task) -> Done:
        """Act on the escalation that `task` is, and say what was decided: `output` is `{"decision", …}`.

        Raises:
            TaskError: retryable, while the task that it is about is not parked yet: its worker escalates first.
            SanctuaryError: the network did not answer; trying again repeats nothing.
        """
        if not task.params.get("awaits_decision"):
            return _decision(NOTED, "noted: nothing waits for a decision")
        escalation = convert(ErrorEscalation, task.params)
        task_type, task_id = escalation.task_type, escalation.task_id
        # Whoever may escalate chooses the names; with a wildcard they would read as those of all tasks.
        if task_type is None or task_id is None or not (is_token(task_type) and is_task_id(task_id)):
            return _decision(NOTED, "noted: it names no task")
        result = await self._network.results.read(task_type, task_id)
        if result is not None:
            return _decision(DECIDED, f"{how_it_ended(result)}; nothing is left to decide")
        parked, entry, newest = await self._parkings(task_type, task_id, task.sequence)
        name = of_task(task_type, task_id)
        if entry is None:
            raise TaskError(
                ErrorCode.COMMAND_REFUSED,
                f"{name} is not parked, so nothing was decided about it. Is it parked later, that is escalated again",
                retryable=True,
            )
        if newest != entry.sequence:
            return _decision(DECIDED, f"{name} has gone on already, so nothing is left to decide")
        route = self._table().routes.get(task_type)
        action = None
        if route is not None:
            action = by_route(route, task_type, task_id, parked, await self._absent(route, _tried(parked)))
        if action is None:
            return _decision(
                PERSON, f"{name} waits for a person: sanctuary task retry|reassign|complete|fail {task_id}"
            )
        # One decision a parking, not one an escalation: a worker that died between the two has escalated twice.
        subject = self._network.subjects.command(target_of(action))
        mark = mark_of("policy", entry.sequence, entry.stored_at)
        stored = await store_once(self._network, subject, encode(action), mark=mark, behind=entry.sequence)
        # Another Omega may have chosen another clone, having found others there; what stands is carried out.
        standing: RecoveryAction = decode(RecoveryAction, stored.data)
        to = f" to {standing.clone}" if standing.clone else ""
        words = f"{standing.action} {name}{to}: {standing.reason}"
        return _decision(standing.action, words, clone=standing.clone, command=stored.sequence)

    async def _absent(self, route: Route, tried: Sequence[str]) -> set[str]:
        """Return which clones are not there, of those that may come next: up to the first that is."""
        absent: set[str] = set()
        while (clone := next_fallback(route, (*tried, *absent))) is not None:
            if not await is_absent(self._network, clone):
                break
            absent.add(clone)
        return absent

    async def _parkings(
        self, task_type: str, task_id: str, behind: int
    ) -> tuple[list[TaskParked], StoredMessage | None, int]:
        """Return a task's parkings up to the first one behind the ledger's entry `behind`, its entry, and the newest event's number.

        That one is what the escalation was about. Later ones have escalations of their own.
        """
        parked: list[TaskParked] = []
        entry: StoredMessage | None = None
        newest = 0
        async for message in entries(self._network, self._network.subjects.event(task_type, task_id)):
            newest = message.sequence
            event = event_of(message)
            if entry is None and isinstance(event, TaskParked):
                parked.append(event)
                entry = message if message.sequence > behind else None
        return parked, entry, newest


def _tried(parked: Sequence[TaskParked]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(event.clone for event in parked))


def _decision(decision: str, words: str, **more: object) -> Done:
    return Done(summary=words, output={"decision": decision, **{key: value for key, value in more.items() if value}})
