"""Who wrote a result: signed with the nkey by which the server knows the writer (Ed25519, https://github.com/nats-io/nkeys).

Sanctuary-Signer: the public nkey, U…
Sanctuary-Signature: base64 of the signature over "sanctuary result v1", a newline, the subject that the result is read on,
                     a newline, and the SHA-256 of its body
"""

import base64
import hashlib
import re

import nkeys
from nacl.bindings import crypto_sign, crypto_sign_BYTES, crypto_sign_seed_keypair

from bus.errors import ConfigurationError
from bus.keys import public_key, read_seed
from bus.settings import ConnectionSettings

SIGNER = "Sanctuary-Signer"
SIGNATURE = "Sanctuary-Signature"

_SEED = re.compile(r"\bSU[A-Z2-7]{56}\b")


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

    def headers(self, subject: str, body: bytes) -> dict[str, str]:
        """Return the headers that sign the result of this body, which is read on `subject`."""
        # The library's own object signs the same, and copies the message twice on the way.
        signature = crypto_sign(signed_bytes(subject, body), self._key)[:crypto_sign_BYTES]
        return {SIGNER: self.public, SIGNATURE: base64.b64encode(signature).decode()}


def signed_bytes(subject: str, body: bytes) -> bytes:
    """Return what is signed of a result."""
    return b"sanctuary result v1\n" + subject.encode("utf-8", "surrogateescape") + b"\n" + hashlib.sha256(body).digest()


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
