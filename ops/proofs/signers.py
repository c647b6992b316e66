"""Who signed the ledger's results: workers sign with the nkeys by which the server knows them (`bus.signing`). Pure.

Results without these headers are legal: a worker that has no nkey signs nothing.
"""

import base64
import binascii
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec
import nkeys

from bus.merkle import ProofWrong, root_above
from bus.records import Record, parse_headers
from bus.signing import SIGNATURE, SIGNER, leaf_of, parse_signature, signed_bytes
from ops.proofs.notes import verify_bytes
from ops.proofs.problems import Problem

KEPT_PROBLEMS = 100
_KEPT_KEYS = 10_000
_KEPT_TREES = 1_000
_BEGINNING = b"Sanctuary-Sign"


class Claimed(msgspec.Struct, frozen=True):
    """A result that is said to be signed."""

    sequence: int
    subject: str
    data: bytes
    signer: str
    """The public nkey, as the header has it."""
    signature: str


class SignersReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    results: int
    signed: dict[str, int]
    """How many results each user signed rightly."""
    unknown: dict[str, int]
    """As many of keys that no user is known of, by public nkey; of many, the first ones."""
    unsigned: int
    wrong: int
    """How many signatures are wrong."""
    problems: tuple[Problem, ...]
    """The first of them."""


class Signers:
    """Takes in the ledger's entries and counts who signed results. The verifying itself is `verified`, which threads can share."""

    def __init__(self, realm: str, users: Mapping[str, str]) -> None:
        """Take the names of users by their public nkeys."""
        self._prefix = f"{realm}.result."
        self._users = users
        self._signed: Counter[str] = Counter()
        self._results = self._unsigned = self._wrong = 0
        self._problems: list[Problem] = []

    def claimed(self, records: Sequence[Record]) -> list[Claimed]:
        """Take in entries, and return those results among them that are said to be signed."""
        found = []
        for record in records:
            if record.subject.startswith(self._prefix):
                self._results += 1
                if _BEGINNING in record.headers:
                    headers = parse_headers(record.headers)
                    told = headers.get(SIGNER, ""), headers.get(SIGNATURE, "")
                    found.append(Claimed(record.sequence, record.subject, record.data, *told))
                else:
                    self._unsigned += 1
        return found

    def take(self, claimed: Sequence[Claimed], right: Sequence[bool]) -> None:
        """Take in which of the signatures are right."""
        for each, is_right in zip(claimed, right, strict=True):
            if not is_right:
                self._wrong += 1
                if len(self._problems) < KEPT_PROBLEMS:
                    self._problems.append(_wrong(each, self._users.get(each.signer, ascii(each.signer)[1:-1][:60])))
            elif each.signer in self._signed or len(self._signed) < _KEPT_KEYS:
                self._signed[each.signer] += 1

    def report(self) -> SignersReport:
        """Return what came of it so far."""
        return SignersReport(
            results=self._results,
            signed={self._users[key]: count for key, count in sorted(self._signed.items()) if key in self._users},
            unknown={key: count for key, count in sorted(self._signed.items()) if key not in self._users},
            unsigned=self._unsigned,
            wrong=self._wrong,
            problems=tuple(self._problems),
        )


def verified(claimed: Sequence[Claimed]) -> list[bool]:
    """Tell of each whether its signature is right. Ed25519 takes most of the time, without the interpreter's lock."""
    return [_is_right(each) for each in claimed]


def _is_right(claimed: Claimed) -> bool:
    key, signature = public_bytes(claimed.signer), parse_signature(claimed.signature)
    if key is None or signature is None:
        return False
    try:
        root = root_above(leaf_of(claimed.subject, claimed.data), signature.index, signature.size, signature.path)
    except ProofWrong:
        return False
    return _is_signed(key, signed_bytes(signature.size, root), signature.value)


@lru_cache(_KEPT_TREES)
def _is_signed(key: bytes, tree: bytes, signature: bytes) -> bool:
    """Tell whether a signature over a tree is right: once for all results that were signed together, which are stored together."""
    return verify_bytes(key, tree, signature)


def _wrong(claimed: Claimed, signer: str) -> Problem:
    return Problem(
        kind="signature",
        sequence=claimed.sequence,
        message=f"entry #{claimed.sequence} ({ascii(claimed.subject)[1:-1]}): it is said to be signed by {signer}, and the signature "
        "is not over this result",
    )


@lru_cache(_KEPT_KEYS)
def public_bytes(public: str) -> bytes | None:
    """Return the 32 bytes of a user's public nkey (https://github.com/nats-io/nkeys), or None where it is none."""
    try:
        raw = base64.b32decode(public + "=" * (-len(public) % 8))
    except (binascii.Error, ValueError):
        return None
    if len(raw) != 35 or raw[0] != nkeys.PREFIX_BYTE_USER or nkeys.crc16_checksum(raw[:-2]) != raw[-2:]:
        return None
    return raw[1:-2]
