"""Who signed the ledger's results: workers sign with the nkeys by which the server knows them (`bus.signing`). Pure.

Results without these headers are legal: a worker that has no nkey signs nothing.
"""

import base64
import binascii
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import nkeys

from bus.records import Record, parse_headers
from bus.signing import SIGNATURE, SIGNER, signed_bytes
from ops.proofs.notes import verify_bytes
from ops.proofs.problems import Problem

KEPT_PROBLEMS = 100
_KEPT_KEYS = 10_000
_SIGNATURE_BYTES = b"Sanctuary-Sign"


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
    """Takes in the ledger's entries and verifies the signatures of results."""

    def __init__(self, realm: str, users: Mapping[str, str]) -> None:
        """Take the names of users by their public nkeys."""
        self._prefix = f"{realm}.result."
        self._users = users
        self._keys: dict[str, bytes | None] = {}
        self._signed: Counter[str] = Counter()
        self._results = self._unsigned = self._wrong = 0
        self._problems: list[Problem] = []

    def feed(self, records: Sequence[Record]) -> None:
        """Take in entries; those that are no results are passed over."""
        for record in records:
            if not record.subject.startswith(self._prefix):
                continue
            self._results += 1
            if _SIGNATURE_BYTES not in record.headers:
                self._unsigned += 1
                continue
            headers = parse_headers(record.headers)
            signer = headers.get(SIGNER, "")
            if self._verified(record, signer, headers.get(SIGNATURE, "")):
                if signer in self._signed or len(self._signed) < _KEPT_KEYS:
                    self._signed[signer] += 1
            else:
                self._wrong += 1
                if len(self._problems) < KEPT_PROBLEMS:
                    self._problems.append(_wrong(record, self._users.get(signer, ascii(signer)[1:-1][:60])))

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

    def _verified(self, record: Record, signer: str, signature: str) -> bool:
        if signer not in self._keys:
            if len(self._keys) >= _KEPT_KEYS:
                self._keys.clear()
            self._keys[signer] = public_bytes(signer)
        key = self._keys[signer]
        try:
            value = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            return False
        return key is not None and verify_bytes(key, signed_bytes(record.subject, record.data), value)


def _wrong(record: Record, signer: str) -> Problem:
    return Problem(
        kind="signature",
        sequence=record.sequence,
        message=f"entry #{record.sequence} ({ascii(record.subject)[1:-1]}): it is said to be signed by {signer}, and the "
        "signature is not over this result",
    )


def public_bytes(public: str) -> bytes | None:
    """Return the 32 bytes of a user's public nkey (https://github.com/nats-io/nkeys), or None where it is none."""
    try:
        raw = base64.b32decode(public + "=" * (-len(public) % 8))
    except (binascii.Error, ValueError):
        return None
    if len(raw) != 35 or raw[0] != nkeys.PREFIX_BYTE_USER or nkeys.crc16_checksum(raw[:-2]) != raw[-2:]:
        return None
    return raw[1:-2]
