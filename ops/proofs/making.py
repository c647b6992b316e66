"""Making proofs: the checkpoint that they lead to, the tree that they are of, and the entries of a task, from a ledger."""

import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bus.errors import SanctuaryError
from bus.merkle import Root
from bus.records import Record, encode_record, gap_leaf, leaf_hash
from ops.archive.source import Source
from ops.assignment_search import BEGINNINGS
from ops.families import family
from ops.proofs.claims import Claim, Keys, judge
from ops.proofs.leaves import Leaves
from ops.proofs.problems import Problem

MOST_LOOKED_AT = 1000
"""Checkpoints in the ledger that are looked at, the newest first."""
_GAP_LEAVES = 8192


async def checkpoints(source: Source, keys: Keys, known: Sequence[Claim | Problem]) -> AsyncIterator[Claim]:
    """Yield the checkpoints that are to be believed: those that are known, the largest first, then the newest in the ledger.

    Raises:
        SanctuaryError, OSError: the ledger cannot be read.
    """
    claims = [each for each in known if isinstance(each, Claim)]
    for claim in sorted(claims, key=lambda each: -each.checkpoint.size):
        yield claim
    looked_at = 0
    async for message in source.newest_first([source.subjects.every("checkpoint")]):
        found = judge(f"entry #{message.sequence}", message.data, keys)
        if isinstance(found, Claim):
            yield found
        looked_at += 1
        if looked_at == MOST_LOOKED_AT:
            return


async def checkpoint_over(source: Source, keys: Keys, known: Sequence[Claim | Problem], least: int) -> Claim:
    """Return the first of the checkpoints that covers the entry number `least`.

    Raises:
        SanctuaryError: there is none yet, or none that is to be believed.
    """
    largest = 0
    async for claim in checkpoints(source, keys, known):
        if claim.checkpoint.size >= least:
            return claim
        largest = max(largest, claim.checkpoint.size)
    wrong = next((each.message for each in known if isinstance(each, Problem)), "")
    signed = f"the ledger is signed up to #{largest}" if largest else "no checkpoint that is to be believed was found"
    raise SanctuaryError(
        f"entry #{least} is not signed yet: {signed}. {wrong or 'The notary signs what is new every few seconds while it runs'}"
    )


async def checkpoint_of(source: Source, keys: Keys, known: Sequence[Claim | Problem], size: int) -> Claim:
    """Return a checkpoint of the tree of `size` entries.

    Raises:
        SanctuaryError: there is none; the message names the sizes next to it.
    """
    others: set[int] = set()
    async for claim in checkpoints(source, keys, known):
        if claim.checkpoint.size == size:
            return claim
        others.add(claim.checkpoint.size)
    near = sorted(sorted(others, key=lambda other: abs(other - size))[:3])
    there_are = f" There are those of {', '.join(map(str, near))}." if near else ""
    raise SanctuaryError(
        f"no checkpoint of {size} entries was found, neither in files nor among the newest {MOST_LOOKED_AT} in the ledger."
        f"{there_are} Name its file, where it was kept elsewhere"
    )


async def task_records(source: Source, task_id: str) -> list[Record]:
    """Return a task's assignment and its result, as the ledger holds them; empty: there is no such task.

    Raises:
        SanctuaryError, OSError: the ledger cannot be read.
    """
    own = [entry for entry in await family(source, task_id) if entry.task_id == task_id]
    assigned = next((entry for entry in own if entry.family in BEGINNINGS), None)
    wanted = [] if assigned is None else [assigned]
    wanted += [
        entry
        for entry in own
        if entry.family == "result" and (assigned is None or entry.task_type == assigned.task_type)
    ]
    found = [await source.entry(entry.sequence) for entry in wanted if entry.sequence is not None]
    return [record for record in found if record is not None]


@asynccontextmanager
async def tree(
    source: Source, leaves: Path | None, size: int, progress: Callable[[int, int], None]
) -> AsyncIterator[Root]:
    """Give the roots of the ledger's tree up to `size` leaves: from the notary's leaves where they reach as far, else from the ledger.

    From the ledger, all of it is read; its leaves lie in a temporary file meanwhile.

    Raises:
        SanctuaryError, OSError: the ledger cannot be read.
    """
    if leaves is not None:
        with Leaves(leaves) as file:
            if file.size >= size:
                yield file.root
                return
    with tempfile.NamedTemporaryFile(prefix="sanctuary-leaves-") as spool:
        following = 1
        async for batch in source.records(1, size):
            for record in batch:
                _write_gaps(spool.write, following, record.sequence)
                spool.write(leaf_hash(encode_record(record)))
                following = record.sequence + 1
            progress(following - 1, size)
        _write_gaps(spool.write, following, size + 1)
        spool.flush()
        with Leaves(Path(spool.name)) as file:
            yield file.root


def _write_gaps(write: Callable[[bytes], object], start: int, end: int) -> None:
    for place in range(start, end, _GAP_LEAVES):
        write(b"".join(gap_leaf(each) for each in range(place, min(place + _GAP_LEAVES, end))))
