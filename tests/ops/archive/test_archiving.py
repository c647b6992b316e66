"""The archive step on a real server: everything, once, as it stands; whatever was left by a run before."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bus.errors import SanctuaryError
from bus.merkle import root_of
from bus.records import encode_record, gap_leaf, leaf_hash
from bus.server import EmbeddedServer
from ops.archive.archiving import archive_ledger
from ops.archive.directory import ArchiveWrong, locked, open_archive
from ops.archive.segment import TRAILER, SegmentDamaged
from tests.bus.rig import Rig, open_rig
from tests.ops.archive.ledgers import ledger, numbers, purge, store


def files(directory: Path, pattern: str = "*.segment") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.glob(pattern))}


async def test_what_is_archived_is_what_the_ledger_holds(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 40)
    done = await archive_ledger(rig.network, tmp_path)
    assert (done.sealed, done.records, done.end, done.lost) == (3, 40, 40, None)
    archive = open_archive(tmp_path, rig.subjects.realm)
    assert [(each.start, each.end, each.is_full) for each in archive.segments] == [
        (1, 16, True),
        (17, 32, True),
        (33, 40, False),
    ]
    present = await ledger(rig)
    assert [each for batch in archive.batches() for each in batch] == present
    assert len(archive.segments[0].blocks) > 1
    for number in (1, 16, 17, 40):
        assert archive.record(number) == present[number - 1]
    assert archive.record(41) is archive.record(0) is None
    for segment in archive.segments:
        covered = [leaf_hash(encode_record(each)) for each in present if segment.start <= each.sequence <= segment.end]
        assert segment.root == root_of(covered)
        assert segment.digest == hashlib.sha256(segment.path.read_bytes()[:-32]).digest()
    assert list(archive.verify()) == list(archive.segments)


async def test_a_second_run_goes_on_and_makes_what_one_run_would_have_made(rig: Rig, tmp_path: Path) -> None:
    for count in (5, 1, 30, 4):
        await store(rig, count)
        await archive_ledger(rig.network, tmp_path / "often")
    again = await archive_ledger(rig.network, tmp_path / "often")
    assert (again.sealed, again.records, again.end) == (0, 0, 40)
    await archive_ledger(rig.network, tmp_path / "once")
    assert files(tmp_path / "often") == files(tmp_path / "once")


async def test_large_entries_make_shorter_segments_and_the_same_ones_for_all(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 6)
    await archive_ledger(rig.network, tmp_path / "often")
    await store(rig, 20, size=5000)
    await archive_ledger(rig.network, tmp_path / "often")
    await archive_ledger(rig.network, tmp_path / "once")
    assert files(tmp_path / "often") == files(tmp_path / "once")
    assert [each.end for each in open_archive(tmp_path / "once", rig.subjects.realm).segments] == [16, 24, 26]


async def test_what_was_purged_before_is_a_gap_in_the_tree_and_is_told(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 60)
    await purge(rig, 36)
    done = await archive_ledger(rig.network, tmp_path)
    assert done.lost == (1, 35)
    archive = open_archive(tmp_path, rig.subjects.realm)
    assert [(each.start, each.end) for each in archive.segments] == [(1, 48), (49, 60)]
    leaves = [*map(gap_leaf, range(1, 36)), *(leaf_hash(encode_record(each)) for each in await ledger(rig))]
    assert archive.segments[0].root == root_of(leaves[:48])
    await store(rig, 10)
    await purge(rig, 65)
    assert (await archive_ledger(rig.network, tmp_path)).lost == (61, 64)
    archive = open_archive(tmp_path, rig.subjects.realm)
    assert numbers(each for batch in archive.batches() for each in batch) == [*range(36, 61), *range(65, 71)]
    assert list(archive.verify()) == list(archive.segments)


async def test_what_is_archived_may_be_purged_and_is_gone_on_with(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 20)
    before = await ledger(rig)
    await archive_ledger(rig.network, tmp_path)
    await purge(rig, 21)
    assert (await archive_ledger(rig.network, tmp_path)).records == 0
    await store(rig, 20)
    after = await ledger(rig)
    await archive_ledger(rig.network, tmp_path)
    archive = open_archive(tmp_path, rig.subjects.realm)
    assert [each for batch in archive.batches() for each in batch] == before + after


async def test_an_empty_ledger_archives_nothing(rig: Rig, tmp_path: Path) -> None:
    done = await archive_ledger(rig.network, tmp_path)
    assert (done.sealed, done.end, files(tmp_path)) == (0, 0, {})


async def test_what_a_killed_run_left_is_made_good(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 20)
    await archive_ledger(rig.network, tmp_path)
    replaced = {name: data for name, data in files(tmp_path).items() if name.endswith("20.segment")}
    await store(rig, 20)
    await archive_ledger(rig.network, tmp_path)
    made = files(tmp_path)
    for name, data in replaced.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / f"{33:020}.partial").write_bytes(b"half a segm")
    assert open_archive(tmp_path, rig.subjects.realm).end == 40
    await archive_ledger(rig.network, tmp_path)
    assert files(tmp_path) == made
    assert files(tmp_path, "*.partial") == {}


async def test_two_do_not_archive_at_once(rig: Rig, tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(SanctuaryError, match="at work in"):
        await archive_ledger(rig.network, tmp_path)


async def test_the_archive_of_another_ledger_is_refused(server: EmbeddedServer, rig: Rig, tmp_path: Path) -> None:
    await store(rig, 20)
    await archive_ledger(rig.network, tmp_path)
    async with open_rig(server) as other:
        await store(other, 30)
        with pytest.raises(ArchiveWrong, match=f"is of the realm '{rig.subjects.realm}'"):
            await archive_ledger(other.network, tmp_path)


async def test_damage_is_named(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 40)
    await archive_ledger(rig.network, tmp_path)
    paths = [tmp_path / name for name in files(tmp_path)]
    whole = paths[1].read_bytes()
    first_block = open_archive(tmp_path, rig.subjects.realm).segments[1].blocks[0].offset
    for place in range(0, len(whole), 7):
        paths[1].write_bytes(whole[:place] + bytes((whole[place] ^ 1,)) + whole[place + 1 :])
        with pytest.raises((SegmentDamaged, ArchiveWrong), match="segment") as told:
            list(open_archive(tmp_path, rig.subjects.realm).verify())
        assert str(paths[1]) in told.value.message
        if place >= first_block:
            assert isinstance(told.value, SegmentDamaged)
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        paths[1].write_bytes(whole[:length])
        with pytest.raises(SegmentDamaged, match="is damaged"):
            open_archive(tmp_path, rig.subjects.realm)
    paths[1].unlink()
    with pytest.raises(ArchiveWrong, match="lacks the entries 17 to 32"):
        open_archive(tmp_path, rig.subjects.realm)
    paths[1].write_bytes(whole)
    paths[1].rename(tmp_path / f"{17:020}-{33:020}.segment")
    with pytest.raises(SegmentDamaged, match="is not named so"):
        open_archive(tmp_path, rig.subjects.realm)


def altered(whole: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A segment whose footer somebody has altered who knows how its digests are made."""
    at, _, _ = TRAILER.unpack(whole[-TRAILER.size :])
    footer = json.loads(whole[at : -TRAILER.size])
    change(footer)
    raw = json.dumps(footer).encode()
    body = whole[:at] + raw + TRAILER.pack(at, hashlib.sha256(raw).digest(), b"")[:-32]
    return body + hashlib.sha256(body).digest()


@pytest.mark.parametrize(
    "change",
    [
        lambda footer: footer.update(root="no hex"),
        lambda footer: footer.update(root=32 * "00"),
        lambda footer: footer.update(count=footer["count"] + 1),
        lambda footer: footer.update(end=footer["end"] + 1),
        lambda footer: footer.update(blocks=[]),
        lambda footer: footer.update(blocks="none"),
        lambda footer: footer["blocks"].pop(),
        lambda footer: footer["blocks"].reverse(),
        lambda footer: footer["blocks"][0].__setitem__(2, -1),
        lambda footer: footer["blocks"][0].__setitem__(1, -1),
        lambda footer: footer["blocks"][0].__setitem__(2, 2**40),
        lambda footer: footer["blocks"][0].__setitem__(4, 0),
        lambda footer: footer.pop("end"),
    ],
)
async def test_a_footer_that_was_made_up_is_refused(
    rig: Rig, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    await store(rig, 12)
    await archive_ledger(rig.network, tmp_path)
    (name,) = files(tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(altered(whole, lambda footer: None))
    list(open_archive(tmp_path, rig.subjects.realm).verify())
    (tmp_path / name).write_bytes(altered(whole, change))
    with pytest.raises(SegmentDamaged, match="is damaged"):
        list(open_archive(tmp_path, rig.subjects.realm).verify())


async def test_segments_of_two_archives_do_not_mix(rig: Rig, tmp_path: Path) -> None:
    await store(rig, 10)
    await archive_ledger(rig.network, tmp_path / "one")
    await store(rig, 30)
    await archive_ledger(rig.network, tmp_path / "other")
    for name, data in files(tmp_path / "other").items():
        if not name.startswith(f"{1:020}"):
            (tmp_path / "one" / name).write_bytes(data)
    with pytest.raises(ArchiveWrong, match="lacks the entries 11 to 16"):
        open_archive(tmp_path / "one", rig.subjects.realm)
