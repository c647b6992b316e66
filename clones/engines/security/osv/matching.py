"""Which advisories hold for a version, those of one flaw taken together."""

from collections.abc import Iterable

import msgspec

from clones.engines.security.osv.record import Advisory
from clones.engines.security.osv.severity import Rating
from clones.engines.security.osv.versions import Ecosystem, first_fix, is_affected, order

_RATINGS: tuple[Rating, ...] = ("critical", "high", "medium", "low")
_FIRST = ("GHSA-", "PYSEC-", "GO-", "MAL-")
"""By whose id a flaw is called that has several."""
_EMBEDDED_MALICIOUS_CODE = 506


class Flaw(msgspec.Struct, frozen=True, kw_only=True):
    """One known flaw of one version of a package."""

    id: str
    names: tuple[str, ...]
    """Its other ids."""
    summary: str
    severity: Rating | None
    vector: str
    cwe: int | None
    fixed_in: str | None
    """The lowest later version that every advisory on it calls fixed, where there is one."""

    @property
    def is_malicious(self) -> bool:
        """Whether the package itself is the attack."""
        return self.cwe == _EMBEDDED_MALICIOUS_CODE


def flaws(ecosystem: Ecosystem, version: str, advisories: Iterable[Advisory]) -> list[Flaw]:
    """Return the known flaws of a version, sorted by id."""
    groups: list[list[Advisory]] = []
    for each in advisories:
        if is_affected(ecosystem, version, each.ranges, each.versions):
            same = [group for group in groups if any(each.names & other.names for other in group)]
            groups = [group for group in groups if group not in same]
            groups.append([*(other for group in same for other in group), each])
    return sorted((_flaw(ecosystem, version, group) for group in groups), key=lambda flaw: flaw.id)


def _flaw(ecosystem: Ecosystem, version: str, group: list[Advisory]) -> Flaw:
    ordered = sorted(group, key=lambda each: (_place(each.id), each.id))
    names = sorted({name for each in ordered for name in each.names}, key=lambda name: (_place(name), name))
    rated = [(each.severity, each.vector) for each in ordered if each.severity is not None]
    severity, vector = min(rated, key=lambda each: _RATINGS.index(each[0]), default=(None, ""))
    weakness = next((cwe for each in ordered for cwe in each.cwes), None)
    if any(each.id.startswith("MAL-") for each in ordered):
        severity, weakness = "critical", _EMBEDDED_MALICIOUS_CODE
    fixes = [fix for each in ordered if (fix := first_fix(ecosystem, version, each.ranges)) is not None]
    first = ordered[0].id
    return Flaw(
        id=first,
        names=tuple(name for name in names if name != first),
        summary=next((each.summary for each in ordered if each.summary), ""),
        severity=severity,
        vector=vector,
        cwe=weakness,
        fixed_in=max(fixes, key=lambda fix: order(ecosystem, fix), default=None),
    )


def _place(name: str) -> int:
    return next((place for place, start in enumerate(_FIRST) if name.startswith(start)), len(_FIRST))
