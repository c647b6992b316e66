"""Driving recorded submissions once more: in their order, with their gaps, into a realm that is not the one they come from."""

import asyncio
import hashlib
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bus.artifacts import Artifacts
from bus.definitions import Definitions
from bus.delivery import from_ledger
from bus.errors import Disconnected, JetStreamError, NoResponders, RequestTimeout, SanctuaryError
from bus.identity import OMEGA
from bus.intake import read
from bus.jetstream import STREAM_NOT_FOUND, api, publish
from bus.ledger import stream_entries
from bus.network import Network
from bus.subjects import RESERVED_TYPES, WORKFLOW_TYPE
from clones.omega.absence import is_absent
from clones.tables import table_of
from ops.archive.source import Source
from ops.replaying.plan import Planned, Selection, body_of, recorded
from schemas import sequence_id

HEADER = "Sanctuary-Replay"
"""On what is submitted anew: `<mark of the recorded ledger>.<sequence there>`. By it a replay that was broken off goes on."""
OFFERED_S = 25.0
"""How long a submission is offered to a network that does not answer."""
PAUSE_S = 0.2
_TOLD = 3


class Unfit(SanctuaryError):
    """The target is none that this can be driven into."""


@dataclass(slots=True)
class Driven:
    """What stands in the target of what was to be driven."""

    sequences: dict[int, int]
    """By the recorded sequence, the one in the target's ledger."""
    late_s: float = 0.0
    """By how much the latest submission missed its moment."""

    def id_of(self, plan: Planned) -> str:
        """Return the id that a submission has in the target, once it stands there."""
        return plan.new_id or sequence_id(self.sequences[plan.sequence])


async def mark_of(network: Network) -> str:
    """Return what tells this ledger from others: eight hex digits, which follow from its realm and from when it was made.

    Raises:
        Unfit: the realm has no ledger.
        SanctuaryError: it does not answer.
    """
    try:
        info = await api(network.requester, f"STREAM.INFO.{network.subjects.ledger}")
    except JetStreamError as error:
        if error.err_code != STREAM_NOT_FOUND:
            raise
        realm = network.subjects.realm
        raise Unfit(f"there is no realm {realm!r} on that server: `sanctuary up --realm {realm}` makes one") from None
    return hashlib.sha256(f"{network.subjects.realm} {info['created']}".encode()).hexdigest()[:8]


async def look_fit(source: Network, target: Network, plans: Sequence[Planned]) -> None:
    """Return where the plans can be driven into the target.

    Raises:
        Unfit: it is the source itself, has no Omega, or lacks what the source has for these submissions.
        SanctuaryError: one of the two does not answer.
    """
    if await mark_of(source) == await mark_of(target):
        raise Unfit("the target is the very realm that was recorded: name another one with --into")
    realm = target.subjects.realm
    if await is_absent(target, OMEGA):
        raise Unfit(f"no Omega runs in the realm {realm!r}: start one (`sanctuary up --realm {realm}`)")
    names = {plan.workflow for plan in plans if plan.workflow}
    known, there = await Definitions(source).all_newest(), await Definitions(target).all_newest()
    if missing := sorted(name for name in names if name in known and name not in there):
        raise Unfit(
            f"the realm {realm!r} has no workflow {', '.join(missing)}: store it there (`sanctuary workflow put`)"
        )
    types = {plan.task_type for plan in plans} - RESERVED_TYPES
    routed, routed_there = (await table_of(source)).routes, (await table_of(target)).routes
    if missing := sorted(name for name in types if name in routed and name not in routed_there):
        raise Unfit(
            f"the realm {realm!r} has no route for {', '.join(missing)}: `sanctuary routes` shows and changes them"
        )


async def standing(target: Network, plans: Sequence[Planned], mark: str) -> Driven:
    """Return what an earlier run of the same replay has stored.

    Raises:
        Unfit: an id is in use that this replay has not stored.
        SanctuaryError: the target's ledger could not be read.
    """
    wanted = {(plan.task_type, plan.new_id): plan.sequence for plan in plans if plan.new_id is not None}
    sequences = {plan.sequence for plan in plans}
    driven, used = Driven({}), list[str]()
    for family in ("task", "workflow", "handover"):
        every = target.subjects.every(family)
        async for message in stream_entries(target.requester, target.subjects.ledger, every):
            of, _, number = message.headers.get(HEADER, "").partition(".")
            if of == mark and number.isdecimal() and int(number) in sequences:
                driven.sequences.setdefault(int(number), message.sequence)
                continue
            task_type = WORKFLOW_TYPE if family == "workflow" else message.subject.split(".")[2]
            task_id = read(target.subjects, task_type, from_ledger(message)).id
            place = wanted.get((task_type, task_id))
            if place is not None and place not in driven.sequences:
                used.append(task_id)
    if used:
        more = f" and {len(used) - _TOLD} more" if len(used) > _TOLD else ""
        raise Unfit(
            f"in the realm {target.subjects.realm!r} these ids are in use: {', '.join(used[:_TOLD])}{more}. An id has one result "
            "for ever, so this needs a realm that has not had them: make a fresh one"
        )
    return driven


async def carry(source: Network, target: Network, names: Collection[str]) -> list[str]:
    """Have the target's object store hold the objects of these names; returns those that the source has no more.

    Raises:
        Unfit: the target has another object of one of these names.
        SanctuaryError: one could not be copied.
    """
    here, there, gone = Artifacts(source), Artifacts(target), list[str]()
    for name in sorted(names):
        digest, standing_there = await here.digest(name), await there.digest(name)
        if digest is None:
            gone.append(name)
        elif standing_there not in (None, digest):
            raise Unfit(f"the realm {target.subjects.realm!r} has another artifact {name!r}: take a fresh realm")
        elif standing_there is None:
            with tempfile.TemporaryDirectory(prefix="sanctuary-replay-") as directory:
                path = Path(directory) / "object"
                await here.get(name, path)
                await there.put(path, name=name, filename=name, media_type="application/octet-stream")
    return gone


async def drive(
    source: Source,
    target: Network,
    selection: Selection,
    driven: Driven,
    *,
    mark: str,
    speed: float,
    progress: Callable[[int], None],
) -> None:
    """Submit what does not stand yet, `speed` times as fast as it was recorded (infinity: as fast as it is confirmed).

    `progress` hears how many stand.

    Raises:
        SanctuaryError: what is left could not be stored; the same command goes on from there.
    """
    clock = asyncio.get_running_loop().time
    begun: float | None = None
    first = timedelta()
    async for message, plan in recorded(source, selection, mark):
        if plan.sequence in driven.sequences:
            continue
        since = plan.stored_at - plan.stored_at.min.replace(tzinfo=plan.stored_at.tzinfo)
        if begun is None:
            begun, first = clock(), since
        due = begun + (since - first).total_seconds() / speed
        if due > clock():
            await asyncio.sleep(due - clock())
        elif speed != float("inf"):
            driven.late_s = max(driven.late_s, clock() - due)
        body, headers = body_of(source.subjects, message, plan, mark)
        origin = f"{mark}.{plan.sequence}"
        subject = f"{target.subjects.realm}.{plan.subject}"
        marked: Mapping[str, str] = {**headers, HEADER: origin, "Nats-Msg-Id": f"replay.{origin}"}
        driven.sequences[plan.sequence] = await _offer(target, subject, body, marked)
        progress(len(driven.sequences))


async def _offer(target: Network, subject: str, body: bytes, headers: Mapping[str, str]) -> int:
    clock = asyncio.get_running_loop().time
    deadline = clock() + OFFERED_S
    while True:
        try:
            return (await publish(target.requester, subject, body, headers=dict(headers))).seq
        except (RequestTimeout, Disconnected, NoResponders):
            # The server knows the mark, and stores what was sent twice once.
            if clock() >= deadline:
                raise
        await asyncio.sleep(PAUSE_S)
