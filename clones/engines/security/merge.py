"""What several scanners say about one place, made one; and names for findings that survive edits elsewhere."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

import msgspec

from clones.engines.security.reported import Reported
from clones.engines.security.rules import PASSWORD_RULES, shared_id


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """Results of one rule at one place."""

    rule: str
    """bandit's id also where only ruff reports it; gitleaks' id for a secret."""
    path: str
    line: int
    end_line: int
    reported: tuple[Reported, ...]
    """At most one of each scanner; the first one's place stands."""

    @property
    def engine(self) -> str:
        """The scanners that report it, as `bandit+ruff`."""
        return "+".join(result.engine for result in self.reported)


def merge(results: Iterable[Reported]) -> list[Merged]:
    """Join bandit's and ruff's results of one rule, and a password that gitleaks found too, each result used once."""
    places: dict[tuple[str, str], dict[str, list[Reported]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        places[result.path, shared_id(result.rule)][result.engine].append(result)
    merged = [
        Merged(rule=rule, path=path, line=pair[0].line, end_line=pair[0].end_line, reported=pair)
        for (path, rule), engines in places.items()
        for pair in _pairs(engines)
    ]
    merged = _join_passwords(merged)
    return sorted(merged, key=lambda each: (each.path, each.line, each.rule))


def _pairs(engines: dict[str, list[Reported]]) -> list[tuple[Reported, ...]]:
    """Pair bandit's results with ruff's: those on one line first, then the nearest that overlap."""
    bandit = list(engines.get("bandit", ()))
    pairs: list[tuple[Reported, ...]] = [(result,) for result in engines.get("gitleaks", ())]
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


def _join_passwords(merged: list[Merged]) -> list[Merged]:
    secrets = {(each.path, each.line): each for each in merged if each.reported[0].engine == "gitleaks"}
    joined: dict[tuple[str, int], Merged] = {}
    rest = []
    for each in merged:
        place = (each.path, each.line)
        if each.rule in PASSWORD_RULES and place in secrets and place not in joined:
            secret = secrets[place]
            joined[place] = msgspec.structs.replace(secret, reported=secret.reported + each.reported)
        else:
            rest.append(each)
    return [
        joined.get((each.path, each.line), each) if each is secrets.get((each.path, each.line)) else each
        for each in rest
    ]


def is_suppressed(each: Merged, source: Sequence[str]) -> bool:
    """Whether a comment in the code takes all of a finding back; `source` holds the lines that it spans.

    A bare `# noqa` is mostly meant for another linter, so it silences ruff alone, while one that names the rule is a
    decision about the rule, whoever reports it. `# nosec` is about nothing but security.
    """
    first = each.reported[0]
    if first.engine == "gitleaks" or all(result.suppressed for result in each.reported):
        return first.suppressed
    if any(result.suppressed and result.engine == "bandit" for result in each.reported):
        return True
    named = re.compile(rf"#\s*(?:ruff:\s*)?noqa:[^#]*\bS{each.rule[1:]}\b", re.IGNORECASE)
    ruff_silent = any(result.suppressed for result in each.reported)
    return ruff_silent and any(named.search(line) for line in source)


def fingerprints(merged: Sequence[Merged], text: Callable[[Merged], str]) -> list[str]:
    """Return a name for each finding that stays when lines move: 128 bits over rule, path, text and occurrence.

    `merged` is sorted by line; `text` gives the source line without secrets, for a hash of a short one could be
    guessed. Space at the ends and runs of it do not count.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    names = []
    for each in merged:
        key = (each.rule, each.path, " ".join(text(each).split()))
        names.append(hashlib.sha256("\0".join((*key, str(seen[key]))).encode()).hexdigest()[:32])
        seen[key] += 1
    return names
