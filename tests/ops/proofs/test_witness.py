"""A witness remembers, demands proof, and refuses a forked history."""

import stat
from pathlib import Path

import pytest

from bus.errors import ConfigurationError
from bus.merkle import ProofWrong, root_of
from bus.records import Record
from ops.proofs.checkpoint import verify
from ops.proofs.notes import NoteWrong, SigningKey, parse_key
from ops.proofs.proof_files import GrowthProof, prove_growth
from ops.proofs.witness import HistoryForked, Unproved, Witness, open_witness
from tests.ops.proofs.ledgers import KEYS, ORIGIN, leaves, records
from tests.ops.proofs.test_proof_files import checkpoint

NAME = "witness.example.org/w1"
NOW_S = 1_790_000_000


def grown(entries: list[Record], old: int, new: int) -> GrowthProof:
    all_ = leaves(entries, len(entries))
    return prove_growth(checkpoint(entries, old), checkpoint(entries, new), lambda start, end: root_of(all_[start:end]))


def witness(directory: Path) -> Witness:
    return open_witness(directory / "witness", NAME)


def test_a_witness_signs_what_goes_on_from_what_it_saw(tmp_path: Path) -> None:
    entries = records(40)
    first = witness(tmp_path).sign(checkpoint(entries, 13), KEYS, NOW_S)
    assert verify(first, witness(tmp_path).public) == NOW_S
    # Another process, later.
    again = open_witness(tmp_path / "witness", None)
    second = again.sign(grown(entries, 13, 33), KEYS, NOW_S + 5)
    assert verify(second, again.public) == NOW_S + 5
    assert again.last(ORIGIN) == second
    # What it saw last it may sign once more: that nothing is newer.
    assert verify(again.sign(checkpoint(entries, 33), KEYS, NOW_S + 9), again.public) == NOW_S + 9


def test_a_witness_demands_the_proof_from_what_it_saw(tmp_path: Path) -> None:
    entries = records(40)
    watching = witness(tmp_path)
    watching.sign(checkpoint(entries, 13), KEYS, NOW_S)
    with pytest.raises(Unproved, match="sanctuary audit growth 13"):
        watching.sign(checkpoint(entries, 33), KEYS, NOW_S)
    with pytest.raises(Unproved, match="sanctuary audit growth 13"):
        watching.sign(grown(entries, 10, 33), KEYS, NOW_S)
    with pytest.raises(Unproved, match="was rolled back"):
        watching.sign(checkpoint(entries, 10), KEYS, NOW_S)
    remembered = watching.last(ORIGIN)
    assert remembered is not None
    assert remembered.checkpoint.size == 13


def test_a_witness_refuses_a_forked_history(tmp_path: Path) -> None:
    ours = records(40)
    theirs = [*ours[:9], *records(40, seed="other")[9:]]
    watching = witness(tmp_path)
    watching.sign(checkpoint(ours, 13), KEYS, NOW_S)
    with pytest.raises(HistoryForked, match="signed two trees of 13"):
        watching.sign(checkpoint(theirs, 13), KEYS, NOW_S)
    with pytest.raises(HistoryForked, match="signed two trees of 13"):
        watching.sign(grown(theirs, 13, 33), KEYS, NOW_S)
    patched = grown(theirs, 13, 33)
    forged = GrowthProof(old=str(checkpoint(ours, 13)), new=patched.new, path=patched.path)
    with pytest.raises(HistoryForked, match="does not go on from what was witnessed"):
        watching.sign(forged, KEYS, NOW_S)
    remembered = watching.last(ORIGIN)
    assert remembered is not None
    assert remembered.checkpoint == checkpoint(ours, 13).checkpoint


def test_a_witness_signs_for_the_log_that_it_knows_alone(tmp_path: Path) -> None:
    with pytest.raises(NoteWrong, match="is not signed by"):
        witness(tmp_path).sign(checkpoint(records(9), 9, SigningKey.new(ORIGIN)), KEYS, NOW_S)
    broken = GrowthProof(old=str(checkpoint(records(9), 4)), new=str(checkpoint(records(9), 9)), path=[])
    with pytest.raises(ProofWrong):
        witness(tmp_path).sign(broken, KEYS, NOW_S)
    assert witness(tmp_path).last(ORIGIN) is None


def test_a_witness_is_made_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="name it to make one"):
        open_witness(tmp_path / "witness", None)
    made = witness(tmp_path)
    directory = tmp_path / "witness"
    assert stat.S_IMODE((directory / "key").stat().st_mode) == 0o600
    assert parse_key((directory / "key.pub").read_text()) == made.public == open_witness(directory, None).public
    with pytest.raises(ConfigurationError, match=f"is named {NAME}"):
        open_witness(directory, "other.example.org")
    (directory / "key").write_text(SigningKey.new("log.example.org").text)
    with pytest.raises(ConfigurationError, match="a log's key"):
        open_witness(directory, None)
    (directory / "key").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        open_witness(directory, None)


def test_what_a_witness_remembers_is_never_guessed(tmp_path: Path) -> None:
    watching = witness(tmp_path)
    watching.sign(checkpoint(records(9), 9), KEYS, NOW_S)
    (path,) = (tmp_path / "witness").glob("*.checkpoint")
    path.write_text("nothing of the kind")
    with pytest.raises(ConfigurationError, match="is damaged"):
        watching.sign(checkpoint(records(9), 9), KEYS, NOW_S)
