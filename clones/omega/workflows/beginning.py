"""What a run begins with: the version of the definition that it keeps, its input, and what an ended run leaves to it."""

import secrets

from bus.consumers import consumer_state
from bus.definitions import GrownWorkflow
from bus.journal import event_of, insist
from bus.ledger import entries
from bus.network import Network
from bus.task import Task, TaskError
from clones.omega.workflows.ports import Definitions, Kept, Others
from clones.workflows.ids import SECRET_BYTES
from clones.workflows.inputs import filled
from clones.workflows.problems import InvalidInput
from schemas import ErrorCode, SchemaError, WorkflowBegun, WorkflowEntry, WorkflowInForce, WorkflowStart, is_token


async def first_event(
    name: str, start: WorkflowStart, definitions: Definitions, others: Others
) -> tuple[WorkflowBegun, WorkflowInForce]:
    """Return the first event of the run that `start` asks for on the subject of the workflow `name`, and its workflow.

    Raises:
        TaskError: there is no such workflow, the input does not fit it, or the run that is to be resumed has not ended.
    """
    kept = await _kept(start, others)
    if kept is not None and kept.workflow != name:
        raise TaskError.incompatible(f"{start.retry_of} is a run of {kept.workflow}, not of {name} - at `$.retry_of`")
    workflow = await version_of(definitions, name, start.version if kept is None else kept.version)
    try:
        given = filled(workflow.definition, start.input) if kept is None else kept.input
    except InvalidInput as error:
        raise TaskError.incompatible(error.message) from None
    begun = WorkflowBegun(
        input=given,
        labels=start.labels,
        parent_id=start.parent_id,
        retry_of=start.retry_of,
        resumed=start.resume,
        kept=() if kept is None else kept.ended,
        skipped=() if kept is None else kept.skipped,
        timeout_s=start.timeout_s,
        traceparent=start.traceparent,
        priority=start.priority,
    )
    return begun, workflow


async def may_begin(network: Network, task: Task) -> bool:
    """Tell whether a run without a history is this start's to begin.

    Events may tell the run's id before its history does. Who hears it may store a start of his own, with another input, which must
    not be the first: the start that they tell of is not acknowledged yet, and begins the run whichever Omega dies.
    """
    if not task.begun:
        return True  # nothing was told of it
    subject = network.subjects.event(task.task_type, task.id)
    async for message in entries(network, subject):
        event = event_of(message)
        return event is None or event.sequence in (None, task.sequence)
    return True


async def new_secret(network: Network, task: Task) -> str:
    """Return what the ids of a run's steps are made with that begins now.

    Empty where an Omega of an earlier version has died with the run, and may have asked for steps under ids without one. Those
    had no use for the consumer that starts come by now, so that nobody who knows a run's id can have it begin so.
    """
    if task.begun:
        consumer = await insist(lambda: consumer_state(network, network.subjects.workflows_consumer))
        if consumer is not None and task.stored_at < consumer.created:
            return ""
    return secrets.token_hex(SECRET_BYTES)


async def version_of(definitions: Definitions, name: str, version: int | None) -> WorkflowInForce:
    """Return a version of a definition, the newest where none is named.

    Raises:
        TaskError: there is none.
        SchemaError: it is of a later version of the product.
    """
    found = None
    if is_token(name):
        found = await insist(lambda: definitions.version(name, version) if version else definitions.newest(name))
        if words := await definitions.unreadable(name, version):
            # The version before it is not what was asked for.
            raise SchemaError(words)
    if found is not None:
        return whole(found)
    known = await insist(definitions.all_newest)
    if name in known:
        message = f"there is no version {version} of the workflow {name}; the newest is {known[name].version}"
    else:
        message = f"there is no workflow {name!r}; known: {', '.join(known) or 'none'}"
    raise TaskError(ErrorCode.UNKNOWN_WORKFLOW, message)


async def version_kept(definitions: Definitions, entry: WorkflowEntry) -> WorkflowInForce:
    """Return the version of its definition that a run goes by which has begun, as an entry of its history names it.

    Raises:
        TaskError: it is not to be had here, to be tried again: an Omega of a later version may be able to read it.
    """
    found = await insist(lambda: definitions.version(entry.workflow, entry.version))
    if found is None:
        message = f"version {entry.version} of the workflow {entry.workflow}, which this run goes by, is not there or cannot be read"
        raise TaskError(ErrorCode.UNKNOWN_WORKFLOW, message, retryable=True)
    return whole(found)


def whole(workflow: WorkflowInForce) -> WorkflowInForce:
    """Return a version that runs may go by here.

    Raises:
        SchemaError: it is of a later version of the product, and may mean something else than what is known of it here.
    """
    if isinstance(workflow, GrownWorkflow):
        raise SchemaError(workflow.beyond())
    return workflow


async def _kept(start: WorkflowStart, others: Others) -> Kept | None:
    if not start.resume:
        return None
    before = start.retry_of
    if before is None:
        raise TaskError.incompatible("`resume` goes with `retry_of`, the run that is to go on - at `$.resume`")
    kept = await insist(lambda: others.kept_of(before))
    if kept is None:
        raise TaskError.incompatible(f"there is no ended run {before} that could go on - at `$.retry_of`")
    return kept
