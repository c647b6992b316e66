"""Carrying out what a run wants done: each thing once, also where the Omega before this one died in the middle of it.

What was asked for a moment ago is asked for again: the server knows the id and stores nothing. What was asked for longer ago
than the server remembers for certain is looked for in the ledger first, behind the entry of the history that wants it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from bus.client import Submitted
from bus.errors import SanctuaryError
from bus.histories import Written
from bus.journal import insist
from bus.ledger import entry
from bus.task import printable
from bus.topology import DEDUPLICATION_S
from bus.wake import dismiss
from clones.omega.submissions import consumer_of
from clones.omega.workflows.chronicle import Chronicle
from clones.omega.workflows.means import Asked, Means, expected_of
from clones.omega.workflows.seeking import Seeking
from clones.tables import table_of
from clones.workflows.commands import CancelTask, CancelWorkflow, Command, StartWorkflow, SubmitTask
from schemas import (
    ErrorCode,
    StepInvalid,
    TaskAssignment,
    TaskFailure,
    WorkflowBegun,
    WorkflowStart,
)

log = logging.getLogger(__name__)

REMEMBERED_S = DEDUPLICATION_S / 2
"""What was stored so long ago at most the server knows for certain."""


class Issuing:
    """Carries out the commands of one run."""

    def __init__(self, means: Means, chronicle: Chronicle, seeking: Seeking) -> None:
        """Take what seeks the results of what is asked for."""
        self._means = means
        self._chronicle = chronicle
        self._seeking = seeking

    @property
    def _begun(self) -> WorkflowBegun:
        return self._chronicle.state.begun

    async def known(self, wanted: Iterable[Asked], history: Sequence[Written], now: datetime) -> Mapping[str, int]:
        """Return which of `wanted` are stored already, by id, of those that the server may have forgotten; `now` is its time."""
        forgotten = now - timedelta(seconds=REMEMBERED_S)
        by_subject: dict[str, dict[str, int]] = {}
        for each in wanted:
            wanting = next((written for written in history if written.entry.at == each.since), history[0])
            if wanting.stored_at < forgotten:
                by_subject.setdefault(each.subject, {})[each.task_id] = wanting.sequence
        found: dict[str, int] = {}
        for subject, ids in by_subject.items():
            found |= await insist(partial(self._means.submissions.stored, subject, ids, after=min(ids.values())))
        return found

    async def carry_out(self, commands: Sequence[Command]) -> Sequence[StepInvalid]:
        """Have everything done that `commands` say; returns what cannot be asked for."""
        ended = {each.task_id: each for each in commands if isinstance(each, CancelTask)}
        ask: list[Awaitable[object]] = []
        tell: list[CancelWorkflow] = []
        for each in commands:
            match each:
                case SubmitTask():
                    await self._seeking.seek(expected_of(each))
                    # What is cancelled as well need not be begun.
                    if each.task_id not in ended:
                        ask.append(self._submit(each))
                case StartWorkflow():
                    await self._seeking.seek(expected_of(each))
                    ask.append(self._start(each))
                case CancelWorkflow():
                    tell.append(each)
        said = [*await _together(ask)]
        said += await _together([*(self._end(each) for each in ended.values()), *(self._tell(each) for each in tell)])
        self._seeking.sequences |= {each.id: each.sequence for each in said if isinstance(each, Submitted)}
        return [each for each in said if isinstance(each, StepInvalid)]

    async def _submit(self, command: SubmitTask) -> Submitted | StepInvalid:
        means = self._means
        if command.task_type not in means.table().routes:
            # Ours may be a moment old.
            table = await insist(lambda: table_of(means.network, means.table()))
            if command.task_type not in table.routes:
                message = f"no clone serves {command.task_type!r}; known: {', '.join(table.routes)}"
                return _invalid(command, ErrorCode.UNKNOWN_TASK_TYPE, message)
        assignment = TaskAssignment(
            params=command.params,
            id=command.task_id,
            timeout_s=command.timeout_s,
            schedule_to_close_s=command.schedule_to_close_s,
            retries=command.retries,
            labels=self._begun.labels,
            parent_id=self._chronicle.state.workflow_id,
            cache=command.cache,
            traceparent=self._begun.traceparent,
        )
        try:
            return await insist(
                lambda: means.submissions.submit(command.task_type, assignment, priority=command.priority)
            )
        except ValueError as error:
            return _invalid(command, ErrorCode.INVALID_ASSIGNMENT, str(error))

    async def _start(self, command: StartWorkflow) -> Submitted | StepInvalid:
        means = self._means
        start = WorkflowStart(
            input=command.input,
            id=command.workflow_id,
            timeout_s=command.timeout_s,
            priority=command.priority,
            parent_id=self._chronicle.state.workflow_id,
            labels=self._begun.labels,
            traceparent=self._begun.traceparent,
        )
        try:
            return await insist(lambda: means.submissions.start_workflow(command.workflow, start))
        except ValueError as error:
            return _invalid(command, ErrorCode.INVALID_ASSIGNMENT, str(error))

    async def _end(self, command: CancelTask) -> None:
        """End a task as cancelled: the results stream takes one result, and whoever runs the task hears of it."""
        identity = self._means.identity
        failure = TaskFailure(
            task_id=command.task_id,
            task_type=command.task_type,
            code=ErrorCode.CANCELLED,
            message=printable(command.reason),
            clone=identity.clone,
            instance=identity.instance,
            finished_at=datetime.now(UTC),
            writer=identity.writer(),
            labels=self._begun.labels,
            traceparent=self._begun.traceparent,
        )
        await self._means.results.settle(failure)
        self._seeking.hear(command.task_id)
        await self._dismiss(command.task_id)

    async def _dismiss(self, task_id: str) -> None:
        """Have a task that was ended leave its queue where it waits there for a further attempt, or a decision; best effort."""
        network, sequence = self._means.network, self._seeking.sequences.get(task_id)
        if sequence is None:
            return
        try:
            stored = await entry(network, sequence)
            consumer = None if stored is None else consumer_of(network.subjects, stored.subject)
            if consumer is not None:
                await dismiss(network, consumer, sequence)
        except SanctuaryError as error:
            log.debug("%s stays in its queue until a worker comes to it: %s", task_id, error)

    async def _tell(self, command: CancelWorkflow) -> StepInvalid | None:
        if await insist(lambda: self._means.others.cancel(command.workflow_id, command.reason)):
            return None
        return _invalid(command, ErrorCode.CANCELLED, command.reason)


def _invalid(command: SubmitTask | StartWorkflow | CancelWorkflow, code: ErrorCode, message: str) -> StepInvalid:
    return StepInvalid(step=command.step, index=command.index, code=code, message=printable(message))


async def _together(work: Sequence[Awaitable[object]]) -> Sequence[object]:
    if len(work) > 1:
        return await asyncio.gather(*work)
    # The usual case, without a task of its own.
    return [await each for each in work]
