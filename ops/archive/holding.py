"""What keeps entries in the ledger: each thing that somebody may still read there, looked up where it is known."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import TypeVar

from bus.consumers import consumer_states
from bus.jetstream import StoredMessage, last_of, last_of_each
from bus.ledger import first_of
from bus.network import Network
from bus.schedules import schedules
from bus.sleepers import Sleepers
from bus.subjects import WORKFLOW_TYPE
from bus.unfinished import unfinished_workflows
from ops.archive.retention import Hold, Obligation
from ops.archive.source import Source
from ops.proofs.checkpoint import parse_checkpoint
from ops.proofs.notes import NoteWrong

LEAST_KEEP_S = 600.0
"""Nothing goes sooner, whatever is asked for: the server knows by what it holds which messages it has stored lately, and a consumer's
word of what is acknowledged may come late."""
_AT_ONCE = 256
_T = TypeVar("_T")


async def holds(source: Source, network: Network, *, keep_s: float, now: datetime) -> list[Hold]:
    """Return what keeps entries in the ledger, of each kind the oldest, but for what has not ended (`unanswered`).

    Raises:
        SanctuaryError: something could not be looked up: then nothing may go.
    """
    kept = timedelta(seconds=max(keep_s, LEAST_KEEP_S))
    found = [
        Hold(source.archive.end + 1, "is not archived yet"),
        Hold(await source.first_at(now - kept), f"is not older than {_words(kept)}"),
    ]
    for looked_up in (_of_notary, _of_consumers, _of_workflows, _of_schedules, _of_results):
        found += await looked_up(network)
    return found


async def unanswered(source: Source, network: Network, asked: Iterable[Obligation]) -> Obligation | None:
    """Return the first of `asked`, which are in order, that has no result anywhere; raises as `holds`."""
    waiting = list(asked)
    for part in _parts(waiting):
        subjects = {each: [network.subjects.result(*key) for key in each.answers] for each in part}
        wanted = set(chain.from_iterable(subjects.values()))
        results = await last_of_each(network.requester, network.subjects.results, wanted)
        copies = await last_of_each(network.requester, network.subjects.ledger, wanted)
        for each, its in subjects.items():
            is_answered = any(subject in results for subject in its) or any(
                subject in copies and each.is_answered_by(copies[subject]) for subject in its
            )
            if not is_answered and not _is_answered_in(source, each):
                return each
    return None


def _is_answered_in(source: Source, asked: Obligation) -> bool:
    """Tell whether the archive has the result of something: it may have come before what it answers."""
    wanted = {source.subjects.result(*key) for key in asked.answers}
    found = source.archived_about({task_id for _, task_id in asked.answers})
    return any(message.subject in wanted and asked.is_answered_by(message) for message in found)


async def _of_notary(network: Network) -> list[Hold]:
    """Return that where a notary signs, what is not signed stays, and so does its newest word."""
    newest = await _newest(network, "checkpoint")
    if newest is None:
        return []
    stays = Hold(newest.sequence, "is the notary's newest checkpoint")
    try:
        size = parse_checkpoint(newest.data).checkpoint.size
    except NoteWrong as error:
        return [stays, Hold(1, f"stays, as the newest checkpoint ({newest.sequence}) cannot be read: {error.message}")]
    return [stays, Hold(size + 1, "is not covered by the notary's newest checkpoint")]


async def _of_consumers(network: Network) -> list[Hold]:
    """Return the first entry that a durable consumer has not acknowledged."""
    # Read, not counted: what was published a moment ago is not in a consumer's counts yet.
    found = [
        Hold(first.sequence, f"is not acknowledged by the consumer {state.name}")
        for state in (await consumer_states(network)).values()
        if state.is_durable and (first := await first_of(network, state.subject or ">", start=state.first_open))
    ]
    return sorted(found)[:1]


async def _of_workflows(network: Network) -> list[Hold]:
    """Return where histories begin of runs that are driven or wait, those too that a person has given a result."""
    runs = {each.request.id async for each in unfinished_workflows(network)}
    runs |= {each.workflow_id async for each in Sleepers(network).all()}
    found: list[Hold] = []
    for part in _parts(sorted(runs)):
        begun = await asyncio.gather(*(first_of(network, network.subjects.history(each)) for each in part))
        found += [
            Hold(first.sequence, f"begins the history of the workflow {run}, which goes on")
            for run, first in zip(part, begun, strict=True)
            if first is not None
        ]
    return sorted(found)[:1]


async def _of_schedules(network: Network) -> list[Hold]:
    """Return the traces by which Omega knows that a schedule's newest run was begun, and has ended."""
    subjects = network.subjects
    found = []
    async for each in schedules(network):
        run = each.record.last_id if each.record is not None else None
        if run is not None:
            traces = (subjects.history(run), subjects.event(WORKFLOW_TYPE, run), subjects.result(WORKFLOW_TYPE, run))
            told = await last_of_each(network.requester, subjects.ledger, traces)
            newest = max((message.sequence for message in told.values()), default=None)
            if newest is not None:
                found.append(Hold(newest, f"tells of the newest run of the schedule {each.name}"))
    return sorted(found)[:1]


async def _of_results(network: Network) -> list[Hold]:
    """Return the newest copy of a result."""
    newest = await _newest(network, "result")
    # Without one the server can only guess, when it is started the next time, which results it has copied into the ledger.
    why = "is the newest result, by which the server knows how far it has copied them"
    return [] if newest is None else [Hold(newest.sequence, why)]


async def _newest(network: Network, family: str) -> StoredMessage | None:
    return await last_of(network.requester, network.subjects.ledger, network.subjects.every(family))


def _parts(all_: list[_T]) -> Iterator[list[_T]]:
    """Yield what can be asked for together."""
    for start in range(0, len(all_), _AT_ONCE):
        yield all_[start : start + _AT_ONCE]


def _words(kept: timedelta) -> str:
    if not kept.seconds:
        return f"{kept.days} days"
    minutes = round(kept.total_seconds() / 60)
    return f"{minutes} minutes" if minutes % 60 else f"{minutes // 60} hours"
