"""Functions worth a look first: complex, and often changed."""

from collections.abc import Sequence

import msgspec

from clones.engines.architecture.churn import Churn
from clones.engines.architecture.sizes import COMPLEX, FileSize, FunctionSize

MAX_HOT_SPOTS = 25


class HotSpot(msgspec.Struct, frozen=True, kw_only=True):
    """A complex function and the number of commits that touch its file."""

    size: FunctionSize
    churn: int | None
    """None without a git history."""

    @property
    def score(self) -> int:
        """Complexity times commits (Tornhill, Your Code as a Crime Scene); just complexity without a git history."""
        return self.size.complexity * (1 if self.churn is None else self.churn)


def find(sizes: Sequence[FileSize], churn: Churn) -> list[HotSpot]:
    """Return the functions of a complexity above `COMPLEX`, the highest score first, at most `MAX_HOT_SPOTS`.

    Generated files are left out: nobody reads them, and their generator is what would be changed.
    """
    found = [
        HotSpot(size=function, churn=None if churn.commits is None else churn.commits.get(function.file, 0))
        for file in sizes
        if not file.generated
        for function in file.functions
        if function.complexity > COMPLEX
    ]
    found.sort(key=lambda spot: (-spot.score, -spot.size.complexity, spot.size.file, spot.size.line))
    return found[:MAX_HOT_SPOTS]
