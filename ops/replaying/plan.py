"""What is driven once more: the tasks and the workflows' starts that somebody submitted in a period, or that are named."""

from collections.abc import AsyncIterator, Collection, Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from bus.delivery import from_ledger
from bus.errors import SanctuaryError
from bus.intake import Refusal, Request, is_wake_up, read
from bus.jetstream import StoredMessage
from bus.subjects import WORKFLOW_TYPE, Subjects
from clones.omega.once import is_new_task
from ops.archive.source import Source
from schemas import SEQUENCE_PREFIX, TaskAssignment, WorkflowStart, encode

_OBJECT = "artifact:"


class Selection(NamedTuple):
    """What of a ledger is meant: a period, or ids; the whole ledger where nothing is said."""

    start: datetime | None = None
    end: datetime | None = None
    """What was stored at this moment or later is left out."""
    tasks: frozenset[str] = frozenset()
    workflows: frozenset[str] = frozenset()

    @property
    def ids(self) -> frozenset[str]:
        """All that is named."""
        return self.tasks | self.workflows


class Planned(NamedTuple):
    """One submission, as it was recorded and as it is made anew."""

    sequence: int
    """In the recorded ledger."""
    stored_at: datetime
    task_type: str
    """`workflow` for a workflow's start."""
    task_id: str
    """As it was recorded."""
    new_id: str | None
    """As it is made anew; None: its body is no task, so that its number in the new ledger will be its id."""
    subject: str
    """Where it is published, without the realm."""
    workflow: str = ""
    artifacts: tuple[str, ...] = ()
    """The objects that its parameters name as `artifact:<name>`."""

    @property
    def key(self) -> tuple[str, str]:
        """Its type and its recorded id."""
        return self.task_type, self.task_id


async def planned(source: Source, selection: Selection, mark: str) -> list[Planned]:
    """Return what is to be driven once more, in its order; `mark` makes ids for those that had none of their own.

    Raises:
        SanctuaryError: an id that was named is not there, or the ledger could not be read.
        OSError: the archive could not be read.
    """
    found = [each async for _, each in recorded(source, selection, mark)]
    if missing := selection.ids - {each.task_id for each in found}:
        raise SanctuaryError(f"the ledger has no task or workflow {', '.join(sorted(missing)[:3])}")
    return found


async def recorded(source: Source, selection: Selection, mark: str) -> AsyncIterator[tuple[StoredMessage, Planned]]:
    """Yield the selected submissions as they are stored, each with its plan, in order."""
    subjects = source.subjects
    patterns = [subjects.every(family) for family in ("task", "workflow", "handover")]
    start = 1 if selection.start is None or selection.ids else await source.first_at(selection.start)
    end = await source.last_sequence()
    if selection.end is not None and not selection.ids:
        end = await source.first_at(selection.end) - 1
    seen: set[tuple[str, str]] = set()
    if start > end:
        return
    async for message in source.matching(patterns, start=start, end=end):
        plan = plan_of(subjects, message, mark, named=selection.ids)
        # Of two under one id, the first one counts.
        if plan is None or plan.key in seen or (selection.ids and not _is_named(plan, selection)):
            continue
        seen.add(plan.key)
        yield message, plan


def _is_named(plan: Planned, selection: Selection) -> bool:
    return plan.task_id in (selection.workflows if plan.task_type == WORKFLOW_TYPE else selection.tasks)


def plan_of(subjects: Subjects, message: StoredMessage, mark: str, *, named: Collection[str] = ()) -> Planned | None:
    """Return how a stored submission is made anew; None where something else makes it: a workflow, a task, or Omega.

    One that is `named` is made anew by itself, whoever asked for it.
    """
    _, family, *rest = message.subject.split(".")
    if (family == "handover" and not is_new_task(message)) or is_wake_up(message.headers):
        return None
    task_type = WORKFLOW_TYPE if family == "workflow" else rest[0]
    request = read(subjects, task_type, from_ledger(message))
    if not isinstance(request, Refusal) and request.assignment.parent_id is not None and request.id not in named:
        return None
    # What was stored for one clone alone was so for reasons of that time.
    tail = f"task.{task_type}" if family == "handover" else ".".join((family, *rest))
    return Planned(
        sequence=message.sequence,
        stored_at=message.stored_at,
        task_type=task_type,
        task_id=request.id,
        new_id=_new_id(request, mark),
        subject=tail,
        workflow=rest[0] if family == "workflow" else "",
        artifacts=() if isinstance(request, Refusal) else tuple(_named_objects(request.assignment.params)),
    )


def _named_objects(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for each in value.values():
                yield from _named_objects(each)
        case list():
            for each in value:
                yield from _named_objects(each)
        case str() if value.startswith(_OBJECT):
            yield value.removeprefix(_OBJECT)


def _new_id(request: Request | Refusal, mark: str) -> str | None:
    if isinstance(request, Refusal):
        return None if request.id.startswith(SEQUENCE_PREFIX) else request.id
    return renamed(request.id, mark)


def renamed(task_id: str, mark: str) -> str:
    """Return the id that a task has when it is made anew: its own, or in place of `seq-…`, which only the network gives, another."""
    return f"replay-{mark}-{task_id}" if task_id.startswith(SEQUENCE_PREFIX) else task_id


def body_of(subjects: Subjects, message: StoredMessage, plan: Planned, mark: str) -> tuple[bytes, dict[str, str]]:
    """Return what is published for a submission, and its headers.

    Its limits count from when it is stored, as they did; nobody waits in its inbox any more; it is of another trace; and an
    answer from a cache would be no answer of those who are there now. What is no task is sent as it is.
    """
    request = read(subjects, plan.task_type, from_ledger(message))
    if isinstance(request, Refusal) or plan.new_id is None:
        kind = message.headers.get("Content-Type")
        return message.data, {} if kind is None else {"Content-Type": kind}
    asked: TaskAssignment | WorkflowStart = request.assignment if request.start is None else request.start
    retry_of = None if asked.retry_of is None else renamed(asked.retry_of, mark)
    anew = msgspec.structs.replace(
        asked, id=plan.new_id, reply_to=None, traceparent=None, parent_id=None, retry_of=retry_of
    )
    if isinstance(anew, TaskAssignment):
        anew = msgspec.structs.replace(anew, cache=None, parent_type=None)
    return encode(anew), {}
