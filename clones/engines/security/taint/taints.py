"""Taints: that data comes from a source, the way that it took, and what it is harmless for by now."""

from collections.abc import Mapping
from typing import NamedTuple

MAX_TAINTS = 8
_MAX_STEPS = 40

LINES = frozenset(("log-injection", "header-injection", "email-injection"))
"""Categories of which line breaks do the harm."""
OBJECTS = frozenset(("nosql-injection",))
"""Categories of which a text does no harm."""
PATHS = frozenset(("path-traversal", "archive-extraction"))
"""Categories of which the parts of a path do the harm."""


class Step(NamedTuple):
    """One place on the way of a value."""

    path: str
    line: int
    message: str


class Trace:
    """The way of a value so far, the newest step first."""

    __slots__ = ("length", "previous", "step")

    def __init__(self, step: Step, previous: "Trace | None" = None) -> None:
        self.step = step
        self.previous = previous
        self.length: int = previous.length + 1 if previous else 1

    def steps(self) -> list[Step]:
        """Return the steps, the source first."""
        found = []
        node: Trace | None = self
        while node:
            found.append(node.step)
            node = node.previous
        return found[::-1]


class Source(NamedTuple):
    """A place where data comes in."""

    path: str
    line: int
    name: str
    kind: str


class Taint:
    """That a value is made from a source's data."""

    __slots__ = ("cleansed", "guessed", "source", "trace")

    def __init__(
        self, source: Source, trace: Trace, cleansed: frozenset[str] = frozenset(), guessed: bool = False
    ) -> None:
        self.source = source
        self.trace = trace
        self.cleansed = cleansed
        """Categories for which the value is harmless."""
        self.guessed = guessed
        """Whether the way leads through code that is not known."""

    def stepped(self, step: Step) -> "Taint":
        """Return it one step further."""
        last = self.trace.step
        if (last.path == step.path and last.line == step.line) or self.trace.length >= _MAX_STEPS:
            return self
        return Taint(self.source, Trace(step, self.trace), self.cleansed, self.guessed)


Taints = Mapping[Source, Taint]
NO_TAINTS: Taints = {}


def cleanse(taints: Taints, categories: frozenset[str]) -> Taints:
    """Return what is left after something made the data harmless for `categories`; nothing makes chance unguessable."""
    if "*" in categories:
        return {source: taint for source, taint in taints.items() if source.kind == "random"}
    return {
        source: taint
        if categories <= taint.cleansed
        else Taint(source, taint.trace, taint.cleansed | categories, taint.guessed)
        for source, taint in taints.items()
    }


def merge(first: Taints, second: Taints) -> Taints:
    """Return the taints of both; of one source the more harmful."""
    if not second or first is second:
        return first
    if not first:
        return second
    merged = dict(first)
    for source, taint in second.items():
        known = merged.get(source)
        if known is None:
            if len(merged) < MAX_TAINTS:
                merged[source] = taint
        elif known is not taint:
            merged[source] = _worse(known, taint)
    return merged


def _worse(first: Taint, second: Taint) -> Taint:
    common = first.cleansed & second.cleansed
    order = sorted((first, second), key=lambda taint: (len(taint.cleansed), taint.guessed, taint.trace.length))
    best = order[0]
    return best if best.cleansed == common else Taint(best.source, best.trace, common, best.guessed)


def guessed(taints: Taints) -> Taints:
    """Return the taints after a way through code that is not known."""
    return {
        source: taint if taint.guessed else Taint(source, taint.trace, taint.cleansed, True)
        for source, taint in taints.items()
    }
