r"""Who wrote a result: signed with the nkey by which the server knows the writer (Ed25519, https://github.com/nats-io/nkeys).

Results that are settled at the same time are the leaves of a Merkle tree (RFC 6962, 2.1), and its root is signed once for all
of them. Each result's headers stand alone: whichever of the others is never stored, they verify.

    Sanctuary-Signer     the public nkey, U…
    Sanctuary-Signature  base64 of: the signature, 64 bytes | the tree's size, u8 | this result's index in it, u8 |
                         the hashes of its audit path, 32 bytes each, the sibling first

    a leaf's entry       the subject that the result is read on | "\n" | its body
    what is signed       0xff | "sanctuary results v1\n" | the tree's size, u8 | its root, 32 bytes
"""

import base64
import binascii
import re
from collections.abc import Callable
from functools import partial

import msgspec
import nkeys
from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_seed_keypair

from bus.errors import ConfigurationError
from bus.keys import public_key, read_seed
from bus.merkle import HASH_BYTES, Tree
from bus.records import leaf_hash
from bus.settings import ConnectionSettings

SIGNER = "Sanctuary-Signer"
SIGNATURE = "Sanctuary-Signature"
MOST_LEAVES = 32
"""So many results are signed at once. With more, the longer path in each one's header would cost what is saved."""

# With the same key a client signs the nonce of a server that it connects to, whatever that says: it is UTF-8, this is not.
_SIGNED = b"\xffsanctuary results v1\n"
_FIXED_BYTES = crypto_sign_BYTES + 2
"""What stands before the path."""
_LONGEST_PATH = 8
_LONGEST_TEXT = (_FIXED_BYTES + _LONGEST_PATH * HASH_BYTES + 2) // 3 * 4
_SEED = re.compile(r"\bSU[A-Z2-7]{56}\b")


class Signature(msgspec.Struct, frozen=True):
    """What a signature's header says, unverified."""

    value: bytes
    """Over the tree, 64 bytes."""
    size: int
    """How many leaves the tree has."""
    index: int
    """Which of them the result is."""
    path: tuple[bytes, ...]
    """From there to the root."""


class _Together:
    """Results that are signed together."""

    __slots__ = ("leaves", "signature", "tree")

    def __init__(self) -> None:
        self.leaves: list[bytes] = []
        self.tree: Tree | None = None
        """None: the first of them has not asked for its headers yet."""
        self.signature = b""


class ResultSigner:
    """Signs results with one user's key."""

    def __init__(self, seed: str) -> None:
        """Take the user's seed, `SU…`.

        Raises:
            ConfigurationError: it is none.
        """
        self.public = public_key(seed, origin="the key to sign results with")
        """The public nkey, `U…`."""
        _, raw = nkeys.decode_seed(bytearray(seed.encode()))
        _, self._key = crypto_sign_seed_keypair(bytes(raw))
        self._open = _Together()

    def add(self, subject: str, body: bytes) -> Callable[[], dict[str, str]]:
        """Take the result of this body, which is read on `subject`, and return what gives the headers that sign it.

        The first to be asked for its headers has all signed that were taken with it; what is taken later comes into another tree.
        """
        together = self._open
        if together.tree is not None or len(together.leaves) == MOST_LEAVES:
            together = self._open = _Together()
        together.leaves.append(leaf_of(subject, body))
        return partial(self._headers, together, len(together.leaves) - 1)

    def _headers(self, together: _Together, index: int) -> dict[str, str]:
        size = len(together.leaves)
        if together.tree is None:
            together.tree = Tree(together.leaves)
            # The library's own object signs the same, and copies the message twice on the way.
            signed = crypto_sign(signed_bytes(size, together.tree.root), self._key)
            together.signature = signed[:crypto_sign_BYTES]
        told = b"".join((together.signature, bytes((size, index)), *together.tree.path(index)))
        return {SIGNER: self.public, SIGNATURE: base64.b64encode(told).decode()}


def leaf_of(subject: str, body: bytes) -> bytes:
    """Return the hash of a result's leaf."""
    return leaf_hash(subject.encode("utf-8", "surrogateescape") + b"\n" + body)


def signed_bytes(size: int, root: bytes) -> bytes:
    """Return what is signed of a tree of 1 to 255 leaves."""
    return _SIGNED + bytes((size,)) + root


def parse_signature(text: str) -> Signature | None:
    """Return what the header says; None where that can be no signature. One that is too long is not decoded."""
    if len(text) > _LONGEST_TEXT:
        return None
    try:
        told = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    path = told[_FIXED_BYTES:]
    if len(told) < _FIXED_BYTES or len(path) % HASH_BYTES:
        return None
    size, index = told[crypto_sign_BYTES:_FIXED_BYTES]
    nodes = tuple(path[start : start + HASH_BYTES] for start in range(0, len(path), HASH_BYTES))
    return Signature(told[:crypto_sign_BYTES], size, index, nodes)


def signer_for(settings: ConnectionSettings) -> ResultSigner | None:
    """Return what signs as whom the settings connect; None where that is not by an nkey.

    Raises:
        ConfigurationError: the file that holds the key cannot be used.
    """
    if settings.nkey is not None:
        return ResultSigner(read_seed(settings.nkey))
    if settings.creds is not None:
        try:
            found = _SEED.search(settings.creds.read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError):
            found = None
        if found is None:
            raise ConfigurationError(
                f"creds: the credentials file {settings.creds} holds no user seed. Name another one."
            )
        return ResultSigner(found[0])
    return None
