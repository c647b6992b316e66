"""What the scanners say, before anything is made of it."""

import time

import msgspec

from clones.engines.contract import NotAnalysed

OUT_OF_TIME = "the time was up before it was looked at"
"""Why a file was not read."""


def left_s(deadline: float, most_s: float) -> float:
    """Return the seconds until `deadline`, a moment of `time.monotonic()`, at most `most_s` and never below zero."""
    return min(most_s, max(0.0, deadline - time.monotonic()))


class FlowStep(msgspec.Struct, frozen=True, kw_only=True):
    """One place on the way of a value from where it comes in to where it does harm."""

    path: str
    """Relative to the target, with forward slashes."""
    line: int
    message: str
    """What happens to the value there, in words; may hold a secret until `redact` has seen it."""


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """One result of one scanner."""

    engine: str
    rule: str
    """The scanner's own name for the rule."""
    path: str
    """Relative to the target, with forward slashes."""
    line: int
    end_line: int
    message: str
    """The scanner's words; may hold a secret until `redact` has seen it."""
    severity: str | None = None
    """`low`, `medium`, `high` or `critical`; None where the scanner rates nothing."""
    confidence: str | None = None
    secret: str = ""
    """What gitleaks found, in the clear; never written anywhere."""
    suppressed: bool = False
    """A comment in the code (`# nosec`, `# noqa`, `gitleaks:allow`) takes the result back."""
    flow: tuple[FlowStep, ...] = ()
    """The source first, the sink last; empty where the scanner follows no values."""
    cwe: int | None = None
    """The weakness, where `rules.toml` does not describe the rule."""
    title: str = ""
    """What is there, in plain words, where `rules.toml` does not describe the rule."""
    check: str = ""
    """What a person looks at to know whether it matters, where `rules.toml` does not describe the rule."""
    key: str = ""
    """What makes it the same finding after edits elsewhere, beside rule and path, such as the package and its advisory, or
    the function and the sink's name. Empty: the source line's text. Holds no secret and no line number."""


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """A place of which a scanner knows that a weakness is not there, whatever another that only sees the line says."""

    path: str
    line: int
    """Of the call, or of any line within the other scanner's result."""
    cwe: int
    end_line: int = 0
    """The call's last line; 0 where only one is meant."""
    function: tuple[int, int] = (0, 0)
    """First and last line of the function that it stands in, where the weakness is nowhere in that; else zeros."""
    why: str
    """`the command is the constant 'ls'`, for the sentence `set aside: <why>`; holds no secret."""


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """What one scanner did."""

    name: str
    version: str
    command: tuple[str, ...]
    """Run in the target's directory, it prints the same results. Empty: there is no such command."""
    results: tuple[Reported, ...]
    """With the suppressed ones, which the command does not print."""
    files_analysed: int
    duration_s: float
    unread: dict[str, str] = {}
    """Files that the scanner could not read, with its reason."""
    left_out: tuple[NotAnalysed, ...] = ()
    """What else it did not look at, or how old what it goes by is."""
    cleared: tuple[Cleared, ...] = ()
    """What this scanner has looked into and found harmless."""
    entries: tuple[str, ...] = ()
    """Files in which it has seen values of requests come in."""
    is_part: bool = False
    """Whether its time was up before its end; `unread` and `left_out` say what is missing."""
    uri: str = ""
    """Where the scanner is described."""

    @property
    def findings(self) -> int:
        """How many results the command prints, parse errors not counted."""
        return sum(not result.suppressed for result in self.results)
