"""The ledger read as it is stored, on a real server: every byte, every gap, to the end that was asked for."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pytest import MonkeyPatch

import bus.record_reader
from bus.errors import Disconnected, RequestTimeout
from bus.jetstream import api, publish
from bus.ledger import entry, last_sequence
from bus.network import Network, open_network
from bus.record_reader import record, records
from bus.records import Record, as_message
from bus.server import EmbeddedServer, ServerOptions
from bus.subjects import Subjects
from bus.topology import ensure
from tests.bus.eventually import eventually
from tests.bus.rig import Rig


async def store(rig: Rig, count: int) -> None:
    """Store tasks of the numbers from one more than there are."""
    last = await last_sequence(rig.network)
    for number in range(last + 1, last + count + 1):
        await publish(rig.network.requester, rig.subjects.task("echo"), b"%d" % number)


async def holds(rig: Rig, count: int) -> None:
    """Wait for what nobody acknowledges to us."""

    async def there() -> bool:
        return await last_sequence(rig.network) == count

    await eventually(there)


async def read(batches: AsyncIterator[list[Record]]) -> list[Record]:
    return [each async for batch in batches for each in batch]


async def purge(rig: Rig, **what: Any) -> None:
    await api(rig.network.requester, f"STREAM.PURGE.{rig.subjects.ledger}", what)


def numbers(found: Sequence[Record]) -> list[int]:
    assert all(each.data == b"%d" % each.sequence for each in found)
    return [each.sequence for each in found]


async def test_what_is_read_is_what_was_sent(rig: Rig) -> None:
    subject = rig.subjects.task("echo")
    sent = [
        (b"", b"no headers"),
        (b"NATS/1.0\r\nA: 1\r\nA:2\r\nNats-Sequence: 9\r\n\r\n", b"a name that stands twice, and one of the server's"),
        (b"NATS/1.0\r\n\r\n", b"an empty block"),
        (b"NATS/1.0\r\nA: no end", b"not well-formed"),
        (b"xy", b""),
        (b"NATS/1.0\r\n\xff\xfe: \x00\r\n\r\n", bytes(range(256))),
    ]
    for head, data in sent:
        wire = b"PUB %s %d\r\n%s\r\n" % (subject.encode(), len(data), data)
        if head:
            sizes = (len(head), len(head) + len(data))
            wire = b"HPUB %s %d %d\r\n%s%s\r\n" % (subject.encode(), *sizes, head, data)
        rig.network.client._transport.write(wire)  # type: ignore[union-attr]
    await holds(rig, len(sent))
    found = await read(records(rig.network, 1))
    assert [(each.headers, each.data) for each in found] == sent
    assert [each.sequence for each in found] == list(range(1, len(sent) + 1))


async def test_a_subject_that_is_no_text_can_be_read(rig: Rig) -> None:
    rig.network.client._transport.write(b"PUB %s.\xff\xc3 0\r\n\r\n" % rig.subjects.task("echo").encode())  # type: ignore[union-attr]
    await holds(rig, 1)
    (found,) = await read(records(rig.network, 1))
    assert found.subject.encode("utf-8", "surrogateescape").endswith(b".echo.\xff\xc3")


async def test_an_entry_is_the_same_as_by_direct_get(rig: Rig) -> None:
    headers = {"Content-Type": "application/json", "Ä": "ö: ü"}
    await publish(rig.network.requester, rig.subjects.task("echo", "high"), b"{}", headers=headers)
    (found,) = await read(records(rig.network, 1))
    direct = await entry(rig.network, 1)
    assert direct is not None
    raw = msgspec.structs.asdict(as_message(found))
    added = {"Nats-Stream", "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp"}
    without = {name: value for name, value in direct.headers.items() if name not in added}
    assert raw == {**msgspec.structs.asdict(direct), "headers": without, "stored_at": raw["stored_at"]}
    assert abs(direct.stored_at - raw["stored_at"]).total_seconds() < 2e-6
    assert direct.headers["Nats-Time-Stamp"].rstrip("Z").partition(".")[2].ljust(9, "0") in str(found.stored_at_ns)


async def test_results_are_read_as_they_were_copied(rig: Rig) -> None:
    await publish(rig.network.requester, rig.subjects.settle("echo", "t1"), b"r", headers={"A": "1"})
    await holds(rig, 1)
    (found,) = await read(records(rig.network, 1))
    assert found.subject == rig.subjects.result("echo", "t1")
    assert b"Nats-Stream-Source: " in found.headers


async def test_batches_of_any_size_give_the_same(rig: Rig, monkeypatch: MonkeyPatch) -> None:
    await store(rig, 25)
    for size in (1, 2, 7, 24, 25, 26):
        monkeypatch.setattr(bus.record_reader, "BATCH", size)
        assert numbers(await read(records(rig.network, 1))) == list(range(1, 26))
        assert numbers(await read(records(rig.network, 5, 12))) == list(range(5, 13))
    there = await api(rig.network.requester, f"CONSUMER.NAMES.{rig.subjects.ledger}")
    assert not [name for name in there["consumers"] if name.startswith("reader_")]


async def test_a_batch_that_grows_too_large_is_cut(rig: Rig, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(bus.record_reader, "BATCH_BYTES", 0)
    monkeypatch.setattr(bus.record_reader, "_ENVELOPE_BYTES", 64 * 1024)
    large = bytes(3 * 1024 * 1024)
    for _ in range(7):
        await publish(rig.network.requester, rig.subjects.task("echo"), large)
    sizes = [len(batch) async for batch in records(rig.network, 1)]
    assert sum(sizes) == 7
    assert max(sizes) <= 4


async def test_gaps_are_left_out_at_both_ends_and_between(rig: Rig) -> None:
    await store(rig, 10)
    await publish(rig.network.requester, rig.subjects.task("gone"), b"11")
    await publish(rig.network.requester, rig.subjects.task("gone"), b"12")
    await store(rig, 3)
    await publish(rig.network.requester, rig.subjects.task("gone"), b"16")
    await purge(rig, seq=4)
    await purge(rig, filter=rig.subjects.task("gone"))
    assert numbers(await read(records(rig.network, 1))) == [*range(4, 11), 13, 14, 15]
    assert numbers(await read(records(rig.network, 2, 5))) == [4, 5]
    assert numbers(await read(records(rig.network, 5, 11))) == [5, 6, 7, 8, 9, 10]
    assert await read(records(rig.network, 11, 12)) == []
    assert await read(records(rig.network, 16, 1000)) == []
    assert await read(records(rig.network, 9, 8)) == []
    assert await record(rig.network, 12) is None
    assert (await record(rig.network, 13)).data == b"13"  # type: ignore[union-attr]


async def test_of_one_subject_alone(rig: Rig, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(bus.record_reader, "BATCH", 2)
    for number in range(1, 13):
        subject = rig.subjects.task("other" if number % 3 else "echo")
        await publish(rig.network.requester, subject, b"%d" % number)
    only = rig.subjects.task("echo")
    assert numbers(await read(records(rig.network, 1, subject=only))) == [3, 6, 9, 12]
    assert numbers(await read(records(rig.network, 4, 8, subject=only))) == [6]
    assert numbers(await read(records(rig.network, 10, 11, subject=only))) == []
    assert len(await read(records(rig.network, 1, subject=rig.subjects.task("*")))) == 12
    assert await read(records(rig.network, 1, subject=rig.subjects.task("nobody"))) == []


async def test_an_empty_ledger_has_none(rig: Rig) -> None:
    assert await read(records(rig.network, 1)) == []
    assert await record(rig.network, 1) is None


async def test_what_is_removed_while_it_is_read_is_left_out(rig: Rig, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(bus.record_reader, "BATCH", 10)
    await store(rig, 100)
    found: list[Record] = []
    async for batch in records(rig.network, 1):
        if not found:
            await purge(rig, seq=91)
        found += batch
    read_numbers = numbers(found)
    assert read_numbers[:10] == list(range(1, 11))
    assert read_numbers[-10:] == list(range(91, 101))
    assert read_numbers == sorted(set(read_numbers))


async def test_a_read_ends_where_the_ledger_ended_when_it_began(rig: Rig, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(bus.record_reader, "BATCH", 3)
    await store(rig, 5)
    found: list[Record] = []
    async for batch in records(rig.network, 1):
        await store(rig, 3)
        found += batch
    assert numbers(found) == [1, 2, 3, 4, 5]


async def test_a_server_that_is_gone_is_told(tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(bus.record_reader, "BATCH", 1)
    options = ServerOptions(store=tmp_path / "store", port=-1, clones={})
    async with EmbeddedServer(options) as server:
        subjects = Subjects()
        async with open_network(server.settings_for("operator"), subjects, name="reader") as network:
            await ensure(network.requester, subjects, task_types={})
            for _ in range(10):
                await publish(network.requester, subjects.task("echo"), b"x")
            with pytest.raises((RequestTimeout, Disconnected)):
                await _read_and_kill(network, server)


async def _read_and_kill(network: Network, server: EmbeddedServer) -> None:
    killed = False
    async for _ in records(network, 1):
        if not killed:
            await server.kill()
            killed = True
