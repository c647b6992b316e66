"""How much a finding weighs, and what is set aside: decided openly, each decision told in the finding or the counts."""

import re
from pathlib import PurePosixPath

import msgspec

from clones.engines.security.merge import Merged
from clones.engines.security.redact import NO_TEXT, value_of
from clones.engines.security.rules import CONFIDENCES, PASSWORD_RULES, SEVERITIES, Confidence, Rule, Severity
from clones.engines.security.scope import is_test_module

_IMPORT_HINTS = frozenset({*(f"B40{digit}" for digit in range(1, 10)), "B411", "B415"})
_EXAMPLES = frozenset({"doc", "docs", "example", "examples", "sample", "samples", "demo", "demos"})
_ROUND_TRIP = re.compile(r"\bloads\(\s*(?:\w+\.)*dumps\(")
_STATUS_CODES = re.compile(r"\b(?:requests|httpx)\.(?:status_)?codes\.")
_UNSPECIFIC = frozenset({"private-key", "generic-api-key", "jwt", "curl-auth-header", "curl-auth-user"})
"""Patterns that made-up credentials match as well; an issuer's own form of a token is seldom made up."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How one finding is rated."""

    severity: Severity
    confidence: Confidence
    context: str
    """`test code`, `documentation or an example`, or empty for code that ships."""
    note: str
    """Why it is rated other than the scanner or the rule rates it; empty where it is not."""


def context(path: str, test_directories: frozenset[str]) -> str:
    """Return what kind of code a file is, by where it stands."""
    parents = {str(parent) for parent in PurePosixPath(path).parents}
    if is_test_module(path) or parents & test_directories:
        return "test code"
    if _EXAMPLES & {part.lower() for part in PurePosixPath(path).parts[:-1]}:
        return "documentation or an example"
    return ""


def set_aside(each: Merged, where: str, text: str) -> str:
    """Return why a result is no finding, or an empty text where it is one; `text` is the source line."""
    by_bandit_alone = each.engine == "bandit"
    is_test = where == "test code"
    no_password = by_bandit_alone and each.rule in PASSWORD_RULES and value_of(each.reported[0]) in NO_TEXT
    reasons = (
        (
            is_test and each.rule == "B101",
            "assertions are how tests state what they expect, and tests are not run under -O",
        ),
        (
            is_test and each.rule in _IMPORT_HINTS,
            "an import by itself does nothing, and test code chooses its own input",
        ),
        (no_password, "there is no password: the value is empty, None or a boolean"),
        (
            each.rule == "B406" and "xml.sax.saxutils" in text,
            "the module quotes and writes XML, it parses none",
        ),
        (
            by_bandit_alone and each.rule == "B113" and _STATUS_CODES.search(text) is not None,
            "a look-up in the table of status codes, no request",
        ),
    )
    return next((reason for applies, reason in reasons if applies), "")


def judge(each: Merged, rule: Rule, where: str, text: str) -> Verdict:
    """Rate a finding: the scanner's rating, else the rule's; lower where the code does not ship.

    `text` is the source line.
    """
    is_secret = each.reported[0].engine == "gitleaks"
    severity, confidence, note = (rule.severity, rule.confidence, "") if is_secret else _rating(each, rule)
    if each.rule == "B301" and _ROUND_TRIP.search(text):
        severity, note = "low", "Rated low: what is loaded was pickled in the same expression."
    lowered, why = severity, ""
    if where == "test code":
        is_token = is_secret and each.rule not in _UNSPECIFIC
        lowered = "medium" if is_token else "low"
        why = "tests mostly use made-up credentials" if is_secret else "does not ship and chooses its own input"
    elif where and is_secret and each.rule in _UNSPECIFIC:
        lowered, why = "low", "credentials there are mostly made up"
    if SEVERITIES.index(lowered) > SEVERITIES.index(severity):
        note = f"Rated {lowered}, not {severity}: this is {where}; {why if is_secret else f'it {why}'}."
        severity = lowered
    return Verdict(
        severity=severity,
        confidence=confidence,
        context=where,
        note=note or (f"This is {where}." if where else ""),
    )


def _rating(each: Merged, rule: Rule) -> tuple[Severity, Confidence, str]:
    rated = next((result for result in each.reported if result.severity is not None), None)
    if rated is None:
        harmless = all("seems safe" in result.message for result in each.reported)  # ruff, of a constant command
        return ("low" if harmless else rule.severity), rule.confidence, ""
    confidence = next((known for known in CONFIDENCES if known == rated.confidence), rule.confidence)
    severity = next((known for known in SEVERITIES if known == rated.severity), rule.severity)
    if rule.rated and severity != rule.severity:
        return rule.severity, confidence, f"{rated.engine} rates it {severity}; here {rule.severity}: {rule.rated}."
    return severity, confidence, ""
