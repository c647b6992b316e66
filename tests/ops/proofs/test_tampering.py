"""A stopped store is tampered with in each way that there is; `audit verify` finds each and names it, and nothing in others."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bus.jetstream import api
from ops.proofs.checkpoint import parse_checkpoint
from ops.proofs.notes import SigningKey, parse_key
from tests.ops.proofs.blocks import Stored, tamper
from tests.ops.proofs.stores import REALM, STREAM, Ended, SignedStore, copied, run, serving, sign, verified, write_stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


def first(ended: Ended) -> tuple[str, int | None]:
    """What is wrong first, and where."""
    assert ended.status == 3, ended
    problem = ended.json["problems"][0]
    return problem["kind"], problem["sequence"]


def numbered(messages: list[Stored]) -> list[Stored]:
    return [replace(message, sequence=place) for place, message in enumerate(messages, start=1)]


def swapped(messages: list[Stored]) -> list[Stored]:
    here, there = messages[10], messages[13]
    messages[10] = replace(here, subject=there.subject, headers=there.headers, data=there.data)
    messages[13] = replace(there, subject=here.subject, headers=here.headers, data=here.data)
    return messages


def with_data(messages: list[Stored], index: int, data: bytes) -> list[Stored]:
    messages[index] = replace(messages[index], data=data)
    return messages


STRANGE = Stored(0, 1_700_000_000_000_000_000, b"lab.command.security", b"", b'{"type":"TaskCancel","task_id":"b-0"}')
TAMPERINGS: dict[str, tuple[Callable[[list[Stored]], list[Stored]], str, int]] = {
    "a task's parameters": (
        lambda all_: with_data(all_, 10, all_[10].data.replace(b'"."', b'"/"')),
        "altered",
        11,
    ),
    "who asked": (
        lambda all_: [*all_[:10], replace(all_[10], headers=b"NATS/1.0\r\nA: b\r\n\r\n"), *all_[11:]],
        "altered",
        11,
    ),
    "when it was": (lambda all_: [*all_[:10], replace(all_[10], stored_at_ns=1), *all_[11:]], "altered", 11),
    "the first entry": (lambda all_: with_data(all_, 0, b"{}"), "altered", 1),
    "an entry is gone": (lambda all_: [*all_[:10], *all_[11:]], "deleted", 11),
    "an entry is gone and the others moved up": (lambda all_: numbered([*all_[:10], *all_[11:]]), "deleted", 11),
    "an entry more": (lambda all_: numbered([*all_[:10], STRANGE, *all_[10:]]), "inserted", 11),
    "entries changed places": (swapped, "reordered", 11),
}


async def test_a_store_that_nobody_touched_verifies(signed_store: SignedStore, tmp_path: Path) -> None:
    ended = await verified(copied(signed_store.store, tmp_path / "store"))
    told = ended.json
    assert ended.status == 0, ended
    # Three checkpoints, each in a file and in the ledger; the last one is the last entry.
    assert (told["entries"], told["last"], told["checkpoints"], told["signed"]) == (27, 27, 3, 26)
    assert (told["results"]["results"], told["results"]["signed"], told["results"]["unsigned"]) == (9, {"beta": 3}, 6)
    assert told["peak_memory_bytes"] > 0


async def test_a_store_that_was_written_back_as_it_was_verifies(signed_store: SignedStore, tmp_path: Path) -> None:
    store = copied(signed_store.store, tmp_path / "store")
    tamper(store, STREAM, lambda messages: messages)
    assert (await verified(store)).status == 0


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_a_tampered_store_is_found_out(name: str, signed_store: SignedStore, tmp_path: Path) -> None:
    change, kind, sequence = TAMPERINGS[name]
    store = copied(signed_store.store, tmp_path / "store")
    tamper(store, STREAM, change)
    assert first(await verified(store)) == (kind, sequence)


async def test_without_leaves_the_checkpoints_bound_what_was_changed(signed_store: SignedStore, tmp_path: Path) -> None:
    store = copied(signed_store.store, tmp_path / "store")
    tamper(store, STREAM, lambda messages: with_data(messages, 10, b"{}"))
    (store / "notary" / "leaves").unlink()
    ended = await verified(store)
    assert first(ended) == ("differs", 9)
    assert ended.json["problems"][0]["last"] == 17


async def test_a_result_that_was_changed_is_not_what_its_worker_signed(
    signed_store: SignedStore, tmp_path: Path
) -> None:
    store = copied(signed_store.store, tmp_path / "store")
    tamper(store, STREAM, lambda messages: with_data(messages, 5, b'{"type":"TaskFailure"}'))
    ended = await verified(store)
    assert first(ended) == ("altered", 6)
    assert [problem["kind"] for problem in ended.json["problems"]] == ["altered", "signature"]
    assert ended.json["results"]["wrong"] == 1


async def test_entries_that_were_purged_and_not_archived_are_missed(signed_store: SignedStore, tmp_path: Path) -> None:
    store = copied(signed_store.store, tmp_path / "store")
    async with serving(store) as connected:
        await api(connected.requester, f"STREAM.PURGE.{STREAM}", {"seq": 5})
        ended = await run("verify", "--store", store, "--realm", REALM, "--json")
    assert first(ended) == ("deleted", 1)
    # The rest is verified all the same.
    assert [problem["last"] for problem in ended.json["problems"]] == [4]
    assert ended.json["signed"] == 26


async def test_a_store_that_was_rolled_back_is_told(signed_store: SignedStore, tmp_path: Path) -> None:
    store = copied(signed_store.early, tmp_path / "store")
    shutil.rmtree(store / "notary")
    copied(signed_store.store / "notary", store / "notary")
    ended = await verified(store)
    assert first(ended) == ("rolled_back", 19)
    # Whoever rolls back the notary's files too is found out by whoever kept a checkpoint.
    copied(signed_store.early, tmp_path / "all")
    assert (await verified(tmp_path / "all")).status == 0
    kept = await verified(tmp_path / "all", "--checkpoint", signed_store.checkpoint(26))
    assert first(kept) == ("rolled_back", 19)


async def test_a_store_that_was_rolled_back_and_written_on_is_told(signed_store: SignedStore, tmp_path: Path) -> None:
    store = copied(signed_store.early, tmp_path / "store")
    async with serving(store) as connected:
        await write_stage(connected, store, "x")
        await write_stage(connected, store, "y")
    shutil.rmtree(store / "notary")
    copied(signed_store.store / "notary", store / "notary")
    assert first(await verified(store)) == ("forked", 19)


async def test_a_history_that_was_forked_and_signed_again_is_told(signed_store: SignedStore, tmp_path: Path) -> None:
    store = copied(signed_store.early, tmp_path / "store")
    async with serving(store) as connected:
        await write_stage(connected, store, "other")
    await sign(store)
    # By itself the other history is as whole as the first one.
    assert (await verified(store)).status == 0
    ended = await verified(store, "--checkpoint", signed_store.checkpoint(26))
    assert first(ended) == ("forked", 18)
    assert "signed too" in ended.json["problems"][0]["message"]


async def test_a_checkpoint_that_was_changed_is_named(signed_store: SignedStore, tmp_path: Path) -> None:
    store = copied(signed_store.store, tmp_path / "store")
    (path,) = (store / "notary" / "checkpoints").glob("*17")
    path.write_text(path.read_text().replace("\n17\n", "\n16\n"))
    ended = await verified(store)
    assert ended.status == 3
    (problem,) = ended.json["problems"]
    assert problem["kind"] == "checkpoint"
    assert str(path) in problem["message"]
    assert "is wrong" in problem["message"]


async def test_a_wrong_key_is_told_from_a_wrong_ledger(signed_store: SignedStore, tmp_path: Path) -> None:
    store = copied(signed_store.store, tmp_path / "store")
    other = SigningKey.new(parse_key(signed_store.key).name)
    ended = await verified(store, "--key", str(other.public))
    kinds = {problem["kind"] for problem in ended.json["problems"]}
    assert (ended.status, kinds) == (3, {"checkpoint"})
    assert all("is not signed by" in problem["message"] for problem in ended.json["problems"])
    # Each checkpoint in the ledger is named with its entry.
    assert [each["sequence"] for each in ended.json["problems"] if each["sequence"]] == [9, 18, 27]


async def test_an_older_checkpoint_is_held_against_beside_the_newer_ones(
    signed_store: SignedStore, tmp_path: Path
) -> None:
    store = copied(signed_store.store, tmp_path / "store")
    tamper(store, STREAM, lambda messages: messages[:18])
    ended = await verified(store, "--checkpoint", signed_store.checkpoint(8))
    assert first(ended) == ("rolled_back", 19)
    assert (ended.json["named"], ended.json["signed"]) == (8, 18)


async def test_the_key_of_another_log_is_a_mistake_that_is_told_once(signed_store: SignedStore, tmp_path: Path) -> None:
    store = copied(signed_store.store, tmp_path / "store")
    other = str(SigningKey.new("example.org/other").public)
    async with serving(store):
        ended = await run("verify", "--store", store, "--realm", REALM, "--key", other)
        named = ("--checkpoint", signed_store.checkpoint(26))
        mistaken = await run("verify", "--store", store, "--realm", REALM, "--key", other, *named)
    assert ended.status == mistaken.status == 1
    assert "3 checkpoints were found, and none is of this log: the key is of example.org/other" in ended.out
    assert "has no checkpoint of this log" in mistaken.err


async def test_a_notary_s_key_that_was_replaced_is_told(signed_store: SignedStore, tmp_path: Path) -> None:
    store = copied(signed_store.store, tmp_path / "store")
    stranger = SigningKey.new(parse_key(signed_store.key).name)
    (store / "notary" / "key.pub").write_text(f"{stranger.public}\n")
    assert (await verified(store)).status == 3
    assert (await verified(store, "--key", signed_store.key)).status == 0


async def test_leaves_that_were_changed_are_named(signed_store: SignedStore, tmp_path: Path) -> None:
    store = copied(signed_store.store, tmp_path / "store")
    leaves = bytearray((store / "notary" / "leaves").read_bytes())
    leaves[32 * 10] ^= 1
    (store / "notary" / "leaves").write_bytes(leaves)
    assert first(await verified(store)) == ("leaves", 11)


async def test_a_ledger_of_which_nothing_was_signed_is_not_said_to_hold(
    signed_store: SignedStore, tmp_path: Path
) -> None:
    store = copied(signed_store.store, tmp_path / "store")
    tamper(store, STREAM, lambda messages: messages[:7])
    shutil.rmtree(store / "notary" / "checkpoints")
    ended = await verified(store)
    assert (ended.status, ended.json["holds"], ended.json["problems"]) == (1, False, [])


async def test_people_are_told_in_words(signed_store: SignedStore, tmp_path: Path) -> None:
    store = copied(signed_store.store, tmp_path / "store")
    tamper(store, STREAM, lambda messages: with_data(messages, 10, b"{}"))
    async with serving(store):
        ended = await run("verify", "--store", store, "--realm", REALM)
        clean = await run("verify", "--store", store, "--realm", REALM, "--key", "nothing of the kind")
    assert ended.status == 3
    assert "✗ altered: entry #11 (lab.task.security) was altered" in ended.out
    assert "a second, with at most" in ended.out
    assert "beta signed 3" in ended.out
    assert "Keep a copy elsewhere" in ended.err
    assert clean.status == 1
    assert "neither a verifier key nor a file" in clean.err


async def test_the_checkpoints_are_where_the_suite_takes_them_to_be(signed_store: SignedStore) -> None:
    for size in (8, 17, 26):
        assert parse_checkpoint(signed_store.checkpoint(size).read_bytes()).checkpoint.size == size
