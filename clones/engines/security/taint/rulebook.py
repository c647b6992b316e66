"""All rules of the taint analysis, looked up by the names that they match."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from importlib.resources.abc import Traversable
from typing import Generic, TypeVar

from clones.engines.security.taint.rule_file import RuleFile, read

Rule = TypeVar("Rule")


class Index(Generic[Rule]):
    """Rules by the names that they match."""

    def __init__(self, rules: Iterable[tuple[str, Rule]]) -> None:
        self._exact: dict[str, list[Rule]] = {}
        self._patterns: dict[str, list[tuple[int, re.Pattern[str], Rule]]] = {}
        self._known: dict[str, tuple[Rule, ...]] = {}
        self.names: list[str] = []
        for name, rule in rules:
            self.names.append(name)
            if "*" in name or name.startswith("?."):
                # by its last part, so that few are tried for a name
                last = name.rpartition(".")[2]
                waiting = self._patterns.setdefault("*" if "*" in last else last, [])
                waiting.append((len(self.names), _pattern(name), rule))
            else:
                self._exact.setdefault(name, []).append(rule)

    def of(self, name: str) -> tuple[Rule, ...]:
        """Return the rules for a canonical name, those that name it exactly first."""
        known = self._known.get(name)
        if known is None:
            last = name.rpartition(".")[2].lstrip("?")
            near = [*self._patterns.get("*", ()), *self._patterns.get(last, ())]
            matched = sorted((at, rule) for at, pattern, rule in near if pattern.fullmatch(name))
            known = self._known[name] = (*self._exact.get(name, ()), *(rule for _, rule in matched))
        return known


def _pattern(name: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*|^\?\.)", name)
    kinds = {"**": ".*", "*": "[^.]*", "?.": r"\?(?:.*\.)?"}
    return re.compile("".join(kinds.get(part, re.escape(part)) for part in parts))


class Rulebook:
    """All rules, ready for looking up."""

    def __init__(self, read: Sequence[RuleFile]) -> None:
        self.categories = {each.id: each for file in read for each in file.category}
        self.source_rules = tuple(each for file in read for each in file.source)
        self.sources = Index((name, each) for each in self.source_rules for name in each.match)
        self.decorated = Index((name, each) for each in self.source_rules for name in each.decorated)
        self.methods_of = Index((name, each) for each in self.source_rules for name in each.methods_of)
        self.first_parameter = next((each for each in self.source_rules if each.first_parameter_of), None)
        self.sinks = Index((name, each) for file in read for each in file.sink for name in each.match)
        self.checks = Index((name, each) for file in read for each in file.check for name in each.match)
        self.sanitizers = Index((name, each) for file in read for each in file.sanitizer for name in each.match)
        self.guards = Index((name, each) for file in read for each in file.guard for name in each.match)
        self.propagators = Index((name, each) for file in read for each in file.propagator for name in each.match)
        self.returns = Index((name, each) for file in read for each in file.returns for name in each.match)
        self.attributes = Index((name, each) for file in read for each in file.attribute for name in each.match)
        self.becomes = Index((name, each) for file in read for each in file.becomes for name in each.match)
        self.keeps = Index((name, each) for file in read for each in file.keeps for name in each.match)
        self.stops = Index((name, each) for file in read for each in file.stop for name in each.match)
        self.calls = Index((name, each) for file in read for each in file.calls for name in each.match)
        self.constructors = Index((name, each) for file in read for each in file.constructor for name in each.match)
        self.restricts = Index((name, each) for file in read for each in file.restricts for name in each.match)
        self.fields = Index((name, each) for file in read for each in file.fields for name in each.match)
        self._aliases = {each.name: each.of for file in read for each in file.alias}
        self._canonical: dict[str, str] = {}
        self._ruled: dict[str, bool] = {}

    def canonical(self, name: str) -> str:
        """Return the name that the rules use for a name."""
        if not self._aliases:
            return name
        known = self._canonical.get(name)
        if known is None:
            known = self._canonical[name] = self._resolve(name)
        return known

    def _resolve(self, name: str) -> str:
        for _ in range(4):
            parts = name.split(".")
            for end in range(len(parts), 0, -1):
                of = self._aliases.get(".".join(parts[:end]))
                if of is not None:
                    name = ".".join([of, *parts[end:]])
                    break
            else:
                return name
        return name

    def is_ruled(self, name: str) -> bool:
        """Whether a rule tells of the call of a name."""
        known = self._ruled.get(name)
        if known is None:
            canonical = self.canonical(name)
            tables = (self.sinks, self.returns, self.sanitizers, self.checks, self.propagators, self.becomes)
            known = any(table.of(canonical) for table in tables) or bool(self.sources.of(f"{canonical}()"))
            self._ruled[name] = known
        return known

    @cached_property
    def source_words(self) -> frozenset[str]:
        """Identifiers of which one at least stands wherever a source is read by name."""
        return frozenset(word for word, _ in _words(self.sources.names))

    @cached_property
    def check_words(self) -> frozenset[str]:
        """Identifiers of which one at least stands wherever a call is checked by itself."""
        return frozenset(word for word, _ in _words(self.checks.names))

    @cached_property
    def owners(self) -> dict[str, frozenset[str]]:
        """By these identifiers: the packages that they belong to; none where they may belong to anything."""
        found: dict[str, set[str]] = {}
        for word, owner in _words([*self.sources.names, *self.checks.names]):
            found.setdefault(word, set()).add(owner)
        return {word: frozenset() if "" in owners else frozenset(owners) for word, owners in found.items()}


def _words(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        parts = [part for part in re.split(r"\W+", name) if part and not part.startswith("__")]
        if name[0] in "?*" and (request := {"request", "req"} & {*parts[:-1]}):
            yield request.pop(), ""
        elif parts:
            yield parts[-1], parts[0] if len(parts) > 1 and name[0] not in "?*" else ""


def load(directory: Traversable | None = None) -> Rulebook:
    """Read the rule files of `directory` (absent: those of this package).

    Raises:
        RuleError: a file is wrong.
    """
    return Rulebook(read(directory))
