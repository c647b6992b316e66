"""The ids of what a run has done, and what proves that Omega wakes it: made under a secret, without which nobody can.

Ids are the same after any restart, so that nothing is done under two of them.

They must not be known before what they name is stored. Anybody may submit tasks, and of two under one id the first result stands:
whoever knew the next step's id could have a task of his own answer for it. A run's own id is public, so its steps' ids are made
with the secret that its history begins with, which nobody outside the network's account can read.
"""

import hashlib
import hmac
import secrets

SECRET_BYTES = 16
"""Of randomness, in a secret that ids are made with; it is written in hex digits."""


def secret_id(secret: str, place: str) -> str:
    """Return the id of what stands in `place`: the first 32 hex digits of HMAC-SHA-256 under `secret`.

    Without a secret, as records of earlier versions are, of SHA-256.
    """
    if not secret:
        return hashlib.sha256(place.encode()).hexdigest()[:32]
    return hmac.digest(secret.encode(), place.encode(), "sha256").hex()[:32]


def step_id(workflow_id: str, step: str, index: int | None = None, *, compensation: bool = False, secret: str) -> str:
    """Return the id of a step's task or sub-workflow in a run that began with `secret`.

    The place is `<workflow_id>/<step>[/<index>][/compensation]`; none of its parts holds a `/`, and no index is a word.
    """
    place = [workflow_id, step]
    if index is not None:
        place.append(str(index))
    if compensation:
        place.append("compensation")
    return secret_id(secret, "/".join(place))


def new_proof(workflow_id: str, *, secret: str) -> str:
    """Return a mark, another one each time, by which a run that began with `secret` knows that it is Omega who wakes it."""
    return _proof(workflow_id, secrets.token_hex(8), secret)


def is_proof(mark: str, workflow_id: str, *, secret: str) -> bool:
    """Tell whether `new_proof` has made a mark for this run."""
    return hmac.compare_digest(mark.encode(), _proof(workflow_id, mark.partition(".")[0], secret).encode())


def _proof(workflow_id: str, nonce: str, secret: str) -> str:
    # No step's place holds a colon.
    return f"{nonce}.{secret_id(secret, f'wake-up:{workflow_id}:{nonce}')}"
