"""What several scanners say about one place, made one; and names for findings that survive edits elsewhere."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from clones.engines.security.reported import FlowStep, Reported
from clones.engines.security.rules import Rule, describe, shared_id
from clones.engines.security.weakness import family

PATTERNS = frozenset({"bandit", "ruff"})
"""Scanners with common rules, which look at a line and follow nothing."""
_NOSEC = re.compile(r"#\s*nosec\b(?!\s*[:,]?\s*B\d{3})", re.IGNORECASE)


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """Results of one weakness at one place."""

    rule: str
    """The first one's; bandit's id also where only ruff reports it."""
    cwe: int | None
    path: str
    line: int
    end_line: int
    reported: tuple[Reported, ...]
    """The one with the strongest evidence first: its place and its rule stand."""

    @property
    def engine(self) -> str:
        """The scanners that report it, as `bandit+ruff`."""
        return "+".join(dict.fromkeys(result.engine for result in self.reported))

    @property
    def engines(self) -> frozenset[str]:
        """The scanners that report it."""
        return frozenset(result.engine for result in self.reported)

    @property
    def flow(self) -> tuple[FlowStep, ...]:
        """The way from the source to here, where a scanner followed one."""
        return self.reported[0].flow

    @property
    def weakness(self) -> str:
        """What it is, whichever scanner reports it."""
        return self.rule if self.cwe is None else f"CWE-{family(self.cwe)}"


def merge(results: Iterable[Reported], known: dict[str, Rule]) -> list[Merged]:
    """Join what different scanners report of one weakness at one place, each result used once.

    bandit's and ruff's results of one rule first, and the ways that lead to one line, of which the shortest stands; then all
    others of one family of weaknesses on one line; and what only looks at a line goes into the flow that passes over it.
    `known` are the described rules.
    """
    places: dict[tuple[str, str], dict[str, list[Reported]]] = defaultdict(lambda: defaultdict(list))
    flows: dict[tuple[str, str, str, int], list[Reported]] = defaultdict(list)
    merged: list[Merged] = []
    for result in results:
        if result.engine in PATTERNS:
            places[result.path, shared_id(result.rule)][result.engine].append(result)
        elif result.flow:
            flows[result.engine, result.rule, result.path, result.line].append(result)
        else:
            merged.append(_merged((result,), known))
    merged += [_merged(tuple(sorted(ways, key=_length)), known) for ways in flows.values()]
    merged += [_merged(pair, known) for engines in places.values() for pair in _pairs(engines)]
    return sorted(_joined(merged), key=lambda each: (each.path, each.line, each.rule))


def _merged(reported: tuple[Reported, ...], known: dict[str, Rule]) -> Merged:
    first = reported[0]
    return Merged(
        rule=shared_id(first.rule),
        cwe=describe(known, first).cwe,
        path=first.path,
        line=first.line,
        end_line=first.end_line,
        reported=reported,
    )


def _length(result: Reported) -> int:
    return len(result.flow)


def _pairs(engines: dict[str, list[Reported]]) -> list[tuple[Reported, ...]]:
    """Pair bandit's results with ruff's: those on one line first, then the nearest that overlap."""
    bandit = list(engines.get("bandit", ()))
    pairs: list[tuple[Reported, ...]] = []
    unpaired = []
    for result in engines.get("ruff", ()):
        match = next((each for each in bandit if each.line == result.line), None)
        if match is None:
            unpaired.append(result)
        else:
            bandit.remove(match)
            pairs.append((match, result))
    for result in unpaired:
        near = [each for each in bandit if each.line <= result.end_line and result.line <= each.end_line]
        if near:
            match = min(near, key=lambda each: abs(each.line - result.line))
            bandit.remove(match)
            pairs.append((match, result))
        else:
            pairs.append((result,))
    pairs += [(result,) for result in bandit]
    return pairs


def _joined(merged: Iterable[Merged]) -> list[Merged]:
    """Let the result with the best evidence take in the others of its weakness that stand where it stands."""
    kinds: dict[str, list[Merged]] = defaultdict(list)
    for each in merged:
        kinds[each.weakness].append(each)
    return [each for of_a_kind in kinds.values() for each in _joined_kind(of_a_kind)]


def _joined_kind(of_a_kind: Iterable[Merged]) -> list[Merged]:
    leads: list[Merged] = []
    taken: dict[int, list[Reported]] = {}
    by_place: dict[tuple[str, int], list[int]] = defaultdict(list)
    for each in sorted(of_a_kind, key=_evidence):
        lead = next((lead for lead in _standing_at(each, by_place) if _is_another(each, leads[lead])), None)
        if lead is not None:
            taken[lead] += each.reported
            continue
        taken[len(leads)] = [*each.reported]
        for place in _places(each):
            by_place[place].append(len(leads))
        leads.append(each)
    return [msgspec.structs.replace(lead, reported=tuple(taken[at])) for at, lead in enumerate(leads)]


def _is_another(each: Merged, lead: Merged) -> bool:
    """Whether one result may be the same flaw as another: told by other scanners, or by another rule for one line."""
    if each.engines <= PATTERNS and lead.engines <= PATTERNS:
        return each.rule != lead.rule and each.line == lead.line
    return not each.engines & lead.engines


def _evidence(each: Merged) -> tuple[bool, bool, bool, str, int, str]:
    """Order: a credential that was recognised, a flow, any other scanner, a line that only looks like it."""
    engine = each.reported[0].engine
    return (engine != "gitleaks", not each.flow, engine in PATTERNS, each.path, each.line, each.rule)


def _places(each: Merged) -> dict[tuple[str, int], None]:
    return dict.fromkeys([(each.path, each.line), *((step.path, step.line) for step in each.flow)])


def _standing_at(each: Merged, by_place: dict[tuple[str, int], list[int]]) -> Iterable[int]:
    """Return the leads whose places `each` covers, those at its own line first; a flow is no part of another."""
    if each.flow:
        return ()
    lines = sorted(range(each.line, each.end_line + 1), key=lambda line: line != each.line)
    return (lead for line in lines for lead in by_place.get((each.path, line), ()))


def is_suppressed(each: Merged, source: Sequence[str]) -> bool:
    """Whether a comment in the code takes all of a finding back; `source` holds the lines that it spans.

    A bare `# noqa` is mostly meant for another linter, so it silences ruff alone, while one that names the rule is a
    decision about the rule, whoever reports it. `# nosec` is about nothing but security: where it names no rule it holds
    for scanners of our own too. A comment elsewhere on the way of a value says nothing of where the way ends.
    """
    first = each.reported[0]
    if first.engine == "gitleaks" or all(result.suppressed for result in each.reported):
        return first.suppressed
    here = [result for result in each.reported if each.line <= result.end_line and result.line <= each.end_line]
    if any(result.suppressed and result.engine == "bandit" for result in here):
        return True
    if first.engine not in PATTERNS and any(_NOSEC.search(line) for line in source):
        return True
    codes = [result.rule for result in here if result.suppressed and result.engine == "ruff"]
    return any(
        re.search(rf"#\s*(?:ruff:\s*)?noqa:[^#]*\b{code}\b", line, re.IGNORECASE) for code in codes for line in source
    )


def fingerprints(merged: Sequence[Merged], text: Callable[[Merged], str]) -> list[str]:
    """Return a name for each finding: 128 bits over weakness, path, what is there, and occurrence.

    It stays when lines move, when a scanner words or numbers its rules anew, and when another one reports the place too.
    `merged` is sorted by line. What is there is the scanner's `key`, where all who report the place have one; else the
    source line that `text` gives: without secrets, for a hash of a short one could be guessed, and with space at the ends
    and runs of it not counted.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    names = []
    for each in merged:
        has_key = all(result.key for result in each.reported)
        there = each.reported[0].key if has_key else " ".join(text(each).split())
        key = (each.weakness, each.path, there)
        names.append(hashlib.sha256("\0".join((*key, str(seen[key]))).encode()).hexdigest()[:32])
        seen[key] += 1
    return names
