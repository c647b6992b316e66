"""The ledger read through an archive, on a real server: as if nothing had ever left the stream."""

from datetime import timedelta
from pathlib import Path

import pytest

from bus.errors import SanctuaryError
from bus.jetstream import StoredMessage, api
from bus.ledger import entries, newest_first
from bus.records import Record, as_message
from ops.archive.archiving import archive_ledger
from ops.archive.index import FILE, Index
from ops.archive.source import Source, open_source
from tests.bus.rig import Rig
from tests.ops.archive.ledgers import ledger, purge, read, store


def known(message: StoredMessage) -> tuple[int, str, bytes]:
    return message.sequence, message.subject, message.data


async def opened(rig: Rig, directory: Path) -> Source:
    return await open_source(rig.network, directory, rig.subjects.realm)


async def test_archive_and_stream_read_as_one(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 40)
    await archive_ledger(rig.network, tmp_path)
    await store(rig, 30)
    whole = await ledger(rig)
    everything = [message async for message in entries(rig.network, ">")]
    backwards = [message async for message in newest_first(rig.network, (">",), before=71)]
    for before in (1, 20, 41):
        await purge(rig, before)
        source = await opened(rig, tmp_path)
        assert source.missing is None
        assert await source.last_sequence() == 70
        assert await read(source.records()) == whole
        assert await read(source.records(5, 8)) == whole[4:8]
        assert await read(source.records(38, 55)) == whole[37:55]
        assert await read(source.records(60)) == whole[59:]
        assert await source.entry(3) == whole[2]
        assert await source.entry(66) == whole[65]
        assert await source.entry(71) is await source.entry(0) is None
        found = [message async for message in source.matching((">",))]
        assert list(map(known, found)) == list(map(known, everything))
        found = [message async for message in source.newest_first((">",))]
        assert list(map(known, found)) == list(map(known, backwards))


async def test_subjects_are_found_on_both_sides(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 40)
    wanted = {
        pattern: [known(message) async for message in entries(rig.network, pattern)]
        for pattern in (
            rig.subjects.event("*", "t10"),
            rig.subjects.event("echo", "t20"),
            rig.subjects.every("task"),
            rig.subjects.every("event"),
            rig.subjects.every("command"),
        )
    }
    await archive_ledger(rig.network, tmp_path)
    await purge(rig, 30)
    await store(rig, 10)
    source = await opened(rig, tmp_path)
    for pattern, expected in wanted.items():
        found = [known(message) async for message in source.matching((pattern,), end=40)]
        assert found == expected
        found = [known(message) async for message in source.newest_first((pattern,), before=41)]
        assert found == expected[::-1]
    both = (rig.subjects.every("task"), rig.subjects.every("event"))
    assert [message.sequence async for message in source.matching(both, start=12)] == list(range(12, 51))


async def test_the_moment_is_found_on_both_sides(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 40)
    await archive_ledger(rig.network, tmp_path)
    await store(rig, 10)
    whole = [as_message(each) for each in await ledger(rig)]
    source = await opened(rig, tmp_path)
    for message in (whole[0], whole[20], whole[45]):
        assert await source.first_at(message.stored_at) == message.sequence
    assert await source.first_at(whole[-1].stored_at + timedelta(seconds=1)) == 51
    await purge(rig, 51)
    assert await source.first_at(whole[20].stored_at) == 21


async def test_an_id_is_found_by_the_index_also_a_damaged_one(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 60)
    await archive_ledger(rig.network, tmp_path)
    source = await opened(rig, tmp_path)
    for _ in range(2):
        assert [message.sequence for message in source.archived_about(("t7",))] == [13, 14]
        assert [message.sequence for message in source.archived_about(("t7", "t30"))] == [13, 14, 59, 60]
        assert [message.sequence for message in source.archived_about(("seq-9",))] == [9]
        assert source.archived_about(("t31", "seq-61", "seq-", "seq-" + "9" * 40, "%")) == []
        (tmp_path / FILE).write_bytes(b"no database" * 1000)
    (tmp_path / FILE).unlink()
    assert [message.sequence for message in source.archived_about(("t7",))] == [13, 14]
    with Index(source.archive, progress=lambda segment: pytest.fail(str(segment))):
        pass


async def read_while_purged(rig: Rig, source: Source, archive: Path, before: int) -> list[Record]:
    """Read everything; behind the first batch it is archived, and what stands before the entry `before` leaves the stream."""
    found: list[Record] = []
    async for batch in source.records():
        if not found:
            await archive_ledger(rig.network, archive)
            await purge(rig, before)
        found += batch
    return found


async def test_what_is_archived_and_purged_meanwhile_is_read(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 40)
    await archive_ledger(rig.network, tmp_path)
    await store(rig, 30)
    whole = await ledger(rig)
    source = await opened(rig, tmp_path)
    assert await read_while_purged(rig, source, tmp_path, 66) == whole


async def test_what_is_archived_and_purged_while_the_stream_is_read_is_read(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.record_reader.BATCH", 5)
    await store(rig, 60)
    whole = await ledger(rig)
    source = await opened(rig, tmp_path)
    assert await read_while_purged(rig, source, tmp_path, 53) == whole


async def test_what_is_in_neither_is_told(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 20)
    await archive_ledger(rig.network, tmp_path)
    await store(rig, 20)
    await purge(rig, 31)
    assert (await opened(rig, tmp_path)).missing == (21, 30)
    assert (await opened(rig, tmp_path / "nowhere")).missing == (1, 30)


async def test_another_ledger_of_the_same_realm_is_not_taken_for_ours(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 20)
    await archive_ledger(rig.network, tmp_path)
    config = (await api(rig.network.requester, f"STREAM.INFO.{rig.subjects.ledger}"))["config"]
    await api(rig.network.requester, f"STREAM.DELETE.{rig.subjects.ledger}")
    await api(rig.network.requester, f"STREAM.CREATE.{rig.subjects.ledger}", config)
    await store(rig, 10)
    with pytest.raises(SanctuaryError, match="rolled back"):
        await opened(rig, tmp_path)
    await store(rig, 20)
    with pytest.raises(SanctuaryError, match="the entry 20 of the ledger"):
        await opened(rig, tmp_path)


async def test_an_archive_alone_is_read_without_a_network(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 20)
    whole = await ledger(rig)
    await archive_ledger(rig.network, tmp_path)
    source = await open_source(None, tmp_path, rig.subjects.realm)
    assert await source.last_sequence() == 20
    assert await read(source.records()) == whole
    assert [message.sequence async for message in source.matching((rig.subjects.every("event"),), start=15)] == [
        16,
        18,
        20,
    ]
    with pytest.raises(SanctuaryError, match="is of the realm"):
        await open_source(None, tmp_path, "other")
