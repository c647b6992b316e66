"""Ledgers to archive: entries stored on a real server, and what was read of them."""

from collections.abc import AsyncIterator, Iterable

from bus.jetstream import api, publish
from bus.ledger import last_sequence
from bus.record_reader import records
from bus.records import Record
from tests.bus.eventually import eventually
from tests.bus.rig import Rig


async def store(rig: Rig, count: int, *, size: int = 10) -> int:
    """Store so many entries, two of each task, and return the last one's sequence."""
    last = await last_sequence(rig.network)
    for number in range(last + 1, last + count + 1):
        task_id = f"t{(number + 1) // 2}"
        if number % 2:
            body = b'{"params":{"n":%d,"x":"%s"},"id":"%s"}' % (number, b"x" * size, task_id.encode())
            await publish(rig.network.requester, rig.subjects.task("echo"), body, headers={"Trace": str(number)})
        else:
            await publish(rig.network.requester, rig.subjects.event("echo", task_id), b'{"type":"TaskStarted"}')
    return last + count


async def read(batches: AsyncIterator[list[Record]]) -> list[Record]:
    return [each async for batch in batches for each in batch]


async def ledger(rig: Rig) -> list[Record]:
    """All that the stream holds."""
    return await read(records(rig.network, 1))


async def copied(rig: Rig, *task_ids: str) -> None:
    """Wait until the ledger has the results of tasks."""

    async def has_all() -> bool:
        found = await rig.in_stream(rig.subjects.ledger, rig.subjects.every("result"))
        return set(task_ids) <= {message.subject.rpartition(".")[2] for message in found}

    await eventually(has_all)


async def purge(rig: Rig, before: int) -> None:
    """Have the server forget what stands before a sequence."""
    await api(rig.network.requester, f"STREAM.PURGE.{rig.subjects.ledger}", {"seq": before})


def numbers(found: Iterable[Record]) -> list[int]:
    return [each.sequence for each in found]
