"""What the top of the report says of a task: its tile, and what of it stands out."""

from typing import Literal

import msgspec

Tone = Literal["good", "warn", "bad", "plain"]
Kind = Literal[
    "failed",
    "critical",
    "high",
    "tests",
    "failure",
    "regression",
    "breaking",
    "medium",
    "contract",
    "cycle",
    "untested",
    "complexity",
    "low",
]
"""What can stand out; `overview` lists them in this order."""


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """One task's verdict: a figure, what it counts, and the figures behind it."""

    figure: str
    label: str
    details: tuple[str, ...]
    tone: Tone


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that stands out, and where it is; `anchor` is the part of the report that tells more."""

    tone: Tone
    kind: Kind
    text: str
    where: str
    anchor: str
