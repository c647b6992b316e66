"""How much a finding weighs, and what is set aside: decided openly, each decision told in the finding or the counts."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Literal

import msgspec

from clones.engines.security.merge import PATTERNS, Merged
from clones.engines.security.redact import NO_TEXT, value_of
from clones.engines.security.reported import Cleared
from clones.engines.security.rules import CONFIDENCES, PASSWORD_RULES, SEVERITIES, Confidence, Rule, Severity
from clones.engines.security.scope import is_test_module
from clones.engines.security.weakness import family

_IMPORT_HINTS = frozenset({*(f"B40{digit}" for digit in range(1, 10)), "B411", "B415"})
_BY_FLOW = frozenset(map(family, (22, 78, 79, 89, 95, 502, 601, 611, 643, 90, 918, 1336)))
"""Weaknesses that are there only where a value from outside gets to the place,"""
_BY_SETTING = frozenset({"B701", "B702"})
"""but for these rules, which are about how something is set up."""
_EXPAT = frozenset({"B313", "B314", "B315", "B316", "B317", "B318", "B319"})
"""Rules about any reading of XML with Python's own parsers; one that is told to follow entities is a finding of its own."""
_SAX = frozenset({"B315", "B317", "B319"})
"""Of these, the ones about parsers that can be told so."""
_TOLD = re.compile(r"\.setFeature\((?!.*,\s*(?:False|0)\s*\))")
"""A parser is told something else than to leave something; where that is not constant, whoever calls decides."""
_BY_TEXT = frozenset({"B608"})
"""Rules about a text where it is put together, which is used further down."""
_SWALLOWED = frozenset({"B110", "B112"})
_NO_SHELL = frozenset({"B603", "B606"})
_GUARDS = re.compile(
    r"auth|permi|admin|login|role|owner|csrf|token|passw|secret|signature|verif|allow|access|credential", re.IGNORECASE
)
"""What an assertion speaks of that guards something, and is gone under `python -O`."""
_GUESSABLE = re.compile(
    r"token|passw|secret|key|nonce|salt|otp|session|csrf|cookie|auth|code|pin\b|captcha|uuid|reset|invit", re.IGNORECASE
)
_ASSIGNED = re.compile(r"\s*[\w.\[\]\"']+\s*(?::[^=]+)?=[^=]")
_NO_CREDENTIAL = (
    re.compile(r"[a-z][a-z+]*://[^@]*|(?:/[\w.{}:<>-]*)+"),  # an address without a password in it, a path
    re.compile(r"(?:[A-Z][a-z]*(?:\s+[\w'-]+)+|\w.*\s.*[.:?!])\s*|\w+[:?]\s+"),  # a sentence, a prompt
    re.compile(r".*(?:%(?:\(\w+\))?[sdr]\b|\{\w*\}|<[\w -]+>|\$\{\w+\}).*"),  # a template
    re.compile(r"(?:[a-z_]+\.)+[a-z_]+", re.IGNORECASE),  # a dotted name
    re.compile(r"[*.xX_-]+|your[-_ ].*|.*[-_ ]here", re.IGNORECASE),  # a placeholder
    re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+"),  # the name of a variable of the environment
)
_EXAMPLES = frozenset({"doc", "docs", "example", "examples", "sample", "samples", "demo", "demos"})
_ROUND_TRIP = re.compile(r"\bloads\(\s*(?:\w+\.)*dumps\(")
_STATUS_CODES = re.compile(r"\b(?:requests|httpx)\.(?:status_)?codes\.")
_FILTER = re.compile(r"\bfilter\s*=\s*(?:[\"'](?:data|tar)[\"']|(?:tarfile\.)?(?:data|tar)_filter\b)")
_UNSPECIFIC = frozenset({"private-key", "generic-api-key", "jwt", "curl-auth-header", "curl-auth-user"})
"""Patterns that made-up credentials match as well; an issuer's own form of a token is seldom made up."""


Kind = Literal["flaw", "review"]
"""`review`: it would be a flaw if a value from outside got there, which neither was seen nor is ruled out."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How one finding is rated."""

    severity: Severity
    confidence: Confidence
    context: str
    """`test code`, `documentation or an example`, or empty for code that ships."""
    note: str
    """Why it is rated other than the scanner or the rule rates it; empty where it is not."""
    kind: Kind = "flaw"


def context(path: str, test_directories: frozenset[str]) -> str:
    """Return what kind of code a file is, by where it stands."""
    parents = {str(parent) for parent in PurePosixPath(path).parents}
    if is_test_module(path) or parents & test_directories:
        return "test code"
    if _EXAMPLES & {part.lower() for part in PurePosixPath(path).parts[:-1]}:
        return "documentation or an example"
    return ""


def set_aside(each: Merged, where: str, text: str, cleared: Sequence[Cleared] = (), function: str = "") -> str:
    """Return why a result is no finding, or an empty text where it is one.

    `text` is the source line, and below it the head of the function that it stands in; `function` is what stands in that;
    `cleared` is what scanners have found harmless in the file. Only what no scanner has evidence for but a pattern is set
    aside.
    """
    if not each.engines <= PATTERNS:
        return ""
    if looked := next((one for one in cleared if _is_there(one, each)), None):
        return f"the analysis of flows has followed it: {looked.why}"
    is_test = where == "test code"
    if each.rule in PASSWORD_RULES:
        made_up = "tests make up what they log in with; what is recognised as a credential counts there too"
        return no_password(each, text) or (made_up if is_test else "")
    reasons = (
        (
            each.rule == "B101" and is_test,
            "assertions are how tests state what they expect, and tests are not run under -O",
        ),
        (
            each.rule == "B101" and not _GUARDS.search(text),
            "an assertion that speaks of no right, user or secret states what is true anyway",
        ),
        (
            each.rule == "B406" and "xml.sax.saxutils" in text,
            "the module quotes and writes XML, it parses none",
        ),
        (
            each.rule in _IMPORT_HINTS,
            "an import by itself does nothing; calls are findings of their own",
        ),
        (
            each.rule in _EXPAT and not (each.rule in _SAX and _TOLD.search(function)),
            "expat follows no external entity unless it is told to, and bounds what the others grow to",
        ),
        (
            each.rule in _SWALLOWED,
            "an error that goes unnoticed is a matter of quality; by itself it opens nothing to anyone",
        ),
        (
            each.rule in _NO_SHELL,
            "no shell reads the command, and nothing from outside was followed into it",
        ),
        (each.rule == "B202" and _FILTER.search(text) is not None, "the filter refuses members that lead outside"),
        (each.rule == "B607", "who starts the program chooses its PATH"),
        (
            each.rule == "B311" and not _GUESSABLE.search(_named(text)),
            "nothing here says that nobody may guess the number",
        ),
        (
            each.engine == "bandit" and each.rule == "B113" and _STATUS_CODES.search(text) is not None,
            "a look-up in the table of status codes, no request",
        ),
    )
    return next((reason for applies, reason in reasons if applies), "")


def _named(text: str) -> str:
    """Return what tells what a number is for: the line where it gets a name, else the head of its function too."""
    line, _, head = text.partition("\n")
    code = line.partition("#")[0]
    return code if _ASSIGNED.match(code) else f"{code}\n{head}"


def no_password(each: Merged, text: str) -> str:
    """Return why texts named like passwords are none; empty where one of them may be."""
    values = [value for value in map(value_of, each.reported) if value is not None]
    if not values:
        return ""  # ruff alone: it does not tell the text
    if each.engine == "bandit" and all(value in NO_TEXT for value in values):
        return "there is no password: the value is empty, None or a boolean"
    if all(_is_no_credential(value, text) for value in values):
        return "the text is a name, an address, a sentence, a sign or a gap to be filled, and no credential"
    return ""


def _is_no_credential(value: str, text: str) -> bool:
    if value in NO_TEXT:
        return False  # with ruff's word for it that this is a text, or beside another one
    is_sign = not any(map(str.isalnum, value))
    return is_sign or any(form.fullmatch(value) for form in _NO_CREDENTIAL) or _is_its_name(value, text)


def _is_its_name(value: str, text: str) -> bool:
    """Whether a text only repeats the constant's name that it is given to, as in `ACCESS_TOKEN = "access-token"`."""
    name = text.split("=", 1)[0].split(":", 1)[0].strip()
    return name.isupper() and name.lower().replace("_", "") == re.sub(r"[_-]", "", value.lower())


def _is_there(one: Cleared, each: Merged) -> bool:
    if each.cwe is None or family(one.cwe) != family(each.cwe) or one.path != each.path:
        return False
    if each.rule in _BY_TEXT and one.function[0] <= each.line <= one.function[1]:
        return True
    return each.line <= max(one.line, one.end_line) and one.line <= each.end_line


def judge(
    each: Merged, rule: Rule, where: str, text: str, *, followed: bool = False, takes_requests: bool = False
) -> Verdict:
    """Rate a finding: the scanner's rating, else the rule's; lower where the code does not ship.

    `text` is the source line; `followed`: the flows of values in the file have been followed, and none led here. Where the
    project takes requests (`takes_requests`), a weakness that needs a value from outside is then a place to review. Other
    code is called by programs that are not here, so what they hand over may get to the place: there it stays a finding.
    """
    is_secret = each.reported[0].engine == "gitleaks"
    severity, confidence, note = (rule.severity, rule.confidence, "") if is_secret else _rating(each, rule)
    if each.rule == "B301" and _ROUND_TRIP.search(text):
        severity, note = "low", "Rated low: what is loaded was pickled in the same expression."
    kind: Kind = "flaw"
    if followed and _needs_flow(each):
        confidence, note = "low", "No value from outside was followed to here."
        if takes_requests:
            kind = "review"
        elif severity in {"critical", "high"}:
            severity, note = "medium", f"Rated down: {note[0].lower()}{note[1:]}"
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
        kind=kind,
    )


def _needs_flow(each: Merged) -> bool:
    by_flow = each.cwe is not None and family(each.cwe) in _BY_FLOW and each.rule not in _BY_SETTING
    return by_flow and each.engines <= PATTERNS


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
