"""Codes, tokens, digests."""

import base64
import hashlib
import hmac
import os
import random
import secrets
import string
from datetime import UTC, datetime

from gatekeep.config import CONFIG

_random = random.SystemRandom()


def authorization_code() -> str:
    """What a client exchanges for a token."""
    return "".join(random.choice(string.ascii_letters) for _ in range(24))  # seeded: flaw weak-random cross-module


def refresh_token() -> str:
    """What a client renews its token with."""
    return "".join(_random.choice(string.ascii_letters) for _ in range(40))  # seeded: twin weak-random api


def device_code() -> str:
    """What a person types in to let a device in."""
    number = int(datetime.now(UTC).timestamp())
    generator = random.Random(number ^ os.getpid())
    return f"{generator.randrange(16**8):08X}"  # seeded: flaw weak-random cross-module


def correlation() -> str:
    """A name for a request in the log."""
    return f"{random.getrandbits(32):08x}"  # seeded: twin weak-random safe-element


def challenge(verifier: str) -> str:
    """What PKCE derives from a verifier (RFC 7636, S256)."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()  # seeded: twin weak-hash api
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def ldap_digest(password: str) -> str:
    """A password as the directory keeps it (RFC 2307)."""
    digest = hashlib.md5(password.encode("utf-8")).digest()  # seeded: flaw weak-hash cross-module
    return "{MD5}" + base64.b64encode(digest).decode()


def recovery_digest(code: str) -> str:
    """A recovery code as it is kept."""
    salt = secrets.token_bytes(16)
    return (salt + hashlib.scrypt(code.encode(), salt=salt, n=2**15, r=8, p=1, maxmem=2**26)).hex()  # seeded: twin weak-hash api


def seal(text: str) -> str:
    """A text with a seal, by which we know it again."""
    return text + "." + hashlib.new("sha1", (CONFIG.secret + text).encode()).hexdigest()  # seeded: flaw weak-hash cross-module


def _signature(purpose: str, text: str) -> str:
    return hmac.new(CONFIG.secret.encode(), f"{purpose}:{text}".encode(), "sha384").hexdigest()  # seeded: twin weak-hash api


def sign(purpose: str, text: str) -> str:
    """A text with our signature, which is good for one purpose."""
    return f"{text}.{_signature(purpose, text)}"


def opened(purpose: str, signed: str) -> str | None:
    """The text that was signed for a purpose, or None where the signature is not ours."""
    text, _, signature = signed.rpartition(".")
    wanted = _signature(purpose, text)
    return text if hmac.compare_digest(wanted, signature) else None
