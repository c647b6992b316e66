"""What the analysis has found: data from outside that reaches a place where it does harm, and calls that are flaws."""

from collections.abc import Iterator
from typing import NamedTuple

from clones.engines.security.scope import is_test_module
from clones.engines.security.taint.rule_file import Category
from clones.engines.security.taint.taints import Source, Step, Taint
from clones.engines.security.taint.values import Value


def tests_of(path: str) -> str:
    """Return the directory of tests that a file is in; empty where it is in none."""
    parts = path.split("/")[:-1]
    place = next((place for place, part in enumerate(parts) if part in {"test", "tests", "testing"}), None)
    return "" if place is None else "/".join(parts[: place + 1])


def is_test(path: str) -> bool:
    """Whether a file holds tests, by its name or its directory."""
    return bool(tests_of(path)) or is_test_module(path)


class Place(NamedTuple):
    """A call, or what is like one."""

    path: str
    line: int
    end_line: int
    column: int
    within: str
    """Qualified name of the function that it stands in."""
    function: tuple[int, int] = (0, 0)
    """First and last line of this function."""


class Hit(NamedTuple):
    """Data from outside at a place where it does harm."""

    place: Place
    category: str
    sink: str
    """The canonical name of what is called."""
    taint: Taint
    sure: bool
    """Whether the callee and the conditions of its rule are known."""

    @property
    def is_of_tests(self) -> bool:
        """Whether it is tests that hand the data to code which ships: they choose what they hand over."""
        return not is_test(self.place.path) and any(is_test(step.path) for step in self.taint.trace.steps())

    def steps(self) -> list[Step]:
        """Return the way of the data, the source first."""
        last = Step(self.place.path, self.place.line, f"reaches `{self.sink.lstrip('?.')}`")
        return [*self.taint.trace.steps(), last]


class Flaw(NamedTuple):
    """A call that is a flaw by itself."""

    place: Place
    category: str
    name: str
    message: str


_SET_UP, _NOTHING_BUT_CONSTANTS, _NOTHING_FROM_OUTSIDE, _CLEANSED, _WHATEVER_CALLERS_GIVE = range(5)
_WHYS = (
    "it is set up so that what gets there does no harm",
    "only constants get there",
    "nothing from outside gets there",
    "what comes from outside is checked, converted or escaped before",
)


class Findings:
    """Collects them: of each place and category the best way."""

    def __init__(self) -> None:
        self.hits: dict[tuple[str, int, int, str], Hit] = {}
        self.flaws: dict[tuple[str, int, int, str], Flaw] = {}
        self.entries: set[str] = set()
        """Files in which values of requests come in."""
        self.settings: set[Source] = set()
        """What modules take from the environment as they are loaded."""
        self._looked: dict[tuple[str, int, int, str], tuple[Place, set[int]]] = {}

    def hit(self, hit: Hit) -> None:
        """Take a hit in."""
        at = (hit.place.path, hit.place.line, hit.place.column, hit.category)
        known = self.hits.get(at)
        if known is None or _rank(hit) < _rank(known):
            self.hits[at] = hit

    def look(self, place: Place, category: str, value: Value, *, callers_known: bool) -> None:
        """Note what gets to a place where data from outside would do harm."""
        if value.taints:
            why = _CLEANSED
        elif value.is_constant:
            why = _NOTHING_BUT_CONSTANTS
        else:
            why = _NOTHING_FROM_OUTSIDE if callers_known else _WHATEVER_CALLERS_GIVE
        at = (place.path, place.line, place.column, category)
        self._looked.setdefault(at, (place, set()))[1].add(why)

    def look_at_settings(self, place: Place, category: str) -> None:
        """Note a place that is set up so that nothing does harm there."""
        at = (place.path, place.line, place.column, category)
        self._looked.setdefault(at, (place, set()))[1].add(_SET_UP)

    def harmless(self) -> Iterator[tuple[Place, str, str, bool]]:
        """Yield the places that were looked at and where nothing was found, with the category and the reason.

        The last tells whether the same is so of all places of the category in the function.
        """
        settled = {
            at: (place, _WHYS[max(whys - {_WHATEVER_CALLERS_GIVE})])
            for at, (place, whys) in self._looked.items()
            # what is checked on its way from the project's own callers is checked for others too
            if at not in self.hits and (_WHATEVER_CALLERS_GIVE not in whys or _CLEANSED in whys)
        }
        open_ = {(place.path, place.within, at[-1]) for at, (place, _) in self._looked.items() if at not in settled}
        for at, (place, why) in sorted(settled.items()):
            yield place, at[-1], why, (place.path, place.within, at[-1]) not in open_

    def flaw(self, flaw: Flaw) -> None:
        """Take a flaw in."""
        self.flaws.setdefault((flaw.place.path, flaw.place.line, flaw.place.column, flaw.category), flaw)


_LOCAL = {"cli", "env", "file"}
_OWN = {"cli", "env"}


def _rank(hit: Hit) -> tuple[bool, bool, bool, bool, int, str, int]:
    source = hit.taint.source
    trace = hit.taint.trace
    return (
        hit.is_of_tests,
        source.kind in _LOCAL,
        hit.taint.guessed,
        not hit.sure,
        trace.length,
        source.path,
        source.line,
    )


_LOWER = {"critical": "high", "high": "medium", "medium": "low", "low": "low"}


def severity(hit: Hit, category: Category) -> str:
    """Rate a hit: who owns a program's files does less harm than who sends it a request, and who starts it least."""
    kind = hit.taint.source.kind
    lowered = _LOWER[category.severity] if kind in _LOCAL else category.severity
    return _LOWER[lowered] if kind in _OWN else lowered


def confidence(hit: Hit) -> str:
    """Say how much had to be guessed."""
    guesses = hit.taint.guessed + (not hit.sure)
    return ("high", "medium", "low")[guesses]
