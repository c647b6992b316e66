"""What the scanners say, before anything is made of it."""

import msgspec


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
    """`low`, `medium` or `high`; None where the scanner rates nothing."""
    confidence: str | None = None
    secret: str = ""
    """What gitleaks found, in the clear; never written anywhere."""
    suppressed: bool = False
    """A comment in the code (`# nosec`, `# noqa`, `gitleaks:allow`) takes the result back."""


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """What one scanner did."""

    name: str
    version: str
    command: tuple[str, ...]
    """Run in the target's directory, it prints the same results."""
    results: tuple[Reported, ...]
    """With the suppressed ones, which the command does not print."""
    files_analysed: int
    duration_s: float
    unread: dict[str, str] = {}
    """Files that the scanner could not read, with its reason."""

    @property
    def findings(self) -> int:
        """How many results the command prints, parse errors not counted."""
        return sum(not result.suppressed for result in self.results)
