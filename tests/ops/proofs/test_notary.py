"""The notary on a real server: what it signs is what the ledger holds, and a ledger that contradicts it stops it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pytest import MonkeyPatch

import ops.archive.archiving
from bus.errors import SanctuaryError
from bus.jetstream import api, publish
from bus.ledger import entries, last_sequence
from bus.merkle import root_of
from bus.record_reader import records
from bus.records import encode_record, gap_leaf, leaf_hash
from bus.server import EmbeddedServer
from bus.topology import ensure
from ops.archive.archiving import archive_ledger
from ops.archive.source import Source
from ops.proofs import notary as module
from ops.proofs.checkpoint import Checkpoint, SignedCheckpoint, parse_checkpoint, verify
from ops.proofs.notary import LedgerContradicts, Notary
from ops.proofs.notary_files import NotaryFiles
from ops.proofs.reading import CannotSign, source_from
from tests.bus.rig import Rig, open_rig


@pytest_asyncio.fixture
async def rig(server: EmbeddedServer) -> AsyncIterator[Rig]:
    async with open_rig(server, types=()) as opened:
        yield opened


@asynccontextmanager
async def opened(rig: Rig, path: Path, archive: Path | None = None) -> AsyncIterator[tuple[Notary, NotaryFiles]]:
    """A notary that signs whenever it looks and has news; it is not run."""
    files = NotaryFiles(path / "notary", path, rig.subjects.realm)
    files.open()
    try:
        yield Notary(rig.network, files, every_s=0, archive=archive), files
    finally:
        files.close()


async def store(rig: Rig, count: int, body: bytes = b"{}", task_type: str = "echo") -> None:
    for _ in range(count):
        await publish(rig.network.requester, rig.subjects.task(task_type), body, headers={"A": "b"})


async def sign(notary: Notary) -> None:
    """What is there now is taken in at the next look."""
    await notary.look()
    await notary.look()


async def checkpoints(rig: Rig) -> list[SignedCheckpoint]:
    """Those in the ledger."""
    subject = rig.subjects.every("checkpoint")
    return [parse_checkpoint(message.data) async for message in entries(rig.network, subject)]


async def expected(rig: Rig, files: NotaryFiles, size: int) -> Checkpoint:
    """The checkpoint of what the ledger holds now."""
    held = {each.sequence: each async for batch in records(rig.network, 1, size) for each in batch}
    leaves = [
        leaf_hash(encode_record(held[sequence])) if sequence in held else gap_leaf(sequence)
        for sequence in range(1, size + 1)
    ]
    return Checkpoint(files.public.name, size, root_of(leaves))


async def purge(rig: Rig, before: int) -> None:
    await api(rig.network.requester, f"STREAM.PURGE.{rig.subjects.ledger}", {"seq": before})


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: MonkeyPatch) -> Path:
    """Where nothing is archived yet; no entry is too young for it."""
    monkeypatch.setattr(ops.archive.archiving, "SETTLED_S", -60.0)
    return tmp_path / "archive"


async def remake(rig: Rig) -> None:
    await api(rig.network.requester, f"STREAM.DELETE.{rig.subjects.ledger}")
    await ensure(rig.network.requester, rig.subjects, task_types={})


async def test_what_is_signed_is_what_the_ledger_holds(rig: Rig, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as (notary, files):
        await store(rig, 5)
        await sign(notary)
        await store(rig, 3)
        await sign(notary)
        signed = await checkpoints(rig)
        assert [each.checkpoint.size for each in signed] == [5, 9]
        for each in signed:
            verify(each, files.public)
            assert each.checkpoint == await expected(rig, files, each.checkpoint.size)
        assert (notary.progress.signed, notary.progress.checkpoints) == (9, 2)


async def test_what_came_since_the_last_look_is_not_signed_yet(rig: Rig, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as (notary, files):
        await store(rig, 5)
        await notary.look()
        await store(rig, 2)
        await notary.look()
        assert (files.signed_size, notary.progress.last) == (5, 7)


async def test_checkpoints_alone_are_no_news(rig: Rig, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as (notary, files):
        await store(rig, 1)
        for _ in range(5):
            await notary.look()
        assert [each.checkpoint.size for each in await checkpoints(rig)] == [1]
        await store(rig, 1)
        await sign(notary)
        assert files.signed_size == 3


async def test_checkpoints_are_signed_every_few_seconds_only(rig: Rig, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as (_, files):
        notary = Notary(rig.network, files, every_s=3600)
        for _ in range(3):
            await store(rig, 1)
            await sign(notary)
        assert files.signed_size == 1
        assert files.tree.size == 4


async def test_gaps_are_signed(rig: Rig, tmp_path: Path, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_GAP_LEAVES", 2)
    async with opened(rig, tmp_path) as (notary, files):
        await store(rig, 1)
        await sign(notary)
        await store(rig, 7)
        await purge(rig, 6)
        await store(rig, 1, task_type="gone")
        await store(rig, 2)
        await store(rig, 1, task_type="gone")
        await api(rig.network.requester, f"STREAM.PURGE.{rig.subjects.ledger}", {"filter": rig.subjects.task("gone")})
        kept = [files.leaf(1)]
        await sign(notary)
        assert files.signed is not None
        held = {
            each.sequence: leaf_hash(encode_record(each)) async for batch in records(rig.network, 2) for each in batch
        }
        leaves = kept + [held.get(number, gap_leaf(number)) for number in range(2, 14)]
        assert files.signed.checkpoint == Checkpoint(files.public.name, 13, root_of(leaves))


async def test_a_log_that_begins_after_a_purge_agrees_with_the_one_before(
    rig: Rig, tmp_path: Path, archive: Path
) -> None:
    async with opened(rig, tmp_path / "former") as (notary, _):
        await store(rig, 5)
        await sign(notary)
    await archive_ledger(rig.network, archive)
    await store(rig, 3)
    await purge(rig, 5)
    async with opened(rig, tmp_path / "later", archive) as (notary, files):
        await sign(notary)
        assert files.signed_size == 9
    former, later = (tmp_path / name / "notary" / "leaves" for name in ("former", "later"))
    assert later.read_bytes().startswith(former.read_bytes())


async def test_no_log_begins_on_a_purged_ledger_without_what_went(rig: Rig, tmp_path: Path, archive: Path) -> None:
    await store(rig, 5)
    await purge(rig, 4)
    async with opened(rig, tmp_path) as (notary, _):
        with pytest.raises(CannotSign, match=r"holds nothing before #4 any more, and no archive is named"):
            await sign(notary)
    async with opened(rig, tmp_path, archive) as (notary, files):
        with pytest.raises(CannotSign, match=r"has nothing of it from #1 on.*`sanctuary audit archive`"):
            await sign(notary)
        assert (files.tree.size, await checkpoints(rig)) == (0, [])
        await archive_ledger(rig.network, archive)
        await sign(notary)
        assert files.signed is not None
        assert files.signed.checkpoint == await expected(rig, files, 5)


async def test_what_is_purged_while_it_is_read_is_read_from_the_archive(
    rig: Rig, tmp_path: Path, archive: Path, monkeypatch: MonkeyPatch
) -> None:
    await store(rig, 5)
    await archive_ledger(rig.network, archive)

    async def purged_then(*arguments: Any, is_new: bool) -> Source:
        source = await source_from(*arguments, is_new=is_new)
        await purge(rig, 4)
        return source

    async with opened(rig, tmp_path, archive) as (notary, files):
        await notary.look()
        whole = await expected(rig, files, 5)
        monkeypatch.setattr(module, "source_from", purged_then)
        with pytest.raises(SanctuaryError, match="purged while they were read"):
            await notary.look()
        assert files.tree.size == 0
        await notary.look()
        assert files.signed is not None
        assert files.signed.checkpoint == whole


async def test_entries_that_go_once_they_are_signed_change_nothing(rig: Rig, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as (notary, files):
        await store(rig, 5)
        await sign(notary)
        await store(rig, 1)
        leaves = await expected(rig, files, 7)
        await purge(rig, 6)
        await sign(notary)
        assert [each.checkpoint for each in await checkpoints(rig)][-1:] == [leaves]


async def test_another_process_goes_on_where_one_ended(rig: Rig, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as (notary, _):
        await store(rig, 5)
        await sign(notary)
    await store(rig, 5)
    async with opened(rig, tmp_path) as (notary, files):
        await sign(notary)
        assert files.signed is not None
        assert files.signed.checkpoint == await expected(rig, files, 11)


async def test_a_checkpoint_that_did_not_reach_the_ledger_is_stored_at_the_next_start(rig: Rig, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as (notary, files):
        await store(rig, 5)
        await notary.look()
        await notary._grow(5)
        files.sign()
    async with opened(rig, tmp_path) as (notary, files):
        assert await checkpoints(rig) == []
        await sign(notary)
        assert await checkpoints(rig) == [files.signed]
        await sign(notary)
        assert len(await checkpoints(rig)) == 1


async def test_leaves_that_are_lost_are_read_again(rig: Rig, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as (notary, _):
        await store(rig, 5)
        await sign(notary)
    (tmp_path / "notary" / "leaves").unlink()
    async with opened(rig, tmp_path) as (notary, files):
        await store(rig, 1)
        await sign(notary)
        assert files.signed is not None
        assert files.signed.checkpoint == await expected(rig, files, 7)


async def test_leaves_that_are_lost_with_the_entries_purged_are_asked_for(rig: Rig, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as (notary, _):
        await store(rig, 5)
        await sign(notary)
    leaves = tmp_path / "notary" / "leaves"
    kept = leaves.read_bytes()
    leaves.unlink()
    await purge(rig, 4)
    async with opened(rig, tmp_path) as (notary, _):
        with pytest.raises(CannotSign, match=r"holds nothing before #4.* put back a copy"):
            await notary.look()
    leaves.write_bytes(kept)
    async with opened(rig, tmp_path) as (notary, files):
        await store(rig, 1)
        await sign(notary)
        assert files.signed_size == 7


async def test_leaves_that_are_lost_are_made_again_from_the_archive(rig: Rig, tmp_path: Path, archive: Path) -> None:
    async with opened(rig, tmp_path) as (notary, _):
        await store(rig, 5)
        await sign(notary)
    leaves = tmp_path / "notary" / "leaves"
    kept = leaves.read_bytes()
    leaves.unlink()
    await archive_ledger(rig.network, archive)
    await purge(rig, 4)
    async with opened(rig, tmp_path, archive) as (notary, files):
        await notary.look()
        assert files.tree.size == 5
    assert leaves.read_bytes() == kept


async def test_a_directory_that_is_older_than_the_ledger_catches_up(rig: Rig, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as (notary, _):
        await store(rig, 5)
        await sign(notary)
    old = (tmp_path / "notary" / "leaves").read_bytes()
    async with opened(rig, tmp_path) as (notary, _):
        await store(rig, 5)
        await sign(notary)
    (tmp_path / "notary" / "leaves").write_bytes(old)
    max((tmp_path / "notary" / "checkpoints").iterdir()).unlink()
    async with opened(rig, tmp_path) as (notary, files):
        assert files.signed_size == 5
        await notary.look()
        assert (files.signed_size, files.tree.size) == (11, 11)


@pytest.mark.parametrize("count", [0, 4, 5, 9])
async def test_a_ledger_that_was_made_anew_is_not_signed(rig: Rig, tmp_path: Path, count: int) -> None:
    async with opened(rig, tmp_path) as (notary, files):
        await store(rig, 5)
        await sign(notary)
        await remake(rig)
        await store(rig, count)
        with pytest.raises(LedgerContradicts, match="ends with" if count < 5 else "is not the one that was signed"):
            await sign(notary)
        assert files.signed_size == 5
        assert await checkpoints(rig) == []


@pytest.mark.parametrize("count", [0, 4, 5, 9])
async def test_nor_where_the_notary_was_not_there_meanwhile(rig: Rig, tmp_path: Path, count: int) -> None:
    async with opened(rig, tmp_path) as (notary, _):
        await store(rig, 5)
        await sign(notary)
    await remake(rig)
    await store(rig, count)
    async with opened(rig, tmp_path) as (notary, files):
        with pytest.raises(LedgerContradicts):
            await sign(notary)
        assert files.signed_size == 5
        assert await checkpoints(rig) == []


async def test_nor_where_the_leaves_are_lost_too(rig: Rig, tmp_path: Path) -> None:
    async with opened(rig, tmp_path) as (notary, _):
        await store(rig, 5)
        await sign(notary)
    (tmp_path / "notary" / "leaves").unlink()
    await remake(rig)
    await store(rig, 9)
    async with opened(rig, tmp_path) as (notary, _):
        with pytest.raises(LedgerContradicts, match="up to entry #5 is not what was signed"):
            await notary.look()


async def test_two_notaries_with_one_key_do_not_fork_the_log(rig: Rig, tmp_path: Path) -> None:
    """The second, which saw another ledger, finds the first one's checkpoint."""
    await store(rig, 3)
    async with opened(rig, tmp_path) as (notary, files):
        await sign(notary)
        foreign = files.signed
    (tmp_path / "notary" / "leaves").unlink()
    for path in (tmp_path / "notary" / "checkpoints").iterdir():
        path.unlink()
    await remake(rig)
    await store(rig, 3)
    async with opened(rig, tmp_path) as (notary, files):
        await notary.look()
        await notary._grow(3)
        files.sign()
    await publish(rig.network.requester, rig.subjects.checkpoint(files.public.name), str(foreign).encode())
    async with opened(rig, tmp_path) as (notary, _):
        with pytest.raises(LedgerContradicts, match="two trees of 3 entries"):
            await notary.look()


async def test_entries_that_were_lost_before_they_were_signed_are_read_again(rig: Rig, tmp_path: Path) -> None:
    """As at a power cut: what was taken in was there for a second, and is another now."""
    async with opened(rig, tmp_path) as (_, files):
        notary = Notary(rig.network, files, every_s=3600)
        await store(rig, 3)
        await sign(notary)
        await store(rig, 4)
        await sign(notary)
        assert (files.signed_size, files.tree.size) == (3, 8)
        # Nothing can be lost on purpose: the tree is made to hold what the ledger does not.
        files.cut_back()
        files.append([bytes(32)] * 5)
        notary._sign_at = 0
        await notary.look()
        assert (files.signed_size, files.tree.size) == (3, 3)
        await sign(notary)
        assert files.signed is not None
        assert files.signed.checkpoint == await expected(rig, files, 8)


async def test_a_network_without_a_ledger_is_waited_for(rig: Rig, tmp_path: Path) -> None:
    await api(rig.network.requester, f"STREAM.DELETE.{rig.subjects.ledger}")
    async with opened(rig, tmp_path) as (notary, files):
        await notary.look()
        await ensure(rig.network.requester, rig.subjects, task_types={})
        await store(rig, 1)
        await sign(notary)
        assert files.signed_size == 1
    assert await last_sequence(rig.network) == 2
