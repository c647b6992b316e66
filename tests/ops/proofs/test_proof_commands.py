"""Proofs and witnesses, from the network to who has the log's public key alone."""

import json
from pathlib import Path

import pytest

from ops.proofs.notes import SigningKey, parse_key
from tests.ops.proofs.blocks import tamper
from tests.ops.proofs.stores import REALM, STREAM, SignedStore, copied, run, serving, sign, verified, write_stage
from tests.ops.proofs.test_tampering import first, with_data

NAME = "witness.example.org"


async def test_a_task_is_proved_to_who_has_the_key_alone(signed_store: SignedStore, tmp_path: Path) -> None:
    store, file = copied(signed_store.store, tmp_path / "store"), tmp_path / "proof.json"
    async with serving(store):
        made = await run("proof", "b-0", "--store", store, "--realm", REALM, "-o", file)
    assert made.status == 0, made
    assert "#10 and #15 in the tree of 26 entries" in made.out
    shown = await run("verify-proof", file, "--key", signed_store.key)
    assert shown.status == 0, shown
    assert f"{parse_key(signed_store.key).name} signed a ledger of 26 entries" in shown.out
    assert "TaskCompletion" in shown.out
    proof = json.loads(file.read_text())
    proof["entries"][1]["sequence"] = 14
    file.write_text(json.dumps(proof))
    refused = await run("verify-proof", file, "--key", signed_store.key, "--json")
    assert (refused.status, refused.json["holds"]) == (3, False)
    assert "proves nothing" in refused.json["message"]
    stranger = SigningKey.new(parse_key(signed_store.key).name)
    assert (await run("verify-proof", file, "--key", str(stranger.public))).status == 3


async def test_a_task_is_proved_from_the_ledger_itself_without_the_notary_s_files(
    signed_store: SignedStore, tmp_path: Path
) -> None:
    store, file = copied(signed_store.store, tmp_path / "store"), tmp_path / "proof.json"
    (store / "notary" / "leaves").unlink()
    for path in (store / "notary" / "checkpoints").iterdir():
        path.unlink()
    async with serving(store):
        made = await run("proof", "c-4", "--store", store, "--realm", REALM, "-o", file)
    assert made.status == 0, made
    assert "has no result yet" in made.err
    shown = await run("verify-proof", file, "--key", signed_store.key, "--json")
    assert [entry["sequence"] for entry in shown.json["entries"]] == [23]


async def test_what_cannot_be_proved_is_told(signed_store: SignedStore, tmp_path: Path) -> None:
    store, file = copied(signed_store.store, tmp_path / "store"), tmp_path / "proof.json"
    tamper(store, STREAM, lambda messages: with_data(messages, 9, messages[9].data.replace(b'"."', b'"/"')))
    async with serving(store) as network:
        await write_stage(network, store, "late")
        common = ("--store", store, "--realm", REALM, "-o", file)
        altered = await run("proof", "b-0", *common)
        unknown = await run("proof", "nobody", *common)
        unsigned = await run("proof", "late-0", *common)
    assert altered.status == 3
    assert "is not what was signed" in altered.out
    assert unknown.status == 1
    assert "no task nobody" in unknown.err
    assert unsigned.status == 1
    assert "is not signed yet: the ledger is signed up to #26" in unsigned.err
    assert not file.exists()


async def test_a_witness_follows_a_log_and_refuses_another_history(signed_store: SignedStore, tmp_path: Path) -> None:
    witness = ("--key", signed_store.key, "-d", tmp_path / "witness")
    nameless = await run("witness", signed_store.checkpoint(8), *witness)
    assert (nameless.status, "name it to make one" in nameless.err) == (1, True)
    assert (await run("witness", signed_store.checkpoint(8), "--name", NAME, *witness)).status == 0
    unproved = await run("witness", signed_store.checkpoint(26), *witness)
    assert unproved.status == 1
    assert "sanctuary audit growth 8" in unproved.err

    store, step, cosigned = copied(signed_store.store, tmp_path / "store"), tmp_path / "step", tmp_path / "cosigned"
    async with serving(store):
        grown = await run("growth", "8", "--store", store, "--realm", REALM, "-o", step)
        unknown = await run("growth", "9", "--store", store, "--realm", REALM)
    assert grown.status == 0, grown
    assert unknown.status == 1
    assert "no checkpoint of 9 entries" in unknown.err
    assert "There are those of 8, " in unknown.err
    shown = await run("verify-proof", step, "--key", signed_store.key)
    assert "begins with the 8 entries" in shown.out
    assert (await run("witness", step, *witness, "-o", cosigned)).status == 0
    key = tmp_path / "witness" / "key.pub"
    told = await verified(store, "--checkpoint", cosigned, "--key", key)
    assert (told.status, told.json["witnessed"]) == (0, {NAME: 26}), told

    # The same log goes on from an earlier state, signs another history, and shows it to the witness.
    other, other_step = copied(signed_store.early, tmp_path / "other"), tmp_path / "other-step"
    async with serving(other) as network:
        await write_stage(network, other, "other")
        await write_stage(network, other, "more")
    await sign(other)
    async with serving(other):
        assert (await run("growth", "17", "--store", other, "--realm", REALM, "-o", other_step)).status == 0
    (newest,) = (other / "notary" / "checkpoints").glob("*34")
    refused = await run("witness", other_step, *witness)
    assert refused.status == 1
    assert "sanctuary audit growth 26" in refused.err
    # What it asks for cannot be made of that history, whichever checkpoint is named.
    async with serving(other):
        forged = await run("growth", cosigned, newest, "--store", other, "--realm", REALM, "-o", tmp_path / "forged")
    assert forged.status == 3
    proof = json.loads(other_step.read_text())
    proof["old"] = cosigned.read_text()
    other_step.write_text(json.dumps(proof))
    fork = await run("witness", other_step, *witness, "--json")
    assert fork.status == 3
    assert "does not go on from what was witnessed" in fork.json["message"]
    # And who verifies that history with the witness's checkpoint at hand finds out.
    assert first(await verified(other, "--checkpoint", cosigned, "--checkpoint", newest)) == ("forked", 18)


async def test_a_witness_who_is_asked_for_must_have_signed(signed_store: SignedStore, tmp_path: Path) -> None:
    witness = ("--key", signed_store.key, "-d", tmp_path / "witness")
    assert (await run("witness", signed_store.checkpoint(26), "--name", NAME, *witness)).status == 0
    store, file = copied(signed_store.store, tmp_path / "store"), tmp_path / "proof.json"
    async with serving(store):
        assert (await run("proof", "b-0", "--store", store, "--realm", REALM, "-o", file)).status == 0
    key = (tmp_path / "witness" / "key.pub").read_text().strip()
    missing = await run("verify-proof", file, "--key", signed_store.key, "--key", key)
    assert missing.status == 3
    assert f"not cosigned by {NAME}" in missing.out
    told = await verified(store, "--key", signed_store.key, "--key", key)
    assert told.status == 3
    assert NAME in told.json["problems"][0]["message"]


@pytest.mark.parametrize("text", ["", "{", "{}", "a\n1\nb\n"])
async def test_a_witness_is_shown_nothing_of_use(text: str, signed_store: SignedStore, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    ended = await run("witness", file, "--key", signed_store.key, "-d", tmp_path / "witness", "--name", NAME)
    assert ended.status == 3
    assert "nothing was signed" in ended.out
