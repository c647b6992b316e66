"""What can be wrong with a ledger that was signed."""

from typing import Literal

import msgspec

Kind = Literal[
    "altered",
    "deleted",
    "inserted",
    "reordered",
    "forked",
    "rolled_back",
    "differs",
    "archive",
    "checkpoint",
    "leaves",
    "signature",
]
"""`differs`: altered, deleted, inserted or reordered, which of them is not known without the notary's leaves; `archive`: a segment
that is not as it was sealed; `checkpoint`: one that is not to be believed, or not there; `leaves`: the notary's leaves are not those
that were signed; `signature`: of a result."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong."""

    kind: Kind
    message: str
    """What, where, and since when it was known otherwise."""
    sequence: int | None = None
    """The first entry that it is about, where one can be named."""
    last: int | None = None
    """The last one, where only a range can be named."""
