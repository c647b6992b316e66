"""Storing commands, and what they ask for, once: over lost answers, kill -9, and several Omegas at the same command.

What follows from a command carries a mark of that command as its `Nats-Msg-Id`. The server stores a mark once within two
minutes; beyond that, whoever carries the command out again finds the mark in the ledger, somewhere behind the command.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from bus import intake
from bus.errors import SanctuaryError
from bus.jetstream import StoredMessage, publish
from bus.ledger import entries, entry
from bus.network import Network
from bus.subjects import WORKFLOW_TYPE
from schemas import Command, Decision, RouteChange, ScheduleChange, WorkflowPut, encode

ROUTES_TARGET = "routes"
SCHEDULE_TARGET = "schedule"
AGAIN = "again"
"""The kind of mark that a new task carries which runs an ended one again."""
_MARK = "Nats-Msg-Id"


class Stored(NamedTuple):
    """What stands in the ledger."""

    sequence: int
    data: bytes


def target_of(command: Command) -> str:
    """Return the last token of the subject that `command` is stored on; it informs only."""
    match command:
        case RouteChange():
            return ROUTES_TARGET
        case ScheduleChange():
            return SCHEDULE_TARGET
        case Decision() | WorkflowPut():
            return WORKFLOW_TYPE
    return command.task_type


async def store_command(network: Network, command: Command) -> int:
    """Store `command` and return its number in the ledger; its verdict will be the result of `seq-<number>`.

    Raises:
        SanctuaryError: it was not stored, or the server did not say so.
    """
    return (await publish(network.requester, network.subjects.command(target_of(command)), encode(command))).seq


def mark_of(kind: str, sequence: int, stored_at: datetime) -> str:
    """Return the mark of what follows from the ledger's entry `sequence`; `kind` tells apart what it is.

    Nobody outside the network's own account is told the moment at which that entry was stored, so nobody can use the mark
    up beforehand.
    """
    return f"{kind}.{sequence}.{stored_at.timestamp():.6f}"


def is_new_task(message: StoredMessage) -> bool:
    """Tell whether an assignment that is stored for one clone alone is a task of its own, not one that was there before."""
    return message.headers.get(_MARK, "").startswith(f"{AGAIN}.")


def is_wake_up(message: StoredMessage) -> bool:
    """Tell whether a workflow's start begins no run, but has one gone on with that waited."""
    return intake.is_wake_up(message.headers)


async def store_once(
    network: Network, subject: str, body: bytes, *, mark: str, behind: int, headers: Mapping[str, str] | None = None
) -> Stored:
    """Store `body` unless something with this mark stands on `subject` behind the ledger's entry `behind`; return what stands.

    Raises:
        SanctuaryError: nothing is known to stand there.
    """
    async for message in entries(network, subject, start=behind + 1):
        if message.headers.get(_MARK) == mark:
            return Stored(message.sequence, message.data)
    ack = await publish(network.requester, subject, body, headers={**(headers or {}), _MARK: mark})
    if not ack.duplicate:
        return Stored(ack.seq, body)
    # Another Omega was faster.
    standing = await entry(network, ack.seq)
    if standing is None or standing.subject != subject:
        raise SanctuaryError(f"the ledger names its entry {ack.seq} as stored under {mark}, and it is not there")
    return Stored(ack.seq, standing.data)
