"""What has a run of a workflow go on: its start, stored anew under its id with a mark that proves that Omega did.

Anybody may store a start under the id of a run that has begun. Without such a mark it is let go: it would take the run from
whoever drives it, have an attempt of it count, and change where its result is sent.

The marks of the former release prove nothing. What its Omegas have stored is all there is of a run whose driver died before it
wrote anything, so it is taken if it stands from before the first Omega of this release, which has made the bucket of secrets.
"""

from collections.abc import Sequence

from bus import buckets
from bus.histories import Written
from bus.intake import WAKE_UP
from bus.jetstream import publish
from bus.ledger import entry
from bus.network import Network
from clones.workflows.ids import is_proof
from schemas import MSGPACK, WorkflowBegun, WorkflowStart, encode


def mark_of(proof: str) -> str:
    """Return the mark of a wake-up that `clones.workflows.ids.new_proof` proves."""
    return f"{WAKE_UP}.{proof}"


def secret_of(history: Sequence[Written]) -> str:
    """Return the secret that a run began with; empty: of an earlier version of the product, or it has not begun."""
    begun = next((event for written in history[:1] for event in written.entry.events), None)
    return begun.secret if isinstance(begun, WorkflowBegun) else ""


async def may_go_on(network: Network, history: Sequence[Written], workflow_id: str, sequence: int, mark: str) -> bool:
    """Tell whether a run with this history goes on under the ledger's entry `sequence`, which was stored with `mark`.

    So it does if the run has been driven under it, or if Omega has stored it.

    Raises:
        SanctuaryError: the network did not answer.
    """
    kind, _, proof = mark.partition(".")
    if kind == WAKE_UP and is_proof(proof, workflow_id, secret=secret_of(history)):
        return True
    if any(written.entry.activation == sequence for written in history):
        return True
    return kind == WAKE_UP and is_former(proof) and await _is_older_than_proofs(network, sequence)


def is_former(proof: str) -> bool:
    """Tell whether the mark of a wake-up is the former release's."""
    return "." not in proof


async def _is_older_than_proofs(network: Network, sequence: int) -> bool:
    stored = await entry(network, sequence)
    made_at = await buckets.made_at(network.requester, network.subjects.secrets)
    return stored is not None and stored.stored_at < made_at


async def wake_up(network: Network, start: WorkflowStart, *, driven: int) -> tuple[bytes, dict[str, str]]:
    """Return a run's start as it is stored anew, and its headers: it is answered as it was asked.

    `driven` is the ledger sequence of the message under which the run was driven until now.

    Raises:
        SanctuaryError: that message could not be read.
    """
    if start.reply_to is not None:
        message = await entry(network, driven)
        if message is not None and message.headers.get("Content-Type") == MSGPACK:
            return encode(start, MSGPACK), {"Content-Type": MSGPACK}
    return encode(start), {}


async def store_wake_up(network: Network, subject: str, start: WorkflowStart, *, mark: str, driven: int) -> None:
    """Store a run's wake-up, once for each `mark` within two minutes.

    Raises:
        SanctuaryError: it was not stored, or the server did not say so.
    """
    body, headers = await wake_up(network, start, driven=driven)
    await publish(network.requester, subject, body, headers={**headers, "Nats-Msg-Id": mark})
