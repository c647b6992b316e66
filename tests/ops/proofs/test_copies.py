"""A stream beside the archive of its beginning: how the two can differ."""

import pytest

from bus.jetstream import api, publish
from bus.record_reader import records
from bus.records import Record
from ops.proofs.copies import Copies
from tests.ops.rig import OpsRig

COUNT = 12
PURGED = 4


async def stored(rig: OpsRig) -> list[Record]:
    """The entries of a ledger, the first of which are not in the stream any more."""
    network = rig.bus.network
    for number in range(COUNT):
        await publish(network.requester, network.subjects.task("security"), b'{"n":%d}' % number)
    found = [record async for batch in records(network, 1) for record in batch]
    keep = found[PURGED].sequence
    await api(network.requester, f"STREAM.PURGE.{network.subjects.ledger}", {"seq": keep})
    return found


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_differences_are_found_whatever_the_blocks(size: int, ops_rig: OpsRig) -> None:
    whole = await stored(ops_rig)
    first, last = whole[PURGED].sequence, whole[-1].sequence
    here = whole[7]
    other = Record(here.sequence, here.stored_at_ns, here.subject, b"", b"{}")
    archives = {
        "": whole,
        "altered": [*whole[:7], other, *whole[8:]],
        # The archive lacks an entry that the stream has.
        "inserted": [*whole[:7], *whole[8:]],
    }
    for kind, archive in archives.items():
        copies = Copies(ops_rig.bus.network, first, last)
        for start in range(0, len(archive), size):
            await copies.compare(archive[start : start + size])
        await copies.finish()
        await copies.close()
        told = ("", 0) if copies.problem is None else (copies.problem.kind, copies.problem.sequence)
        assert told == ((kind, here.sequence) if kind else ("", 0))


async def test_a_stream_that_has_more_than_was_archived_is_told_so(ops_rig: OpsRig) -> None:
    whole = await stored(ops_rig)
    copies = Copies(ops_rig.bus.network, whole[PURGED].sequence, whole[-1].sequence)
    await copies.compare(whole[:9])
    await copies.finish()
    assert copies.problem is not None
    assert (copies.problem.kind, copies.problem.sequence) == ("inserted", whole[9].sequence)
