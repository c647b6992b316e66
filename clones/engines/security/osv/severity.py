"""How bad an advisory is: the base score of its CVSS 3 vector, else the word that its database has for it."""

import re
from collections.abc import Iterable
from typing import Any, Literal

Rating = Literal["critical", "high", "medium", "low"]

_WORDS: dict[str, Rating] = {
    "CRITICAL": "critical",
    "HIGH": "high",
    "MODERATE": "medium",
    "MEDIUM": "medium",
    "LOW": "low",
}
# CVSS 3.1 specification, section 7.4
_ATTACK_VECTOR = {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2}
_COMPLEXITY = {"L": 0.77, "H": 0.44}
_PRIVILEGES = {"N": 0.85, "L": 0.62, "H": 0.27}
_PRIVILEGES_CHANGED = {"N": 0.85, "L": 0.68, "H": 0.5}
_INTERACTION = {"N": 0.85, "R": 0.62}
_IMPACT = {"H": 0.56, "L": 0.22, "N": 0.0}


def base_score(vector: str) -> float:
    """Return the base score of a CVSS 3.0 or 3.1 vector (section 7.1 of the specification), 0.0 to 10.0.

    Raises:
        ValueError: it is no such vector.
    """
    version, _, rest = vector.partition("/")
    metrics = dict(part.split(":", 1) for part in rest.split("/") if ":" in part)
    if version not in {"CVSS:3.0", "CVSS:3.1"}:
        raise ValueError(f"no vector of CVSS 3: {vector}")
    try:
        changed = {"U": False, "C": True}[metrics["S"]]
        lost = 1.0
        for metric in ("C", "I", "A"):
            lost *= 1 - _IMPACT[metrics[metric]]
        privileges = (_PRIVILEGES_CHANGED if changed else _PRIVILEGES)[metrics["PR"]]
        exploitability = 8.22 * _ATTACK_VECTOR[metrics["AV"]] * _COMPLEXITY[metrics["AC"]]
        exploitability *= privileges * _INTERACTION[metrics["UI"]]
    except KeyError as error:
        raise ValueError(f"no vector of CVSS 3: {vector} ({error})") from None
    sub_score = 1 - lost
    impact = 7.52 * (sub_score - 0.029) - 3.25 * (sub_score - 0.02) ** 15 if changed else 6.42 * sub_score
    if impact <= 0:
        return 0.0
    return _rounded_up(min(10.0, (1.08 if changed else 1.0) * (impact + exploitability)))


def _rounded_up(score: float) -> float:
    """Round up to one decimal, without what floating point adds (appendix A)."""
    whole = round(score * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (whole // 10_000 + 1) / 10


def rating(score: float) -> Rating:
    """Return the qualitative rating of a score (section 5); 0.0 is called low."""
    return "critical" if score >= 9 else "high" if score >= 7 else "medium" if score >= 4 else "low"


def rate(vectors: Iterable[tuple[str, str]], database_specific: dict[str, Any]) -> tuple[Rating | None, str]:
    """Return the rating, and the vector that it is of; `vectors` are pairs of type and score.

    A CVSS 4 vector is told and not computed: such records carry their database's word as well.
    """
    told = ""
    for kind, vector in vectors:
        told = told or vector
        if kind == "CVSS_V3":
            try:
                return rating(base_score(vector)), vector
            except ValueError:
                continue
    word = database_specific.get("severity")
    return _WORDS.get(word.upper()) if isinstance(word, str) else None, told


def cwes(database_specific: dict[str, Any]) -> tuple[int, ...]:
    """Return the weaknesses that GitHub's advisories name."""
    named = database_specific.get("cwe_ids")
    found = (
        [re.fullmatch(r"CWE-(\d{1,5})", each) for each in named if isinstance(each, str)]
        if isinstance(named, list)
        else []
    )
    return tuple(int(match[1]) for match in found if match)
