"""Names that become subject tokens: task ids, task types, clones. One pattern each, checked wherever a name comes in."""

import re
import secrets
from typing import Annotated

from msgspec import Meta

# `(?![\s\S])` is the end of the text in Python and in ECMAScript alike; `$` would let a final newline pass in Python.
ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}(?![\s\S])"
TOKEN_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}(?![\s\S])"  # noqa: S105  a pattern of subject tokens, no secret

PATTERNS = {
    ID_PATTERN: "1 to 64 letters, digits, `_` or `-`",
    TOKEN_PATTERN: "1 to 64 small letters, digits, `_` or `-`",
}
"""What each pattern means, for error messages."""

TaskId = Annotated[
    str, Meta(pattern=ID_PATTERN, description="1 to 64 of A-Z a-z 0-9 _ -; unique, and best unguessable")
]
Token = Annotated[str, Meta(pattern=TOKEN_PATTERN, description="1 to 64 of a-z 0-9 _ -")]

SEQUENCE_PREFIX = "seq-"
"""Ids with this prefix belong to the network: `seq-<ledger sequence>` names a task that came without an id."""

_ID = re.compile(ID_PATTERN)
_TOKEN = re.compile(TOKEN_PATTERN)


def new_id() -> str:
    """Return a fresh id of nearly 128 random bits, which nobody can guess and so nobody can settle or claim in advance."""
    while (candidate := secrets.token_urlsafe(16)).startswith(("-", "_")):
        pass  # a leading dash would read as an option on a command line
    return candidate


def sequence_id(ledger_sequence: int) -> str:
    """Return the id of a task that was stored without one, from the ledger sequence that its PubAck told the publisher."""
    return f"{SEQUENCE_PREFIX}{ledger_sequence}"


def is_task_id(text: str) -> bool:
    """Tell whether `text` can be a task id."""
    return _ID.match(text) is not None


def is_token(text: str) -> bool:
    """Tell whether `text` can be a task type, a clone or a workflow name."""
    return _TOKEN.match(text) is not None
