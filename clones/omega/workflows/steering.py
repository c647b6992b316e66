"""What one Omega has for its workflows, and what commands ask of them."""

from collections.abc import Callable
from dataclasses import dataclass

from bus.client import Submitter
from bus.definitions import Definitions
from bus.histories import Histories
from bus.identity import Identity
from bus.network import Network
from bus.sleepers import Sleepers
from bus.task import Done, Task
from clones.omega.clock import Clock
from clones.omega.wording import on_behalf
from clones.omega.workflows.cancelling import cancel_run
from clones.omega.workflows.decisions import decide
from clones.omega.workflows.definition_changes import put_definition
from clones.omega.workflows.observer import ObservedHistories, WorkflowObserver
from clones.omega.workflows.others import Others
from clones.omega.workflows.telling import Telling
from clones.omega.workflows.waiting_words import with_steps
from clones.omega.workflows.waking import Waker
from schemas import Decision, RecoveryAction, RoutingTable, TaskCancel, WorkflowPut


@dataclass(frozen=True, slots=True)
class Workflows:
    """Made by `workflows_of`."""

    network: Network
    submitter: Submitter
    table: Callable[[], RoutingTable]
    clock: Clock
    observer: WorkflowObserver
    histories: ObservedHistories
    definitions: Definitions
    sleepers: Sleepers
    waker: Waker
    telling: Telling
    others: Others

    async def decide(self, command: Task, wanted: Decision) -> Done:
        """Carry out a Decision; as `clones.omega.workflows.decisions.decide`."""
        return await decide(self.network, self.telling, command, wanted)

    async def cancel(self, command: Task, wanted: TaskCancel) -> Done | None:
        """Cancel a run; as `clones.omega.workflows.cancelling.cancel_run`."""
        return await cancel_run(self.network, self.submitter, self.telling, command, wanted)

    async def end_steps(self, done: Done, wanted: TaskCancel | RecoveryAction) -> Done:
        """Return `done`, the verdict on a command that gave a run its result, with what else was ended, and what is left."""
        reason = f"cancelled with its workflow {wanted.task_id}{on_behalf(wanted.by, wanted.reason)}"
        steps = await self.others.end_steps(wanted.task_id, reason)
        told = f"{done.summary}{with_steps(len(steps))}"
        output = {**done.output, "ended": True, "steps": sorted(steps)}
        is_completed = isinstance(wanted, RecoveryAction) and wanted.action == "complete"
        if not is_completed and (left := await self.others.not_undone(wanted.task_id)):
            told, output = f"{told}; done and not undone: {', '.join(left)}", {**output, "not_undone": list(left)}
        return Done(summary=told, output=output)

    async def put(self, command: Task, wanted: WorkflowPut) -> Done:
        """Carry out a WorkflowPut; as `clones.omega.workflows.definition_changes.put_definition`."""
        types = self.table().routes
        return await put_definition(
            self.network, self.definitions, wanted, sequence=command.sequence, task_types=types, clock=self.clock
        )


def workflows_of(
    network: Network,
    identity: Identity,
    submitter: Submitter,
    table: Callable[[], RoutingTable],
    clock: Clock,
    *,
    observer: WorkflowObserver | None = None,
) -> Workflows:
    """Return what an Omega has for its workflows; `table` gives the routing table in force."""
    observer = WorkflowObserver() if observer is None else observer
    sleepers, definitions = Sleepers(network), Definitions(network)
    histories = ObservedHistories(Histories(network), observer)
    waker = Waker(network, sleepers, clock, observer)
    telling = Telling(network, identity, waker, clock, histories=histories, definitions=definitions)
    return Workflows(
        network=network,
        submitter=submitter,
        table=table,
        clock=clock,
        observer=observer,
        histories=histories,
        definitions=definitions,
        sleepers=sleepers,
        waker=waker,
        telling=telling,
        others=Others(network, identity, telling),
    )
