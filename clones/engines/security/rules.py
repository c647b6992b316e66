"""The rules: what each means, in words for a person, from `rules.toml`."""

import re
from importlib.resources import files
from typing import Literal

import msgspec

from clones.engines.security.reported import Reported

Severity = Literal["critical", "high", "medium", "low"]
Confidence = Literal["high", "medium", "low"]

SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low")
CONFIDENCES: tuple[Confidence, ...] = ("high", "medium", "low")
PASSWORD_RULES = frozenset({"B105", "B106", "B107"})

_RUFF = re.compile(r"S(\d{3})")


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of `rules.toml`; the fields are told at its top."""

    title: str
    cwe: int | None
    severity: Severity
    confidence: Confidence
    check: str
    rated: str = ""


def load() -> dict[str, Rule]:
    """Read the rules that are described, by their id."""
    return msgspec.toml.decode((files(__package__) / "rules.toml").read_bytes(), type=dict[str, Rule])


def shared_id(rule: str) -> str:
    """Return bandit's id for a rule of ruff's (`S602` is `B602`), and any other id as it is."""
    port = _RUFF.fullmatch(rule)
    return f"B{port[1]}" if port else rule


def describe(known: dict[str, Rule], result: Reported) -> Rule:
    """Return what is known of a result's rule: here, else by its scanner, else by the rule's id alone."""
    rule = shared_id(result.rule)
    if rule in known:
        return known[rule]
    check = result.check or "read the line, and what the scanner says of its rule"
    if result.engine == "gitleaks":
        return Rule(
            title=f"A credential in the code ({rule.replace('-', ' ')})",
            cwe=798,
            severity="critical",
            confidence="high",
            check="does it still work at its issuer; if it has been in use, revoke it there, for taking it out leaves it "
            "in every copy and in the history",
        )
    title = result.title or f"Rule {rule} matches"
    return Rule(title=title, cwe=result.cwe, severity="medium", confidence="medium", check=check)
