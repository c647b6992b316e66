"""Carrying out a RouteChange: the routing table that it brings is put into force, once, or refused in words."""

from datetime import UTC, datetime

from bus.errors import JetStreamError, SanctuaryError, TopologyMismatch
from bus.network import Network
from bus.routes import Revision, RevisionConflict, UnreadableTable, history, in_force, put
from bus.task import Done, TaskError
from clones.conflicts import conflicts
from clones.table_changes import changes
from clones.tables import make_consumers
from schemas import ErrorCode, RouteChange, RoutesInForce, RoutingTable

_PASSING = {10004, 10006, 10008}
"""What a cluster says while it elects: incomplete, not the leader, temporarily unavailable.
https://github.com/nats-io/nats-server/blob/main/server/errors.json"""


async def change_routes(network: Network, change: RouteChange, *, sequence: int) -> Done:
    """Put the table of `change`, the ledger's entry `sequence`, into force; carried out again, nothing is done twice.

    `output`: `{"revision", "replaced", "changes": [text]}`.

    Raises:
        TaskError: `routes_refused`: the table conflicts with itself, replaces one that is no longer in force, or needs
            consumers that the server will not have.
        SanctuaryError: the network did not answer; trying again repeats nothing.
    """
    known = await history(network)
    if (done := _done_before(known, sequence)) is not None:
        return done
    if found := conflicts(change.table):
        words = "; ".join(map(str, found))
        details = {"conflicts": [{"path": ".".join(each.path), "message": each.message} for each in found]}
        raise TaskError(ErrorCode.ROUTES_REFUSED, f"the table conflicts with itself: {words}", details=details)
    try:
        current = await in_force(network)
    except UnreadableTable as error:
        raise TaskError(ErrorCode.ROUTES_REFUSED, error.message) from None
    number = current.number if current else 0
    if number != change.base_revision:
        raise _refused(change, number)
    if current is not None and current.routes.table == change.table:
        return Done(
            summary=f"nothing is new: routing table {number} is the same, and stays in force",
            output=_output(number, number, ()),
        )
    # First, so that whoever hears of the table finds what it needs.
    await _make_consumers(network, change.table)
    routes = RoutesInForce(
        table=change.table, at=datetime.now(UTC), command=sequence, by=change.by, reason=change.reason
    )
    try:
        revision = await put(network, routes, base_revision=number)
    except RevisionConflict:
        # Another Omega carries out the same command, or another command came first.
        known = await history(network)
        if (done := _done_before(known, sequence)) is None:
            raise _refused(change, known[-1].number if known else 0) from None
        return done
    return _done(current, Revision(revision, routes))


async def _make_consumers(network: Network, table: RoutingTable) -> None:
    """Make the consumers that the table needs; those that no table needs any more stay.

    A consumer knows what was acknowledged. One that was deleted, and made anew for a type or a clone that comes back, would
    bring all tasks of the ledger once more.
    """
    try:
        await make_consumers(network, table)
    except JetStreamError as error:
        if error.err_code in _PASSING:
            raise
        raise _no_consumers(error) from None
    except TopologyMismatch as error:
        raise _no_consumers(error) from None


def _no_consumers(error: SanctuaryError) -> TaskError:
    message = f"the server will not have the consumers that the table needs: {error.message}"
    return TaskError(ErrorCode.ROUTES_REFUSED, message)


def _done_before(known: list[Revision], sequence: int) -> Done | None:
    """Return what came of the command where it was carried out already."""
    for index, revision in enumerate(known):
        if revision.routes.command == sequence:
            return _done(known[index - 1] if index else None, revision)
    return None


def _done(old: Revision | None, new: Revision) -> Done:
    said = changes(old.routes.table if old else None, new.routes.table)
    summary = f"routing table {new.number} is in force: {'; '.join(said)}"
    return Done(summary=summary, output=_output(new.number, old.number if old else 0, said))


def _output(revision: int, replaced: int, said: tuple[str, ...]) -> dict[str, object]:
    return {"revision": revision, "replaced": replaced, "changes": list(said)}


def _refused(change: RouteChange, number: int) -> TaskError:
    message = (
        f"it was made from revision {change.base_revision}, and {number or 'none'} is in force by now; "
        f"read the table again (sanctuary routes show) and repeat the change"
    )
    return TaskError(ErrorCode.ROUTES_REFUSED, message, details={"in_force": number})
