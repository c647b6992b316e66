"""What stands around a line, looked up in time that does not grow with a file: who wrote the target may mean harm."""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence

from clones.engines.security.reported import Cleared
from clones.engines.security.weakness import family

MAX_LINES = 2000
"""Of a function, and of a call: what is further away says nothing of a line."""
_DEF = re.compile(r"\s*(?:async\s+)?def\s")


class Functions:
    """The functions of one file, as its indentation has them."""

    def __init__(self, source: Sequence[str]) -> None:
        """Take the file's lines."""
        self._source = source
        self._heads = _heads(source)
        self._spans: dict[int, range] = {}
        """Of each `def` that was asked for: from a line in it to its end."""

    def around(self, line: int) -> Sequence[str]:
        """Return the function that a line, counted from 1, stands in, its `def` first; empty where it stands in none."""
        head = self._heads[line - 1] if 0 < line <= len(self._heads) else None
        if head is None:
            return ()
        if line not in self._spans.get(head, ()):
            self._spans[head] = range(line, self._end(head, line))
        return self._source[head : min(self._spans[head].stop, head + MAX_LINES)]

    def _end(self, head: int, line: int) -> int:
        outer = _depth(self._source[head])
        ends = (
            at
            for at in range(line, min(len(self._source), head + MAX_LINES))
            if self._source[at].strip() and _depth(self._source[at]) <= outer
        )
        return next(ends, max(line + 1, min(len(self._source), head + MAX_LINES)))


def _heads(source: Sequence[str]) -> list[int | None]:
    """Return, for each line, the nearest `def` above it that is indented less."""
    depths: list[int] = []
    numbers: list[int] = []
    found: list[int | None] = []
    for number, text in enumerate(source):
        depth = _depth(text)
        within = bisect_left(depths, depth)
        found.append(numbers[within - 1] if within else None)
        if _DEF.match(text):
            # one that is indented as much or more is hidden by this one from here on
            depths[within:], numbers[within:] = [depth], [number]
    return found


def _depth(text: str) -> int:
    return len(text) - len(text.lstrip())


class Harmless:
    """What scanners have found harmless, by its place."""

    def __init__(self, cleared: Iterable[Cleared]) -> None:
        """Take it; of what says the same of the same lines the first stands."""
        same: dict[object, Cleared] = {}
        for each in cleared:
            same.setdefault((each.path, each.line, each.end_line, each.function, family(each.cwe)), each)
        self._at: dict[tuple[str, int], dict[int, Cleared]] = defaultdict(dict)
        for order, each in enumerate(same.values()):
            for first, last in ((each.line, max(each.line, each.end_line)), each.function):
                for line in range(first, min(last, first + MAX_LINES) + 1):
                    self._at[each.path, line][order] = each

    def near(self, path: str, line: int, end_line: int) -> list[Cleared]:
        """Return what may be about some lines."""
        found: dict[int, Cleared] = {}
        for at in range(line, min(end_line, line + MAX_LINES) + 1):
            found |= self._at.get((path, at), {})
        return [each for _, each in sorted(found.items(), key=lambda pair: pair[0])]
