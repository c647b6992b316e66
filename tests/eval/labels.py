"""What the seeded applications are known to hold, and how well findings agree with it.

An application under `seeded/open` or `seeded/frozen` says beside its own code where a flaw is and where its harmless twin:
the line on which the dangerous call begins ends with a comment of the form

    # seeded: flaw sql-injection helper
    # seeded: twin sql-injection sanitised

that is `flaw` or `twin`, a category (`CWES`) and a kind (`KINDS`). A line may hold one label only.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

CWES: Mapping[str, frozenset[int]] = {
    "archive-extraction": frozenset({22, 23, 36, 73, 409}),
    "code-injection": frozenset({94, 95, 96, 470, 913}),
    "command-injection": frozenset({77, 78, 88}),
    "deserialization": frozenset({502}),
    "header-injection": frozenset({93, 113, 644}),
    "insecure-cookie": frozenset({614, 1004, 1275}),
    "ldap-injection": frozenset({90}),
    "log-injection": frozenset({93, 117}),
    "nosql-injection": frozenset({943}),
    "open-redirect": frozenset({601}),
    "path-traversal": frozenset({22, 23, 36, 73}),
    "regex-injection": frozenset({400, 730, 1333}),
    "sql-injection": frozenset({89, 564}),
    "ssrf": frozenset({918}),
    "template-injection": frozenset({94, 1336}),
    "trust-boundary": frozenset({501}),
    "weak-hash": frozenset({327, 328, 916}),
    "weak-random": frozenset({330, 335, 337, 338}),
    "xpath-injection": frozenset({91, 643}),
    "xss": frozenset({79, 80, 83, 116}),
    "xxe": frozenset({611, 776, 827}),
}
"""The weaknesses by which scanners call a flaw of each category: none is held to our choice of a number."""

KINDS = frozenset(
    {
        # how what comes from outside gets to the flaw
        *("direct", "helper", "cross-module", "class", "container", "callback", "closure", "generator", "decorator"),
        *("async", "loop", "branch", "inheritance", "global", "exception"),
        # why a twin is harmless
        *("sanitised", "allow-list", "typed", "constant", "overwritten", "safe-element", "impossible-branch", "api"),
    }
)

NEAR = 2
"""How many lines a finding may stand off its label: scanners name the call, its argument or the statement."""

_COMMENT = re.compile(r"# seeded: (.*)$")


class Label(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A place that holds a flaw, or looks much like one that does."""

    path: str
    """Relative to the application, with forward slashes."""
    line: int
    category: str
    flaw: bool
    kind: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine says: a weakness at a place."""

    path: str
    line: int
    cwe: int | None
    end_line: int = 0
    """The last line; 0 where the engine names one line only."""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """How findings agree with labels; the ratios are 0 where they would divide by nothing."""

    hit: int = 0
    """Flaws that are found (true positives)."""
    false: int = 0
    """Twins that are found (false positives)."""
    missed: int = 0
    """Flaws that nothing is said of (false negatives)."""
    spared: int = 0
    """Twins that nothing is said of (true negatives)."""

    def __add__(self, other: "Score") -> "Score":
        return Score(
            hit=self.hit + other.hit,
            false=self.false + other.false,
            missed=self.missed + other.missed,
            spared=self.spared + other.spared,
        )

    @property
    def recall(self) -> float:
        """The share of the flaws that is found."""
        return _ratio(self.hit, self.hit + self.missed)

    @property
    def precision(self) -> float:
        """The share of flaws in what is found."""
        return _ratio(self.hit, self.hit + self.false)

    @property
    def f1(self) -> float:
        """The harmonic mean of recall and precision."""
        return _ratio(2 * self.hit, 2 * self.hit + self.false + self.missed)

    @property
    def youden(self) -> float:
        """Recall less the share of twins that are found: 0 for guessing, 1 for knowing (Youden 1950)."""
        return self.recall - _ratio(self.false, self.false + self.spared)


def applications(part: Path) -> list[Path]:
    """Return the seeded applications of a part (`seeded/open`, `seeded/frozen`), by name; none where it is not there."""
    return sorted(each for each in part.iterdir() if each.is_dir()) if part.is_dir() else []


def read(application: Path) -> list[Label]:
    """Read the labels of one application, by path and line.

    Raises:
        ValueError: a label that is not of the form above; says where.
    """
    found = []
    for file in sorted(application.rglob("*.py")):
        path = file.relative_to(application).as_posix()
        found.extend(labels_in(path, file.read_text(encoding="utf-8")))
    return sorted(found)


def labels_in(path: str, text: str) -> list[Label]:
    """Return the labels in a file's text.

    Raises:
        ValueError: a label that is not of the form above; says where.
    """
    return [
        _label(path, number, match[1])
        for number, line in enumerate(text.splitlines(), start=1)
        if (match := _COMMENT.search(line))
    ]


def marks(labels: Sequence[Label], found: Iterable[Found]) -> dict[Label, bool]:
    """Return of each label whether something was found there: its file, a weakness of its category, its line or near.

    A finding that is near several labels counts for the nearest one, the upper of two that are as near. What is found
    elsewhere, or of another kind, counts for nothing: only what is labelled is known.
    """
    marked = dict.fromkeys(labels, False)
    for each in found:
        near = [label for label in labels if _agree(label, each) and _distance(label, each) <= NEAR]
        if near:
            marked[min(near, key=lambda label: (_distance(label, each), label.line))] = True
    return marked


def score(marked: Mapping[Label, bool]) -> Score:
    """Count what `marks` returned."""
    return sum((_one(label, seen) for label, seen in marked.items()), Score())


def by_category(marked: Mapping[Label, bool]) -> dict[str, Score]:
    """Count what `marks` returned, for each category that has labels."""
    categories = sorted({label.category for label in marked})
    return {
        category: score({label: seen for label, seen in marked.items() if label.category == category})
        for category in categories
    }


def _label(path: str, line: int, text: str) -> Label:
    match text.split():
        case [("flaw" | "twin") as what, category, kind] if category in CWES and kind in KINDS:
            return Label(path=path, line=line, category=category, flaw=what == "flaw", kind=kind)
    raise ValueError(f"{path}:{line}: `seeded: {text}` is no label: flaw or twin, a category of CWES, a kind of KINDS")


def _agree(label: Label, found: Found) -> bool:
    return found.path == label.path and found.cwe in CWES[label.category]


def _distance(label: Label, found: Found) -> int:
    last = max(found.line, found.end_line)
    return max(found.line - label.line, label.line - last, 0)


def _one(label: Label, seen: bool) -> Score:
    if label.flaw:
        return Score(hit=int(seen), missed=int(not seen))
    return Score(false=int(seen), spared=int(not seen))


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
