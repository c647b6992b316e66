"""Omega's work beside workflows: commands and escalations, each an entry of the ledger with one result, the verdict."""

from typing import Any, TypeVar

import msgspec

from bus.errors import SanctuaryError
from bus.identity import Identity
from bus.subjects import COMMAND_TYPE, ESCALATION_TYPE, RESERVED_TYPES, WORKFLOW_TYPE
from bus.task import Done, Handler, Outcome, Service, Task, TaskError
from clones.omega.endings import Endings
from clones.omega.policy import Policy
from clones.omega.recovery import Recovery
from clones.omega.route_changes import change_routes
from clones.omega.schedule_changes import change_schedule
from clones.omega.wording import refused
from clones.omega.workflows.steering import Workflows
from schemas import (
    Backoff,
    Command,
    Decision,
    ErrorCode,
    RecoveryAction,
    RouteChange,
    RoutingTable,
    ScheduleChange,
    SchemaError,
    TaskCancel,
    WorkflowPut,
    convert,
)

_ANY_COMMAND: Any = Command
_Steers = TypeVar("_Steers", TaskCancel, RecoveryAction)

WEIGHT = 8
"""Decisions come before further workflows: some of those wait for them."""
TIMEOUT_S = 600.0
"""Far beyond what a command takes: it reads the ledger, perhaps to its beginning."""
COMMAND_RETRIES = 100
"""A command whose Omega died is carried out by another one, and one that met a network that was away is tried again."""
COMMAND_BACKOFF = Backoff(initial_s=0.2, maximum_s=10.0)
ESCALATION_RETRIES = 5
"""For over two minutes. Each retry is two entries of the ledger, which somebody who escalates what is never parked has for nothing.
A worker that has escalated parks the task as soon as the ledger takes it, or dies, and then its next one escalates again; and
while the ledger takes nothing, no retry is used up: each is stored first."""
ESCALATION_BACKOFF = Backoff(initial_s=0.05, coefficient=8.0, maximum_s=120.0, jitter=0.2)


def services(identity: Identity, workflows: Workflows) -> tuple[Service, ...]:
    """Return what a worker of Omega needs to carry out commands and to decide on escalations by the routing table in force."""
    network, subjects = workflows.network, workflows.network.subjects
    return (
        Service(
            task_type=COMMAND_TYPE,
            handler=_over_lost_answers(command_handler(identity, workflows)),
            consumers={subjects.commands_consumer: WEIGHT},
            timeout_s=TIMEOUT_S,
            retries=COMMAND_RETRIES,
            backoff=COMMAND_BACKOFF,
            # A defect is the same the next time: whoever waits for the verdict has it now, and it is escalated once.
            non_retryable=frozenset({ErrorCode.HANDLER_FAILED}),
        ),
        Service(
            task_type=ESCALATION_TYPE,
            handler=_over_lost_answers(Policy(network, workflows.table).decide),
            consumers={subjects.escalations_consumer: WEIGHT},
            timeout_s=TIMEOUT_S,
            retries=ESCALATION_RETRIES,
            backoff=ESCALATION_BACKOFF,
        ),
    )


def command_handler(identity: Identity, workflows: Workflows) -> Handler:
    """Return what Omega does for each command; the task's `params` are the command as plain values."""
    network, table, clock = workflows.network, workflows.table, workflows.clock
    endings, recovery = Endings(network, identity), Recovery(network, identity, table)

    async def carry_out(task: Task) -> Done:
        command: Command = convert(_ANY_COMMAND, task.params)
        match command:
            case RouteChange():
                return await change_routes(network, command, sequence=task.sequence)
            case Decision():
                return await workflows.decide(task, command)
            case WorkflowPut():
                return await workflows.put(task, command)
            case ScheduleChange():
                submitter, definitions = workflows.submitter, workflows.definitions
                return await change_schedule(network, submitter, definitions, clock, command, sequence=task.sequence)
            case TaskCancel():
                return await cancel(task, _with_type(command, table()))
            case RecoveryAction():
                return await recover(task, _with_type(command, table()))

    async def cancel(task: Task, wanted: TaskCancel) -> Done:
        if wanted.task_type != WORKFLOW_TYPE:
            return await endings.cancel(task, wanted)
        told = await workflows.cancel(task, wanted)
        return await workflows.end_steps(await endings.cancel(task, wanted), wanted) if told is None else told

    async def recover(task: Task, wanted: RecoveryAction) -> Done:
        if (misused := _misused(wanted)) is not None:
            raise TaskError(ErrorCode.INVALID_ASSIGNMENT, misused)
        match wanted.action:
            case "retry" | "reassign":
                return await recovery.go_on(task, wanted)
            case "complete":
                done = await endings.complete(task, wanted)
            case "fail":
                done = await endings.fail(task, wanted)
        return await workflows.end_steps(done, wanted) if wanted.task_type == WORKFLOW_TYPE else done

    return carry_out


def _with_type(command: _Steers, table: RoutingTable) -> _Steers:
    """Return the command with an alias in place of a task type resolved."""
    task_type = table.aliases.get(command.task_type, command.task_type)
    if task_type in RESERVED_TYPES - {WORKFLOW_TYPE}:
        raise refused(f"{task_type!r} is no type of tasks: commands and escalations are carried out, not steered")
    return msgspec.structs.replace(command, task_type=task_type)


def _misused(wanted: RecoveryAction) -> str | None:
    if wanted.clone is not None and wanted.action != "reassign":
        return f"`clone` goes with `reassign`, not with `{wanted.action}` - at `$.clone`"
    if wanted.output is not None and wanted.action != "complete":
        return f"`output` goes with `complete`, not with `{wanted.action}` - at `$.output`"
    return None


def _over_lost_answers(handler: Handler) -> Handler:
    """Return `handler` with what the network did not answer as a reason to try again, and what cannot be read as one not to."""

    async def insisting(task: Task) -> Outcome:
        try:
            return await handler(task)
        except SanctuaryError as error:
            raise TaskError(ErrorCode.NETWORK_UNAVAILABLE, error.message) from None
        except SchemaError as error:
            # A result, a history, a definition: of a later version, or of somebody who stored something else. It stands.
            raise refused(f"what this is about cannot be read here: {error.message}") from None

    return insisting
