"""Putting definitions into force: those that people send, each checked and given the next version, and those that are shipped."""

import logging
from collections.abc import Container, Iterable
from datetime import datetime

from bus.definitions import Definitions, GrownWorkflow, create
from bus.identity import OMEGA
from bus.network import Network
from bus.task import Done, TaskError
from clones.omega.clock import Clock
from clones.workflows.checking import problems
from clones.workflows.problems import dotted
from schemas import ErrorCode, WorkflowDefinition, WorkflowInForce, WorkflowPut

SHIPPED = "it comes with the product"

log = logging.getLogger(__name__)


async def put_definition(
    network: Network,
    definitions: Definitions,
    put: WorkflowPut,
    *,
    sequence: int,
    task_types: Container[str],
    clock: Clock,
) -> Done:
    """Store the definition of `put`, the ledger's entry `sequence`, as the next version of its name; carried out again, once.

    A definition that the newest version is already gets no other one.
    `output`: `{"workflow", "version", "replaced": the version before, 0 for none, "is_new"}`.

    Raises:
        TaskError: `command_refused`: it cannot be run; `details` names each problem.
        SanctuaryError: the network did not answer; trying again repeats nothing.
    """
    definition = put.definition
    while True:
        known, version = await definitions.versions(definition.name), definitions.following(definition.name)
        own = next((each for each in known if each.command == sequence), None)
        if own is not None:
            return _done(own, known, is_new=True)
        if known and known[-1].definition == definition and not isinstance(known[-1], GrownWorkflow):
            return _done(known[-1], known, is_new=False)
        if found := problems(definition, task_types=task_types, workflows=await _by_name(definitions)):
            words = "; ".join(map(str, found))
            details = {"problems": [{"path": dotted(each.path), "message": each.message} for each in found]}
            raise TaskError(ErrorCode.COMMAND_REFUSED, f"this workflow cannot be run: {words}", details=details)
        wanted = WorkflowInForce(
            definition=definition, version=version, at=clock.now(), command=sequence, by=put.by, reason=put.reason
        )
        if await create(network, wanted):
            return _done(wanted, known, is_new=True)
        # Another definition of this name came first, or this one did, whose answer was lost.


async def store_shipped(
    network: Network, definitions: Definitions, shipped: Iterable[WorkflowDefinition], at: datetime
) -> None:
    """Store those definitions of the product that are not there, unless a person has replaced them.

    One that was in force before is not stored again: while Omegas of two versions of the product run, neither takes the
    other's place at each of its starts, and neither does one of a version that does not know all fields of what is there.

    Raises:
        SanctuaryError: the network did not answer; trying again repeats nothing.
    """
    for definition in shipped:
        known, version = await definitions.versions(definition.name), definitions.following(definition.name)
        ours = [each for each in known if each.command == 0]
        if known and (known[-1].command != 0 or any(each.definition == definition for each in ours)):
            continue
        if (known and isinstance(known[-1], GrownWorkflow)) or await definitions.unreadable(definition.name):
            continue
        wanted = WorkflowInForce(definition=definition, version=version, at=at, by=OMEGA, reason=SHIPPED)
        if await create(network, wanted):
            log.info("version %d of the workflow %s is in force", version, definition.name)


async def _by_name(definitions: Definitions) -> dict[str, WorkflowDefinition]:
    return {name: each.definition for name, each in (await definitions.all_newest()).items()}


def _done(workflow: WorkflowInForce, known: Iterable[WorkflowInForce], *, is_new: bool) -> Done:
    name, version = workflow.definition.name, workflow.version
    before = max((each.version for each in known if each.version < version), default=0)
    said = f"version {version} of the workflow {name}"
    return Done(
        summary=f"{said} is in force" if is_new else f"nothing is new: {said} is the same, and stays in force",
        output={"workflow": name, "version": version, "replaced": before, "is_new": is_new},
    )
