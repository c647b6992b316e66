"""Every way in which a ledger can be other than it was signed, told from its entries and checkpoints alone."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from bus.records import Record
from ops.proofs.checkpoint import Checkpoint, cosign, parse_checkpoint, sign
from ops.proofs.claims import Claim, Keys, judge
from ops.proofs.leaves import Leaves
from ops.proofs.notes import SigningKey
from ops.proofs.problems import Problem
from ops.proofs.verification import Report, Verifier
from tests.ops.proofs.ledgers import KEYS, LOG, ORIGIN, REALM, WITNESS, WITNESSED, claims, leaves_file, records, signed

SIZES = (10, 20, 30)
BATCH = 7


def verified(
    ledger: Sequence[Record],
    held: Sequence[Claim | Problem],
    leaves: Path | None = None,
    *,
    last: int | None = None,
    keys: Keys = KEYS,
) -> Report:
    with nullcontext() if leaves is None else Leaves(leaves) as file:
        verifier = Verifier(REALM, keys, held, file)
        for start in range(0, len(ledger), BATCH):
            verifier.feed(ledger[start : start + BATCH])
        return verifier.finish(ledger[-1].sequence if last is None else last)


def changed(record: Record, **fields: object) -> Record:
    return msgspec.structs.replace(record, **fields)


def numbered(ledger: Sequence[Record]) -> list[Record]:
    """As if they had been stored in this order, one after the other."""
    return [changed(record, sequence=place) for place, record in enumerate(ledger, start=1)]


@dataclass(frozen=True)
class Tampering:
    """A change of a ledger of 32 entries, and what is to be said of it."""

    kind: str
    sequence: int
    change: Callable[[list[Record]], list[Record]]


def swapped(ledger: list[Record]) -> list[Record]:
    """The messages of two entries change places; numbers and times stay."""
    here, there = ledger[13], ledger[16]
    ledger[13] = changed(here, subject=there.subject, headers=there.headers, data=there.data)
    ledger[16] = changed(there, subject=here.subject, headers=here.headers, data=here.data)
    return ledger


STRANGE = Record(1, 1_700_000_000_000_000_500, "lab.command.security", b"", b'{"type":"TaskCancel"}')
TAMPERINGS = {
    "a payload": Tampering("altered", 14, lambda all_: [*all_[:13], changed(all_[13], data=b"{}"), *all_[14:]]),
    "a subject": Tampering("altered", 14, lambda all_: [*all_[:13], changed(all_[13], subject="lab.x"), *all_[14:]]),
    "a header": Tampering("altered", 14, lambda all_: [*all_[:13], changed(all_[13], headers=b"NATS"), *all_[14:]]),
    "a time": Tampering("altered", 14, lambda all_: [*all_[:13], changed(all_[13], stored_at_ns=7), *all_[14:]]),
    "the first": Tampering("altered", 1, lambda all_: [changed(all_[0], data=b"{}"), *all_[1:]]),
    "the last": Tampering("altered", 30, lambda all_: [*all_[:29], changed(all_[29], data=b"{}"), *all_[30:]]),
    "one gone": Tampering("deleted", 14, lambda all_: [*all_[:13], *all_[14:]]),
    "the first gone": Tampering("deleted", 1, lambda all_: all_[5:]),
    "one gone, others moved up": Tampering("deleted", 14, lambda all_: numbered([*all_[:13], *all_[14:]])),
    "one more": Tampering("inserted", 14, lambda all_: numbered([*all_[:13], STRANGE, *all_[13:]])),
    "messages changed places": Tampering("reordered", 14, swapped),
    "entries changed places": Tampering(
        "reordered", 14, lambda all_: numbered([*all_[:13], all_[16], *all_[14:16], all_[13], *all_[17:]])
    ),
    "one moved": Tampering("reordered", 14, lambda all_: numbered([*all_[:13], *all_[14:20], all_[13], *all_[20:]])),
    "another history": Tampering("forked", 14, lambda all_: [*all_[:13], *records(32, seed="other")[13:]]),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_was_changed_is_named(name: str, tmp_path: Path) -> None:
    tampering = TAMPERINGS[name]
    good = records(32)
    leaves = leaves_file(tmp_path / "leaves", good, 31)
    report = verified(tampering.change(records(32)), claims(good, *SIZES), leaves)
    (problem,) = report.problems
    assert (problem.kind, problem.sequence) == (tampering.kind, tampering.sequence), problem.message
    assert not report.holds
    assert f"#{tampering.sequence}" in problem.message


@pytest.mark.parametrize("name", TAMPERINGS)
def test_without_leaves_the_checkpoints_bound_it(name: str) -> None:
    tampering = TAMPERINGS[name]
    good = records(32)
    (problem,) = verified(tampering.change(records(32)), claims(good, *SIZES)).problems
    first = (tampering.sequence - 1) // 10 * 10 + 1
    assert (problem.kind, problem.sequence, problem.last) == ("differs", first, first + 9)


def test_one_put_where_none_was() -> None:
    good = records(32, missing=(14,))
    assert verified(good, claims(good, *SIZES)).holds


def test_one_put_where_none_was_is_named(tmp_path: Path) -> None:
    good = records(32, missing=(14,))
    leaves = leaves_file(tmp_path / "leaves", good, 31)
    (problem,) = verified(records(32), claims(good, *SIZES), leaves).problems
    assert (problem.kind, problem.sequence) == ("inserted", 14)


@pytest.mark.parametrize("missing", [(), (1, 2, 3), (10,), (11,), (29, 30), (15, 17)])
def test_what_was_not_changed_holds(missing: tuple[int, ...], tmp_path: Path) -> None:
    good = records(32, missing=missing)
    report = verified(good, claims(good, *SIZES), leaves_file(tmp_path / "leaves", good, 31))
    assert report.holds, report.problems
    assert (report.entries, report.last, report.checkpoints, report.signed) == (32 - len(missing), 32, 3, 30)


def test_gaps_at_the_end_are_signed_too() -> None:
    good = records(25)
    assert verified(good, claims(good, *SIZES), last=32).holds
    (problem,) = verified(good, claims(good, *SIZES)).problems
    assert (problem.kind, problem.sequence, problem.last) == ("rolled_back", 26, 30)


def test_a_rolled_back_store_is_told_with_what_is_missing() -> None:
    good = records(32)
    report = verified(good[:17], claims(good, *SIZES))
    (problem,) = report.problems
    assert (problem.kind, problem.sequence, problem.last) == ("rolled_back", 18, 30)
    assert report.signed == 10


def test_a_store_rolled_back_and_written_on_is_told(tmp_path: Path) -> None:
    good = records(32)
    leaves = leaves_file(tmp_path / "leaves", good, 31)
    (problem,) = verified([*good[:17], *records(40, seed="later")[17:]], claims(good, *SIZES), leaves).problems
    assert (problem.kind, problem.sequence) == ("forked", 18)


def test_checkpoints_in_the_ledger_are_found_there() -> None:
    good = records(12)
    for size in (5, 12):
        data = signed(good, size)
        good.append(Record(len(good) + 1, 1_800_000_000_000_000_000, f"{REALM}.checkpoint.x", b"", data))
    good += [changed(record, sequence=record.sequence + 14) for record in records(40)]
    report = verified(good, [])
    assert (report.holds, report.checkpoints, report.signed) == (True, 2, 12)
    altered = [changed(good[0], data=b"{}"), *good[1:]]
    (problem,) = verified(altered, []).problems
    assert (problem.kind, problem.sequence, problem.last) == ("differs", 1, 5)


def test_a_checkpoint_in_the_ledger_that_anybody_wrote_is_no_evidence() -> None:
    good = records(12)
    forged = signed(good, 5, SigningKey.new(ORIGIN))
    good.append(Record(13, 1_800_000_000_000_000_000, f"{REALM}.checkpoint.x", b"", forged))
    (problem,) = verified(good, claims(good, 12)).problems
    assert (problem.kind, problem.sequence) == ("checkpoint", 13)
    assert "not signed by" in problem.message


def test_two_histories_that_were_signed_are_a_fork() -> None:
    ours = records(32)
    theirs = [*ours[:17], *records(32, seed="other")[17:]]
    (problem,) = verified(ours, [*claims(ours, 10, 30), *claims(theirs, 20)]).problems
    assert (problem.kind, problem.sequence, problem.last) == ("forked", 11, 20)
    (problem,) = verified(ours, [*claims(ours, 20), *claims(theirs, 20)]).problems
    assert problem.kind == "forked"
    # Neither of the two is of this ledger, which is shorter: both were signed nevertheless.
    told = {each.kind for each in verified(ours[:15], [*claims(ours, 20), *claims(theirs, 20)]).problems}
    assert told == {"forked", "rolled_back"}


def test_leaves_that_are_not_what_was_signed_are_told_and_believed_in_nothing(tmp_path: Path) -> None:
    good = records(32)
    damaged = leaves_file(tmp_path / "leaves", [*good[:4], *good[5:]], 31)
    (problem,) = verified(good, claims(good, *SIZES), damaged).problems
    assert (problem.kind, problem.sequence) == ("leaves", 5)
    (problem,) = verified([*good[:13], *good[14:]], claims(good, *SIZES), damaged).problems
    assert (problem.kind, problem.sequence, problem.last) == ("differs", 11, 20)
    assert "are not what was signed either" in problem.message
    short = leaves_file(tmp_path / "short", good, 12)
    (problem,) = verified([*good[:13], *good[14:]], claims(good, *SIZES), short).problems
    assert "do not reach that far" in problem.message
    rewritten = [*good[:13], changed(good[13], data=b"{}"), *good[14:]]
    both = leaves_file(tmp_path / "both", rewritten, 31)
    (problem,) = verified(rewritten, claims(good, *SIZES), both).problems
    assert "agree with the ledger" in problem.message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (signed(records(10), 10, SigningKey.new(ORIGIN)), "is not signed by"),
        (signed(records(10), 10).replace(b"\n10\n", b"\n11\n"), "is wrong"),
        (b"nothing of the kind", "no text, a blank line and signatures"),
    ],
)
def test_a_checkpoint_that_cannot_be_believed_is_named(data: bytes, words: str) -> None:
    good = records(32)
    found = judge("somewhere", data, KEYS)
    (problem,) = verified(good, [found, *claims(good, 20)]).problems
    assert problem.kind == "checkpoint"
    assert "somewhere" in problem.message
    assert words in problem.message


def test_a_key_of_another_log_is_told() -> None:
    other = SigningKey("example.org/other", LOG.public.kind, bytes(32))
    keys = msgspec.structs.replace(KEYS, logs=(other.public,))
    found = judge("somewhere", signed(records(10), 10, other), keys)
    assert isinstance(found, Problem)
    assert "it is of the log 'example.org/lab'" in found.message


def test_checkpoints_of_an_earlier_log_are_passed_over_in_the_ledger() -> None:
    good = records(12)
    former = SigningKey.new("example.org/former")
    data = str(sign(Checkpoint(former.public.name, 5, bytes(32)), former)).encode()
    good.append(Record(13, 1_800_000_000_000_000_000, f"{REALM}.checkpoint.former", b"", data))
    report = verified(good, claims(good, 12))
    assert (report.holds, report.others) == (True, 1)
    verifier = Verifier(REALM, KEYS, (), None, {("example.org/former", 5), ("example.org/former", 9)})
    verifier.feed(good)
    assert verifier.finish(13).others == 2


def test_copies_of_a_checkpoint_count_once() -> None:
    good = records(12)
    named = [msgspec.structs.replace(each, is_named=True) for each in claims(good, 5) if isinstance(each, Claim)]
    good.append(Record(13, 1_800_000_000_000_000_000, f"{REALM}.checkpoint.x", b"", signed(good, 12)))
    report = verified(good, [*named, *claims(good, 5, 12)])
    assert (report.holds, report.checkpoints, report.named, report.signed) == (True, 2, 5, 12)


def test_without_checkpoints_nothing_holds() -> None:
    report = verified(records(32), [])
    assert not report.problems
    assert not report.holds


def test_a_witness_who_must_have_signed_is_missed() -> None:
    good = records(32)
    both = cosign(parse_checkpoint(signed(good, 20)), WITNESS, 1_790_000_000)
    held = [judge("cosigned", str(both).encode(), WITNESSED), judge("newer", signed(good, 30), WITNESSED)]
    report = verified(good, held, keys=WITNESSED)
    assert (report.holds, report.witnessed) == (True, {WITNESS.public.name: 20})
    (problem,) = verified(good, held[1:], keys=WITNESSED).problems
    assert problem.kind == "checkpoint"
    assert WITNESS.public.name in problem.message
