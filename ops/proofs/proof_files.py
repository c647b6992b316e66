"""Proofs as files that say everything themselves: with the log's public key they verify anywhere, offline. Pure.

A task's proof holds its entries, as the ledger holds them, with their paths to the root of a signed checkpoint; a growth's the old
and the new checkpoint, and the proof that the new tree begins with the old one. Bytes are base64, checkpoints are text.
"""

from collections.abc import Sequence

import msgspec

from bus.merkle import (
    ProofWrong,
    Root,
    consistency_proof,
    inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from bus.records import Record, RecordError, as_message, decode_record, encode_record, leaf_hash
from bus.subjects import Subjects
from ops.entries import Entry, read_entry
from ops.proofs.checkpoint import Checkpoint, SignedCheckpoint
from ops.proofs.claims import Claim, Keys, believe

MAX_BYTES = 64 * 1024 * 1024
"""The largest file that is read: a result may have a megabyte or more."""
MAX_PATH = 64
"""The longest path, of a tree of 2**63 leaves."""

_Path = list[bytes]


class ProvedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry, and where it stands in the tree."""

    sequence: int
    record: bytes
    """The entry in its canonical bytes (`bus.records`)."""
    path: _Path
    """The hashes from the leaf's sibling to the root's child (RFC 6962, 2.1.1)."""


class TaskProof(msgspec.Struct, frozen=True, kw_only=True, tag="sanctuary-task-proof-v1", tag_field="format"):
    """That the ledger held these entries of a task when the checkpoint was signed."""

    realm: str
    task_id: str
    checkpoint: str
    entries: list[ProvedEntry]


class GrowthProof(msgspec.Struct, frozen=True, kw_only=True, tag="sanctuary-growth-proof-v1", tag_field="format"):
    """That the new tree begins with the old one: nothing that was signed was changed since."""

    old: str
    new: str
    path: _Path
    """The consistency proof (RFC 6962, 2.1.2)."""


def prove_task(realm: str, task_id: str, records: Sequence[Record], signed: SignedCheckpoint, root: Root) -> TaskProof:
    """Return the proof of a task's entries; `root` is of the log's tree, as far as the checkpoint reaches.

    Raises:
        ProofWrong: the tree is not the one that was signed, or an entry is not the one in it.
    """
    checkpoint = signed.checkpoint
    entries = []
    for record in records:
        encoded, index = encode_record(record), record.sequence - 1
        path = inclusion_proof(index, checkpoint.size, root)
        verify_inclusion(leaf_hash(encoded), index, checkpoint.size, path, checkpoint.root)
        entries.append(ProvedEntry(sequence=record.sequence, record=encoded, path=path))
    return TaskProof(realm=realm, task_id=task_id, checkpoint=str(signed), entries=entries)


def prove_growth(old: SignedCheckpoint, new: SignedCheckpoint, root: Root) -> GrowthProof:
    """Return the proof that the tree grew from the one checkpoint to the other.

    Raises:
        ProofWrong: it did not, or not in this tree.
    """
    before, after = old.checkpoint, new.checkpoint
    check_growth(before, after)
    path = consistency_proof(before.size, after.size, root)
    verify_consistency(before.size, after.size, path, before.root, after.root)
    return GrowthProof(old=str(old), new=str(new), path=path)


def check_growth(old: Checkpoint, new: Checkpoint) -> None:
    """Return where two checkpoints can be those of one log, in this order.

    Raises:
        ProofWrong: they cannot.
    """
    if old.origin != new.origin:
        raise ProofWrong(f"the checkpoints are of two logs: {old.origin} and {new.origin}")
    if old.size > new.size:
        raise ProofWrong(
            f"the old checkpoint is of {old.size} entries and the new one of {new.size}: they are the wrong way round"
        )


def parse_proof(data: bytes) -> TaskProof | GrowthProof:
    """Return the proof in a file, unverified.

    Raises:
        ProofWrong: it holds none.
    """
    if len(data) > MAX_BYTES:
        raise ProofWrong(f"it has more than {MAX_BYTES} bytes")
    try:
        return msgspec.json.decode(data, type=TaskProof | GrowthProof)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProofWrong(f"it holds no proof: {error}") from None


def encode_proof(proof: TaskProof | GrowthProof) -> bytes:
    """Return what is written to the file."""
    return msgspec.json.format(msgspec.json.encode(proof), indent=1) + b"\n"


class ProvedTask(msgspec.Struct, frozen=True):
    """What a task's proof shows."""

    claim: Claim
    entries: tuple[Entry, ...]
    records: tuple[Record, ...]


def verify_task(proof: TaskProof, keys: Keys) -> ProvedTask:
    """Return what the proof shows, verified.

    Raises:
        ProofWrong, NoteWrong: it shows nothing of the kind; the message says why.
    """
    claim = believe("the proof", proof.checkpoint.encode("utf-8", "replace"), keys)
    if not proof.entries:
        raise ProofWrong("it holds no entries")
    records = [_proved(entry, claim.checkpoint) for entry in proof.entries]
    try:
        subjects = Subjects(proof.realm)
    except ValueError as error:
        raise ProofWrong(str(error)) from None
    entries = [read_entry(subjects, as_message(record)) for record in records]
    for entry in entries:
        if entry.subject.partition(".")[0] != proof.realm:
            raise ProofWrong(f"the entry #{entry.sequence} is on {entry.subject!r}, not of the realm {proof.realm!r}")
        if entry.task_id != proof.task_id:
            raise ProofWrong(
                f"the entry #{entry.sequence} is about the task {entry.task_id!r}, not about {proof.task_id!r}"
            )
    return ProvedTask(claim, tuple(entries), tuple(records))


def _proved(entry: ProvedEntry, checkpoint: Checkpoint) -> Record:
    if len(entry.path) > MAX_PATH:
        raise ProofWrong(f"the path of the entry #{entry.sequence} is too long")
    try:
        record = decode_record(entry.record)
    except RecordError as error:
        raise ProofWrong(f"the entry #{entry.sequence} is no record: {error}") from None
    if record.sequence != entry.sequence:
        raise ProofWrong(f"the entry #{entry.sequence} is said to be #{record.sequence} by its record")
    verify_inclusion(leaf_hash(entry.record), record.sequence - 1, checkpoint.size, entry.path, checkpoint.root)
    return record


def verify_growth(proof: GrowthProof, keys: Keys) -> tuple[Claim, Claim]:
    """Return the old and the new checkpoint, verified.

    Raises:
        ProofWrong, NoteWrong: the new tree is not shown to begin with the old one; the message says why.
    """
    old, new = (
        believe(f"the proof's `{part}`", text.encode("utf-8", "replace"), keys)
        for part, text in (("old", proof.old), ("new", proof.new))
    )
    check_growth(old.checkpoint, new.checkpoint)
    if len(proof.path) > MAX_PATH:
        raise ProofWrong("the path is too long")
    before, after = old.checkpoint, new.checkpoint
    verify_consistency(before.size, after.size, proof.path, before.root, after.root)
    return old, new
