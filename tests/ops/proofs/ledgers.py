"""Ledgers that are made up: records, their leaves, and checkpoints of them."""

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from bus.merkle import root_of
from bus.records import Record, encode_record, gap_leaf, leaf_hash
from ops.proofs.checkpoint import Checkpoint, sign
from ops.proofs.claims import Claim, Keys, judge, make_keys
from ops.proofs.notes import Kind, SigningKey
from ops.proofs.problems import Problem

ORIGIN = "example.org/lab"
REALM = "lab"
LOG = SigningKey(ORIGIN, Kind.NOTE, bytes(range(32)))
WITNESS = SigningKey("witness.example.org", Kind.COSIGNATURE, bytes(range(1, 33)))
KEYS: Keys = make_keys((LOG.public,))
WITNESSED: Keys = make_keys((LOG.public, WITNESS.public))


def records(count: int, *, missing: Sequence[int] = (), seed: str = "ledger") -> list[Record]:
    """Entries 1 to `count`, but for those that are missing."""
    return [
        Record(
            sequence,
            1_700_000_000_000_000_000 + sequence * 1_000_003,
            f"{REALM}.task.security",
            b"" if sequence % 3 else b"NATS/1.0\r\nA: b\r\n\r\n",
            b'{"params":{"n":%d,"noise":%d}}' % (sequence, zlib.crc32(f"{seed} {sequence}".encode())),
        )
        for sequence in range(1, count + 1)
        if sequence not in missing
    ]


def leaves(ledger: Iterable[Record], size: int) -> list[bytes]:
    """The leaves of the ledger's tree of this size."""
    there = {record.sequence: leaf_hash(encode_record(record)) for record in ledger}
    return [there.get(sequence) or gap_leaf(sequence) for sequence in range(1, size + 1)]


def signed(ledger: Iterable[Record], size: int, key: SigningKey = LOG) -> bytes:
    """A checkpoint of the ledger's first `size` entries."""
    return str(sign(Checkpoint(ORIGIN, size, root_of(leaves(ledger, size))), key)).encode()


def claims(ledger: Sequence[Record], *sizes: int) -> list[Claim | Problem]:
    """Checkpoints as if each were in a file."""
    return [judge(f"file-{size}", signed(ledger, size), KEYS) for size in sizes]


def leaves_file(path: Path, ledger: Sequence[Record], size: int) -> Path:
    """The notary's file of leaves."""
    path.write_bytes(b"".join(leaves(ledger, size)))
    return path
