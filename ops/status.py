"""How a network fares: who answers, who is missed, what waits."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta

import msgspec
from nats.aio.msg import Msg

from bus.errors import JetStreamError, SanctuaryError
from bus.identity import OMEGA
from bus.jetstream import STREAM_NOT_FOUND, api
from bus.ledger import entries
from bus.network import Network
from bus.queues import queue_statuses
from bus.routes import Revision, in_force
from bus.sleepers import Sleepers
from bus.subjects import INSTANCE_TYPE, WORKFLOW_TYPE
from clones.routing import DEFAULT_TABLE, types_by_clone
from ops.schedules import Known, RunState, ScheduleState, all_known
from schemas import InstanceChanged, QueueStatus, SchemaError, StatusQuery, StatusResponse, decode, encode

QUIET_S = 0.4
"""Answers are complete when none has come for this long; an instance takes half of it at most."""
LONGEST_S = 2.0
MISSED_FOR = timedelta(hours=1)
"""How long one that is missed is worth a word."""
MAY_READ_WITHIN_S = 1.0


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs of workflows there are that have not ended."""

    waiting: int
    """Starts and wake-ups that no Omega has taken yet."""
    active: int
    """Driven by an Omega."""
    asleep: int
    """They only wait, for a person, a time or what they have asked for, and nobody holds them."""
    awaiting_decision: int
    """Of those asleep."""


class KnownSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule, in short."""

    name: str
    state: ScheduleState
    workflow: str | None
    """None: its record cannot be read here."""
    next_at: datetime | None
    """None: no start comes, or none while it is paused."""
    last_at: datetime | None
    """When its newest run was due."""
    last_state: RunState | None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The network at one moment."""

    instances: tuple[StatusResponse, ...]
    missing: tuple[str, ...]
    """Clones of which no instance answered."""
    missed: tuple[InstanceChanged, ...]
    """Instances that are suspect or dead by the ledger's last word, and do not answer."""
    queues: tuple[QueueStatus, ...] | None
    """None where they cannot be read."""
    queues_problem: str = ""
    runs: Runs | None = None
    """None where they cannot be read."""
    schedules: tuple[KnownSchedule, ...] | None = None
    """By name; None where they cannot be read."""
    routes_revision: int = 0
    """The revision of the routing table in force; 0: none, or it cannot be read."""


async def take(network: Network) -> Snapshot:
    """Ask everybody, and look into the ledger as far as this user may."""
    asking = asyncio.create_task(ask(network))
    revision: Revision | None = None
    missed: list[InstanceChanged] = []
    problem = ""
    try:
        # One request first: where this user may not ask, it is refused once and not for each.
        await api(network.requester, f"STREAM.INFO.{network.subjects.ledger}", timeout_s=MAY_READ_WITHIN_S)
        revision, missed = await in_force(network), await _missed(network)
    except JetStreamError as error:
        if error.err_code != STREAM_NOT_FOUND:  # no Omega has been here yet: nothing waits
            problem = error.message
    except SanctuaryError as error:
        problem = error.message
    answers = await asking
    there = {answer.clone for answer in answers}
    table = revision.routes.table if revision else DEFAULT_TABLE
    answering = {answer.instance for answer in answers}
    queues = await _queues(network, answers, revision, readable=not problem)
    return Snapshot(
        instances=tuple(answers),
        missing=tuple(clone for clone in (OMEGA, *types_by_clone(table)) if clone not in there),
        missed=tuple(change for change in missed if change.instance not in answering),
        queues=queues,
        runs=None if problem or queues is None else await _runs(network, queues),
        schedules=None if problem else await _schedules(network),
        queues_problem=problem,
        routes_revision=revision.number if revision else 0,
    )


async def _queues(
    network: Network, answers: list[StatusResponse], revision: Revision | None, *, readable: bool
) -> tuple[QueueStatus, ...] | None:
    """Return the queues by Omega's word, or else as the ledger has them; None where neither tells."""
    told = next((answer.queues for answer in answers if answer.clone == OMEGA and answer.queues), None)
    if told is not None or not readable:
        return told
    try:
        return await queue_statuses(network, revision.routes.table.routes if revision else {}, workflows=True)
    except SanctuaryError:
        return None


async def _runs(network: Network, queues: Iterable[QueueStatus]) -> Runs | None:
    of_runs = [queue for queue in queues if queue.task_type == WORKFLOW_TYPE]
    try:
        asleep = [sleeper async for sleeper in Sleepers(network).all()]
    except SanctuaryError:
        return None
    return Runs(
        waiting=sum(queue.waiting for queue in of_runs),
        active=sum(queue.taken for queue in of_runs),
        asleep=len(asleep),
        awaiting_decision=sum(bool(sleeper.awaits) for sleeper in asleep),
    )


async def _schedules(network: Network) -> tuple[KnownSchedule, ...] | None:
    try:
        found = await all_known(network)
    except SanctuaryError:
        return None
    return tuple(_in_short(each) for each in found)


def _in_short(known: Known) -> KnownSchedule:
    record = known.record
    goes_on = record is not None and not record.schedule.paused
    return KnownSchedule(
        name=known.name,
        state=known.state,
        workflow=record.schedule.workflow if record else None,
        next_at=known.upcoming[0] if goes_on and known.upcoming else None,
        last_at=record.last_due if record else None,
        last_state=known.last_state,
    )


async def _missed(network: Network) -> list[InstanceChanged]:
    """Return whom the ledger's last word of the last hour calls suspect or dead, in the order of that word."""
    last: dict[str, InstanceChanged] = {}
    subject = network.subjects.event(INSTANCE_TYPE, "*")
    async for message in entries(network, subject, start=datetime.now(UTC) - MISSED_FOR):
        try:
            change: InstanceChanged = decode(InstanceChanged, message.data)
        except SchemaError:
            continue
        last.pop(change.instance, None)
        if change.state in ("suspect", "dead"):
            last[change.instance] = change
    return list(last.values())


async def following(network: Network, revision: int, *, within_s: float) -> tuple[list[str], list[StatusResponse]]:
    """Wait until the instances that answer go by a revision of the routing table, or a later one, or until it takes too long.

    Returns:
        The names of those that do, and the answers of those that do not yet; who drains counts as neither.
    """
    begun = time.monotonic()
    while True:
        answers = [answer for answer in await ask(network) if answer.state != "draining"]
        late = [answer for answer in answers if answer.routes_revision < revision]
        if not late or time.monotonic() - begun >= within_s:
            return [answer.instance for answer in answers if answer not in late], late


async def ask(network: Network, clone: str | None = None) -> list[StatusResponse]:
    """Return the answers of all instances (of `clone`) that answer soon, in the order of their names."""
    answers: list[StatusResponse] = []
    with contextlib.suppress(TimeoutError):
        async with _asked(network, clone) as heard, asyncio.timeout(LONGEST_S):
            while True:
                async with asyncio.timeout(QUIET_S):
                    answer = await heard.get()
                if answer is not None:
                    answers.append(answer)
    return sorted(answers, key=lambda answer: (answer.clone, answer.instance))


async def is_there(network: Network, clone: str) -> bool:
    """Tell whether an instance of `clone` answers within `LONGEST_S`: one on a busy machine may take longer than `ask` waits."""
    with contextlib.suppress(TimeoutError):
        async with _asked(network, clone) as heard, asyncio.timeout(LONGEST_S):
            while await heard.get() is None:
                pass
            return True
    return False


@contextlib.asynccontextmanager
async def _asked(network: Network, clone: str | None) -> AsyncIterator[asyncio.Queue[StatusResponse | None]]:
    """Ask, and yield where the answers come in; None: no responders, or an instance of another version that answers otherwise."""
    heard: asyncio.Queue[StatusResponse | None] = asyncio.Queue()

    async def on_answer(message: Msg) -> None:
        try:
            heard.put_nowait(decode(StatusResponse, message.data))
        except SchemaError:
            heard.put_nowait(None)

    inbox = network.client.new_inbox()
    subscription = await network.client.subscribe(inbox, cb=on_answer)
    try:
        await network.client.publish(network.subjects.status(clone), encode(StatusQuery()), reply=inbox)
        yield heard
    finally:
        await subscription.unsubscribe()
