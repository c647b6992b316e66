"""Names that tell that nobody may guess what they hold."""

import re
from functools import lru_cache

_WORDS = frozenset(
    {
        *("token", "tokens", "secret", "password", "passwd", "passphrase", "otp", "nonce", "salt", "csrf", "captcha"),
        *("apikey", "pin", "credential", "credentials"),
    }
)
_TOGETHER = (
    frozenset(("session", "id")),
    frozenset(("session", "key")),
    frozenset(("api", "key")),
    frozenset(("secret", "key")),
    frozenset(("private", "key")),
    frozenset(("reset", "code")),
    frozenset(("verification", "code")),
    frozenset(("activation", "code")),
    frozenset(("confirmation", "code")),
)
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


@lru_cache(4096)
def is_secret(name: str) -> bool:
    """Whether a variable, key or function is named for a secret: `reset_token`, `sessionId`, `new_password`."""
    parts = frozenset(each.lower() for each in _PART.findall(name))
    return bool(parts & _WORDS) or any(each <= parts for each in _TOGETHER)
