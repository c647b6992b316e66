"""One finding of the doctor."""

from typing import Literal

import msgspec

Verdict = Literal["ok", "note", "wrong"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, how it is, and what to do about it."""

    name: str
    verdict: Verdict
    """`note`: works, but somebody may want to know."""
    found: str
    advice: str = ""


def ok(name: str, found: str) -> Check:
    """Return a check that is as it should be."""
    return Check(name=name, verdict="ok", found=found)


def note(name: str, found: str, advice: str = "") -> Check:
    """Return a check that somebody may want to know of."""
    return Check(name=name, verdict="note", found=found, advice=advice)


def wrong(name: str, found: str, advice: str) -> Check:
    """Return a check that keeps something from working."""
    return Check(name=name, verdict="wrong", found=found, advice=advice)
