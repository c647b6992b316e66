"""What became of an entry whose leaf is not the one that was signed: told from the entries that differ, and their signed leaves.

A leaf holds the entry's number and time. So whether an entry is one that was signed under another number is found by hashing it
again as if it stood there.
"""

from collections.abc import Sequence

import msgspec

from bus.records import Record, encode_record, gap_leaf, leaf_hash
from ops.proofs.problems import Kind, Problem


class Difference(msgspec.Struct, frozen=True):
    """A place in the ledger whose leaf differs."""

    sequence: int
    record: Record | None
    """What stands there now; None: nothing."""
    signed: bytes
    """The leaf that was signed."""


def explain(found: Sequence[Difference], *, everything_after: bool) -> Problem:
    """Return what happened at the first of the differences `found`, of which there is one at least.

    `everything_after`: from there on, to the end of what was signed, not one entry is the one that was signed.
    """
    first = found[0]
    kind, words = _told(first, _standing_at(first, found), _signed_as(first, found))
    if kind == "altered" and everything_after and len(found) > 1:
        kind = "forked"
        words = "and all after it are others than were signed: the history was forked there, or the store was rolled back and written on"
    return Problem(kind=kind, sequence=first.sequence, message=f"{_named(first)} {words}")


def _told(first: Difference, now_at: int | None, came_from: int | None) -> tuple[Kind, str]:
    """Say what became of an entry: what was signed there stands at `now_at`, what stands there was signed as `came_from`."""
    told: tuple[Kind, str]
    if first.record is None and now_at is not None:
        told = "reordered", f"was moved: it stands as #{now_at} now"
    elif first.record is None:
        told = "deleted", "was deleted: there is none of that number, and one was signed"
    elif first.signed == gap_leaf(first.sequence):
        told = "inserted", "was inserted: there was none of that number when it was signed"
    elif now_at is not None and came_from is not None:
        told = (
            "reordered",
            f"was moved there from #{came_from}: what was signed as #{first.sequence} stands as #{now_at} now",
        )
    elif now_at is not None:
        told = "inserted", f"was inserted: what was signed as #{first.sequence} stands as #{now_at} now"
    elif came_from is not None:
        told = (
            "deleted",
            f"was signed as #{came_from}: the one that was signed as #{first.sequence} was deleted before it",
        )
    else:
        told = "altered", "was altered: it is not what was signed"
    return told


def _named(difference: Difference) -> str:
    record = difference.record
    return f"entry #{difference.sequence}" + (f" ({ascii(record.subject)[1:-1]})" if record is not None else "")


def _standing_at(wanted: Difference, found: Sequence[Difference]) -> int | None:
    """Return the number under which the entry that was signed as `wanted` stands now."""
    for other in found:
        if other.record is None or other.sequence == wanted.sequence:
            continue
        times = {other.record.stored_at_ns}
        if wanted.record is not None:
            times.add(wanted.record.stored_at_ns)
        if any(_as_if(other.record, wanted.sequence, at) == wanted.signed for at in times):
            return other.sequence
    return None


def _signed_as(standing: Difference, found: Sequence[Difference]) -> int | None:
    """Return the other number under which the entry that stands there now was signed."""
    if standing.record is None:
        return None
    for other in found:
        if other.sequence == standing.sequence:
            continue
        times = {standing.record.stored_at_ns}
        if other.record is not None:
            times.add(other.record.stored_at_ns)
        if any(_as_if(standing.record, other.sequence, at) == other.signed for at in times):
            return other.sequence
    return None


def _as_if(record: Record, sequence: int, stored_at_ns: int) -> bytes:
    return leaf_hash(encode_record(Record(sequence, stored_at_ns, record.subject, record.headers, record.data)))
