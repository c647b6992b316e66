"""Proofs as files: what they show, and that nothing else passes for it."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bus.errors import SanctuaryError
from bus.merkle import ProofWrong, Root, root_of
from bus.records import Record, encode_record
from ops.proofs.checkpoint import SignedCheckpoint, cosign, parse_checkpoint
from ops.proofs.notes import SigningKey
from ops.proofs.proof_files import (
    GrowthProof,
    TaskProof,
    encode_proof,
    parse_proof,
    prove_growth,
    prove_task,
    verify_growth,
    verify_task,
)
from tests.ops.proofs.ledgers import KEYS, LOG, ORIGIN, REALM, WITNESS, WITNESSED, leaves, records, signed

ID = "task-1"


def ledger() -> list[Record]:
    """A task among others, with its result."""
    found = records(40)
    found[6] = msgspec.structs.replace(found[6], data=b'{"type":"TaskAssignment","id":"task-1","params":{}}')
    found[21] = msgspec.structs.replace(
        found[21], subject=f"{REALM}.result.security.{ID}", data=b'{"type":"TaskCompletion"}'
    )
    return found


def root(entries: list[Record]) -> Root:
    all_ = leaves(entries, len(entries))
    return lambda start, end: root_of(all_[start:end])


def checkpoint(entries: list[Record], size: int, key: SigningKey = LOG) -> SignedCheckpoint:
    return parse_checkpoint(signed(entries, size, key))


def task_proof() -> TaskProof:
    entries = ledger()
    return prove_task(REALM, ID, [entries[6], entries[21]], checkpoint(entries, 33), root(entries))


def growth_proof() -> GrowthProof:
    entries = ledger()
    return prove_growth(checkpoint(entries, 13), checkpoint(entries, 33), root(entries))


def test_a_task_is_proved_by_its_file_alone() -> None:
    data = encode_proof(task_proof())
    shown = verify_task(_task(data), KEYS)
    assert [(entry.sequence, entry.kind) for entry in shown.entries] == [(7, "TaskAssignment"), (22, "TaskCompletion")]
    assert (shown.claim.checkpoint.origin, shown.claim.checkpoint.size) == (ORIGIN, 33)
    assert len(data) < 4000


def test_a_witness_stands_in_the_file() -> None:
    entries = ledger()
    both = cosign(checkpoint(entries, 33), WITNESS, 1_790_000_000)
    proof = prove_task(REALM, ID, [entries[6]], both, root(entries))
    assert verify_task(_task(encode_proof(proof)), WITNESSED).claim.witnesses == (WITNESS.public.name,)


def _task(data: bytes) -> TaskProof:
    proof = parse_proof(data)
    assert isinstance(proof, TaskProof)
    return proof


def _altered(fields: dict[str, Any]) -> None:
    record = Record(22, 1, f"{REALM}.result.security.{ID}", b"", b'{"type":"TaskFailure"}')
    fields["entries"][1]["record"] = msgspec.to_builtins(encode_record(record))


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another record": (_altered, "leads to another root"),
    "another place": (lambda fields: fields["entries"][0].update(sequence=8), "is said to be #7"),
    "a shorter path": (lambda fields: fields["entries"][0]["path"].pop(), "too short"),
    "a longer path": (lambda fields: fields["entries"][0]["path"].extend(fields["entries"][0]["path"]), "too long"),
    "an endless path": (lambda fields: fields["entries"][0].update(path=fields["entries"][0]["path"] * 20), "too long"),
    "another task": (lambda fields: fields.update(task_id="task-2"), "not about 'task-2'"),
    "no entries": (lambda fields: fields.update(entries=[]), "no entries"),
    "another size": (
        lambda fields: fields.update(checkpoint=fields["checkpoint"].replace("\n33\n", "\n34\n")),
        "is wrong",
    ),
    "no checkpoint": (lambda fields: fields.update(checkpoint="-"), "not to be believed"),
    "half a record": (lambda fields: fields["entries"][0].update(record="AAAA"), "is no record"),
    "another realm": (lambda fields: fields.update(realm="other"), "not of the realm 'other'"),
    "no realm": (lambda fields: fields.update(realm="a b"), "no subject token"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_in_a_file_proves_nothing(name: str) -> None:
    change, words = CHANGES[name]
    fields = json.loads(encode_proof(task_proof()))
    change(fields)
    with pytest.raises(SanctuaryError, match=words):
        verify_task(_task(json.dumps(fields).encode()), KEYS)


def test_another_key_proves_nothing() -> None:
    keys = msgspec.structs.replace(KEYS, logs=(SigningKey.new(ORIGIN).public,))
    with pytest.raises(SanctuaryError, match="is not signed by"):
        verify_task(task_proof(), keys)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"format":"x"}', b"\xff", b'{"format":"sanctuary-task-proof-v1"}']
)
def test_what_is_no_proof_is_refused(data: bytes) -> None:
    with pytest.raises(ProofWrong, match="holds no proof"):
        parse_proof(data)


def test_an_entry_that_is_not_in_the_tree_cannot_be_proved() -> None:
    entries = ledger()
    strange = msgspec.structs.replace(entries[6], data=b"{}")
    with pytest.raises(ProofWrong, match="another root"):
        prove_task(REALM, ID, [strange], checkpoint(entries, 33), root(entries))
    with pytest.raises(ValueError, match="no leaf 39"):
        prove_task(REALM, ID, [entries[39]], checkpoint(entries, 33), root(entries))


def test_growth_is_proved_by_its_file_alone() -> None:
    proof = parse_proof(encode_proof(growth_proof()))
    assert isinstance(proof, GrowthProof)
    old, new = verify_growth(proof, KEYS)
    assert (old.checkpoint.size, new.checkpoint.size) == (13, 33)


def test_growth_that_did_not_happen_is_not_proved() -> None:
    ours = ledger()
    theirs = [*records(10, seed="other"), *ours[10:]]
    with pytest.raises(ProofWrong, match="does not begin with"):
        prove_growth(checkpoint(theirs, 13), checkpoint(ours, 33), root(ours))
    forged = msgspec.structs.replace(growth_proof(), old=str(checkpoint(theirs, 13)))
    with pytest.raises(ProofWrong, match="does not begin with"):
        verify_growth(forged, KEYS)
    with pytest.raises(ProofWrong, match="wrong way round"):
        prove_growth(checkpoint(ours, 33), checkpoint(ours, 13), root(ours))
    with pytest.raises(ProofWrong, match="too long"):
        verify_growth(msgspec.structs.replace(growth_proof(), path=[bytes(32)] * 65), KEYS)
