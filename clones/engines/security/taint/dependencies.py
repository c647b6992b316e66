"""What the work on one function reads of modules and classes: where this has changed, the work is done again."""

from collections.abc import Iterator
from contextlib import contextmanager

from clones.engines.security.taint.project import FunctionInfo
from clones.engines.security.taint.summaries import Dependency, Summary
from clones.engines.security.taint.worklist import Worklist


class Dependencies:
    """Who has read which variable or attribute, in which version; and the summaries that rest on it."""

    def __init__(self, worklist: Worklist) -> None:
        self._worklist = worklist
        self._versions: dict[Dependency, int] = {}
        self._readers: dict[Dependency, dict[FunctionInfo, None]] = {}
        self._collecting: list[set[Dependency]] = []
        self._summaries: dict[object, Summary] = {}

    def read(self, dependency: Dependency) -> None:
        """Note that the present part of the work reads something."""
        if self._collecting:
            self._collecting[-1].add(dependency)

    def changed(self, dependency: Dependency) -> None:
        """Note that something is another than before: those that have read it are looked at again."""
        self._versions[dependency] = self._versions.get(dependency, 0) + 1
        for info in self._readers.pop(dependency, {}):
            self._worklist.put(info)

    def read_by(self, info: FunctionInfo, dependencies: set[Dependency]) -> None:
        """Note what the work on a function has read."""
        for dependency in dependencies:
            self._readers.setdefault(dependency, {})[info] = None

    @contextmanager
    def collecting(self) -> Iterator[set[Dependency]]:
        """Collect what a part of the work reads; what is within another part is read by this too."""
        own: set[Dependency] = set()
        self._collecting.append(own)
        try:
            yield own
        finally:
            if self._collecting and self._collecting[-1] is own:
                self._collecting.pop()
            if self._collecting:
                self._collecting[-1] |= own

    def give_up(self) -> None:
        """Collect no more: the work was ended in its midst."""
        self._collecting.clear()

    def versions(self, dependencies: set[Dependency]) -> tuple[tuple[Dependency, int], ...]:
        """Return the versions of what was read."""
        return tuple((each, self._versions.get(each, 0)) for each in dependencies)

    def summary(self, key: object) -> Summary | None:
        """Return what is kept of a call, if what it read is as it was."""
        known = self._summaries.get(key)
        if known is None:
            return None
        if any(self._versions.get(each, 0) != version for each, version in known.depends):
            del self._summaries[key]
            return None
        if self._collecting:
            self._collecting[-1].update(each for each, _ in known.depends)
        return known

    def keep(self, key: object, summary: Summary) -> None:
        """Keep what a call does."""
        self._summaries[key] = summary
