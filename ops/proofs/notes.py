"""Signed notes as C2SP's signed-note says (https://c2sp.org/signed-note), with Ed25519 keys (RFC 8032).

A public key is written as a verifier key, `name+0a1b2c3d+base64`, as Go's golang.org/x/mod/sumdb/note and other tools of
transparency logs read it; a signing key as that package's `PRIVATE+KEY+name+0a1b2c3d+base64`.
"""

import base64
import binascii
import os
import re
from enum import IntEnum
from hashlib import sha256

import msgspec
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey as _Ed25519Key
from nacl.signing import VerifyKey as _Ed25519Verifier

from bus.errors import SanctuaryError

MAX_BYTES = 1 << 20
"""The largest note that is read."""
MAX_SIGNATURES = 100
"""As Go's package has it; the specification wants 16 at least."""

_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_NAME = re.compile(r"[^\s+]+")
_KEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")
_KEY_BYTES = 32
_PRIVATE = "PRIVATE+KEY+"


class NoteWrong(SanctuaryError):
    """A note, a key or a signature is not what it should be; the message says what is wrong with it."""


class Kind(IntEnum):
    """What a key signs: the byte that the specification assigns."""

    NOTE = 0x01
    """The text of the note: what a log does."""
    COSIGNATURE = 0x04
    """The text and the time (https://c2sp.org/tlog-cosignature): what a witness does."""


class PublicKey(msgspec.Struct, frozen=True):
    """The half of a key that verifies; its string is the verifier key."""

    name: str
    kind: Kind
    key: bytes

    @property
    def id(self) -> bytes:
        """The four bytes by which signature lines name the key."""
        return sha256(f"{self.name}\n".encode() + bytes((self.kind,)) + self.key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_base64(bytes((self.kind,)) + self.key)}"


class SigningKey:
    """The half of a key that signs. `text` is the secret: it belongs into a file that only its owner can read."""

    def __init__(self, name: str, kind: Kind, seed: bytes) -> None:
        if not _NAME.fullmatch(name):
            raise NoteWrong(f"a key cannot be named {name!r}: the name holds no spaces and no plus signs")
        self._seed = seed
        self._key = _Ed25519Key(seed)
        self.public = PublicKey(name, kind, bytes(self._key.verify_key))

    @classmethod
    def new(cls, name: str, kind: Kind = Kind.NOTE) -> "SigningKey":
        """Return a fresh key."""
        return cls(name, kind, os.urandom(_KEY_BYTES))

    @property
    def text(self) -> str:
        """The key as a string, `PRIVATE+KEY+…`."""
        public = self.public
        return f"{_PRIVATE}{public.name}+{public.id.hex()}+{_base64(bytes((public.kind,)) + self._seed)}"

    def sign(self, message: bytes) -> bytes:
        """Return the Ed25519 signature over `message`, 64 bytes."""
        return self._key.sign(message).signature


class Signature(msgspec.Struct, frozen=True):
    """One signature line: who is said to have signed, and the bytes, unverified."""

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"— {self.name} {_base64(self.key_id + self.value)}\n"


class Note(msgspec.Struct, frozen=True):
    """A text, which ends in a newline, and its signatures. Its string is what is stored. Nothing of it is verified yet."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    def by(self, key: PublicKey) -> list[Signature]:
        """Return the signatures that are said to be by `key`."""
        return [each for each in self.signatures if (each.name, each.key_id) == (key.name, key.id)]


def parse_key(text: str) -> PublicKey:
    """Return the public key of a verifier key.

    Raises:
        NoteWrong: it is none, or of a kind that is not known here.
    """
    text = text.strip()
    name, kind, key = _parts(text, f"{text[:100]!r} is no verifier key (name+id+base64)")
    public = PublicKey(name, kind, key)
    if str(public) != text:
        raise NoteWrong(f"the verifier key {text!r} is damaged: its id is not that of its name and key")
    return public


def parse_signing_key(text: str) -> SigningKey:
    """Return the signing key of its string.

    Raises:
        NoteWrong: it is none; the message does not show it.
    """
    text = text.strip()
    wrong = f"that is no signing key ({_PRIVATE}name+id+base64)"
    if not text.startswith(_PRIVATE):
        raise NoteWrong(wrong)
    key = SigningKey(*_parts(text.removeprefix(_PRIVATE), wrong))
    if key.text != text:
        raise NoteWrong("the signing key is damaged: its id is not that of its name and key")
    return key


def _parts(text: str, wrong: str) -> tuple[str, Kind, bytes]:
    match = _KEY.fullmatch(text)
    data = _unbase64(match[3]) if match else None
    if match is None or data is None or len(data) != 1 + _KEY_BYTES or data[0] not in tuple(Kind):
        raise NoteWrong(wrong)
    return match[1], Kind(data[0]), data[1:]


def parse_note(data: bytes) -> Note:
    """Return a note as it is stored, unverified.

    Raises:
        NoteWrong: it is none; the message says why.
    """
    if len(data) > MAX_BYTES:
        raise NoteWrong(f"the note has more than {MAX_BYTES} bytes")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise NoteWrong("the note is no UTF-8 text") from None
    if any(character < " " and character != "\n" for character in whole):
        raise NoteWrong("the note holds control characters")
    text, blank, tail = whole.rpartition("\n\n")
    if not blank or not tail.endswith("\n"):
        raise NoteWrong("the note has no text, a blank line and signatures, each line ended by a newline")
    lines = tail[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteWrong(f"the note has more than {MAX_SIGNATURES} signatures")
    return Note(f"{text}\n", tuple(_signature(line) for line in lines))


def _signature(line: str) -> Signature:
    match = _SIGNATURE.fullmatch(line)
    value = _unbase64(match[2]) if match else None
    if match is None or value is None or len(value) <= 4:
        raise NoteWrong(f"{line[:100]!r} is no signature line (— name base64)")
    return Signature(match[1], value[:4], value[4:])


def verify_bytes(key: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether `signature` is the Ed25519 signature of `message` by the public key of 32 bytes."""
    try:
        _Ed25519Verifier(key).verify(message, signature)
    except (BadSignatureError, ValueError, TypeError):
        return False
    return True


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _unbase64(text: str) -> bytes | None:
    """Return the bytes, or None where the text is not the one encoding that they have."""
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return data if _base64(data) == text else None
