"""Checkpoints as C2SP's tlog-checkpoint says (https://c2sp.org/tlog-checkpoint): which tree a log had, signed.

A witness adds its cosignature (https://c2sp.org/tlog-cosignature): that this is the largest tree of the log it saw by then, and
that each of them began with the ones before.
"""

import base64
import re
import struct

import msgspec

from bus.merkle import HASH_BYTES
from ops.proofs.notes import Kind, Note, NoteWrong, PublicKey, Signature, SigningKey, parse_note, verify_bytes

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_TIME = struct.Struct(">Q")
_TIME_LIMIT = 2**63


class Checkpoint(msgspec.Struct, frozen=True):
    """The tree of a log at one size; its string is the text that is signed."""

    origin: str
    """Which log, by a name that no other has: `example.org/sanctuary`."""
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()
    """Further lines, which say nothing of the tree; we write none."""

    def __str__(self) -> str:
        root = base64.b64encode(self.root).decode()
        return "".join(f"{line}\n" for line in (self.origin, self.size, root, *self.extensions))


class SignedCheckpoint(msgspec.Struct, frozen=True):
    """A checkpoint and the note that it came in. Nothing of it is verified by being parsed."""

    checkpoint: Checkpoint
    note: Note

    def __str__(self) -> str:
        return str(self.note)


def sign(checkpoint: Checkpoint, key: SigningKey) -> SignedCheckpoint:
    """Return the checkpoint signed by the log's own key."""
    text = str(checkpoint)
    public = key.public
    if public.kind is not Kind.NOTE:
        raise NoteWrong(f"the key {public.name} is a witness's: a log signs with another")
    return SignedCheckpoint(checkpoint, Note(text, (Signature(public.name, public.id, key.sign(text.encode())),)))


def cosign(signed: SignedCheckpoint, key: SigningKey, at_s: int) -> SignedCheckpoint:
    """Return the checkpoint with a witness's signature added, made at `at_s`, seconds since 1970; an older one of its goes.

    What it states must be true already: who calls it has verified the checkpoint and its consistency.
    """
    public = key.public
    if public.kind is not Kind.COSIGNATURE:
        raise NoteWrong(f"the key {public.name} is a log's: a witness signs with one of its own kind")
    value = _TIME.pack(at_s) + key.sign(_cosigned(signed.note.text, at_s))
    former = signed.note.by(public)
    others = tuple(each for each in signed.note.signatures if each not in former)
    note = Note(signed.note.text, (*others, Signature(public.name, public.id, value)))
    return SignedCheckpoint(signed.checkpoint, note)


def _cosigned(text: str, at_s: int) -> bytes:
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()


def parse_checkpoint(data: bytes) -> SignedCheckpoint:
    """Return a signed checkpoint as it is stored, unverified.

    Raises:
        NoteWrong: it is none; the message says why.
    """
    note = parse_note(data)
    lines = note.text[:-1].split("\n")
    if len(lines) < 3 or not all(lines):
        raise NoteWrong("a checkpoint has an origin, a size and a root, a line each, and no empty lines")
    origin, size, root, *extensions = lines
    if not _SIZE.fullmatch(size):
        raise NoteWrong(f"{size[:30]!r} is no size of a tree")
    checkpoint = Checkpoint(origin, int(size), _root(root), tuple(extensions))
    return SignedCheckpoint(checkpoint, note)


def _root(text: str) -> bytes:
    try:
        root = base64.b64decode(text, validate=True)
    except ValueError:
        root = b""
    if len(root) != HASH_BYTES or base64.b64encode(root).decode() != text:
        raise NoteWrong(f"{text[:60]!r} is no root: {HASH_BYTES} bytes in base64")
    return root


def verify(signed: SignedCheckpoint, key: PublicKey) -> int | None:
    """Return where `key` signed the checkpoint: when, in seconds since 1970, by a witness; None by a log, which tells no time.

    Signatures by others are not looked at, as the specification wants it.

    Raises:
        NoteWrong: `key` did not sign it, or the signature is wrong.
    """
    checkpoint = signed.checkpoint
    what = f"the checkpoint of {checkpoint.origin} at size {checkpoint.size}"
    signatures = signed.note.by(key)
    if not signatures:
        raise NoteWrong(
            f"{what} is not signed by {key.name} with the key {key.id.hex()}, but by {_signers(signed.note)}"
        )
    # Every line that names the key is verified: a note with one forged line is not to be believed.
    times = [_time(signed.note.text, signature, key, what) for signature in signatures]
    return times[0]


def _time(text: str, signature: Signature, key: PublicKey, what: str) -> int | None:
    """Return the time that a signature tells, verified."""
    at_s, signs, value = None, text.encode(), signature.value
    if key.kind is Kind.COSIGNATURE:
        if len(value) <= _TIME.size:
            raise NoteWrong(f"{what}: the signature of {key.name} is too short")
        (at_s,) = _TIME.unpack(value[: _TIME.size])
        if at_s >= _TIME_LIMIT:
            raise NoteWrong(f"{what}: the signature of {key.name} tells no time")
        signs, value = _cosigned(text, at_s), value[_TIME.size :]
    if not verify_bytes(key.key, signs, value):
        raise NoteWrong(f"{what}: the signature of {key.name} is wrong: not made with that key over this text")
    return at_s


def _signers(note: Note) -> str:
    return ", ".join(sorted({f"{each.name} ({each.key_id.hex()})" for each in note.signatures}))
