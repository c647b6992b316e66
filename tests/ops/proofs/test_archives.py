"""Archives are tampered with, alone and beside the stream; and tasks are proved from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from bus.jetstream import api
from bus.records import Record
from ops.archive.directory import open_archive
from ops.archive.writing import SegmentWriter
from tests.bus.eventually import eventually
from tests.ops.proofs.blocks import tamper
from tests.ops.proofs.stores import REALM, STREAM, Ended, SignedStore, copied, run, serving, verified
from tests.ops.proofs.test_tampering import first, with_data

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True)
class Archived:
    """A store with a signed ledger of 18 entries, all of it archived in the store, and an archive of it alone."""

    store: Path

    @property
    def archive(self) -> Path:
        return self.store / "archive"

    @property
    def evidence(self) -> tuple[str | Path, ...]:
        """What somebody needs who has the archive and no server."""
        notary = self.store / "notary"
        return ("--key", notary / "key.pub", "--checkpoint", notary / "checkpoints", "--leaves", notary / "leaves")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def archived(signed_store: SignedStore, tmp_path_factory: pytest.TempPathFactory) -> Archived:
    store = copied(signed_store.early, tmp_path_factory.mktemp("archived") / "store")
    async with serving(store):
        # The newest entries are archived a moment after they were stored.
        await eventually(partial(_archives_all, store))
    return Archived(store)


async def _archives_all(store: Path) -> bool:
    ended = await run("archive", "--store", store, "--realm", REALM, "--json")
    return bool(ended.json["archived"]["end"] == 18)


async def alone(archive: Path, archived: Archived, *arguments: str | Path) -> Ended:
    """What `audit verify` says of an archive where no server runs."""
    nowhere = ("--store", archive.parent / "nothing", "--realm", REALM)
    return await run("verify", "--archive", archive, "--json", *nowhere, *archived.evidence, *arguments)


def rewritten(archived: Archived, target: Path, change: Callable[[list[Record]], Sequence[Record]]) -> Path:
    """An archive with other entries, sealed as if they had always been there."""
    entries = change([record for batch in open_archive(archived.archive, REALM).batches() for record in batch])
    target.mkdir()
    writer = SegmentWriter(target, REALM, 1)
    writer.add(entries)
    writer.seal(entries[-1].sequence)
    return target


def altered(entries: list[Record]) -> list[Record]:
    entries[10] = msgspec.structs.replace(entries[10], data=b"{}")
    return entries


CHANGES: dict[str, tuple[Callable[[list[Record]], Sequence[Record]], str, int]] = {
    "altered": (altered, "altered", 11),
    "deleted": (lambda entries: [*entries[:10], *entries[11:]], "deleted", 11),
    "inserted": (
        lambda entries: [
            msgspec.structs.replace(each, sequence=place)
            for place, each in enumerate([*entries[:10], entries[0], *entries[10:]], start=1)
        ],
        "inserted",
        11,
    ),
    "reordered": (
        lambda entries: [
            msgspec.structs.replace(each, sequence=place)
            for place, each in enumerate([*entries[:10], entries[11], entries[10], *entries[12:]], start=1)
        ],
        "reordered",
        11,
    ),
}


async def test_an_archive_verifies_without_its_server(archived: Archived) -> None:
    ended = await alone(archived.archive, archived)
    assert ended.status == 0, ended
    assert (ended.json["entries"], ended.json["signed"]) == (18, 17)


@pytest.mark.parametrize("name", CHANGES)
async def test_an_archive_that_was_sealed_anew_is_found_out(name: str, archived: Archived, tmp_path: Path) -> None:
    change, kind, sequence = CHANGES[name]
    assert first(await alone(rewritten(archived, tmp_path / "archive", change), archived)) == (kind, sequence)


async def test_an_archive_that_ends_before_what_was_signed_is_verified_as_far_as_it_goes(
    archived: Archived, tmp_path: Path
) -> None:
    whole = rewritten(archived, tmp_path / "whole", lambda entries: entries[:12])
    ended = await alone(whole, archived)
    assert (ended.status, ended.json["signed"], ended.json["beyond"]) == (0, 12, 17), ended
    # No checkpoint is of 12 entries: what is behind the one of 8 is told by the leaves of the one of 17.
    changed = rewritten(archived, tmp_path / "changed", lambda entries: altered(entries)[:12])
    assert first(await alone(changed, archived)) == ("altered", 11)


@pytest.mark.parametrize("place", [100, -200])
async def test_a_segment_with_another_byte_is_named(place: int, archived: Archived, tmp_path: Path) -> None:
    target = copied(archived.archive, tmp_path / "archive")
    (segment,) = target.glob("*.segment")
    data = bytearray(segment.read_bytes())
    data[place] ^= 1
    segment.write_bytes(data)
    ended = await alone(target, archived)
    assert ended.status == 3
    assert str(segment) in ended.out


async def test_archive_and_stream_are_verified_as_one(archived: Archived, tmp_path: Path) -> None:
    store = copied(archived.store, tmp_path / "store")
    assert (await verified(store)).status == 0
    async with serving(store) as network:
        await api(network.requester, f"STREAM.PURGE.{STREAM}", {"seq": 11})
        ended = await run("verify", "--store", store, "--realm", REALM, "--json")
    assert ended.status == 0, ended
    assert (ended.json["entries"], ended.json["signed"]) == (18, 17)


async def test_a_stream_that_is_not_what_was_archived_of_it_is_told(archived: Archived, tmp_path: Path) -> None:
    store = copied(archived.store, tmp_path / "store")
    tamper(store, STREAM, lambda messages: with_data(messages, 10, b"{}"))
    assert first(await verified(store)) == ("altered", 11)
    # What is archived may be gone from the stream.
    tamper(store, STREAM, lambda messages: [*messages[:10], *messages[11:]])
    assert (await verified(store)).status == 0
    tamper(store, STREAM, lambda messages: messages[:6])
    ended = await verified(store)
    assert "rolled_back" in {problem["kind"] for problem in ended.json["problems"]}, ended


async def test_an_archived_task_is_proved_without_its_server(archived: Archived, tmp_path: Path) -> None:
    nowhere = ("--store", tmp_path / "nothing", "--realm", REALM, "--archive", archived.archive)
    file = tmp_path / "proof.json"
    ended = await run("proof", "b-0", *nowhere, *archived.evidence, "-o", file)
    assert ended.status == 0, ended
    shown = await run("verify-proof", file, "--key", archived.store / "notary" / "key.pub", "--json")
    assert [(entry["sequence"], entry["kind"]) for entry in shown.json["entries"]] == [
        (10, "TaskAssignment"),
        (15, "TaskCompletion"),
    ]
