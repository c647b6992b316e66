"""Where a failure happened: the frames in the project, from what pytest or Python says. Pure."""

import re
from collections.abc import Container

import msgspec

_PYTEST = re.compile(r"^(?:E\s+)?(?P<file>[^\s:][^:\n]*):(?P<line>\d+): in (?P<function>.+)$", re.MULTILINE)
_PYTHON = re.compile(
    r'^(?:E\s+)?\s*File "(?P<file>[^"\n]+)", line (?P<line>\d+)(?:, in (?P<function>.+))?$', re.MULTILINE
)
MAX_FRAMES = 20


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One place on the way to the failure."""

    file: str
    line: int
    function: str


def frames(said: str, root: str, known: Container[str]) -> tuple[Frame, ...]:
    """Return the frames in files that are `known` (relative to the target), the innermost last; `root` is where it ran."""
    found: list[tuple[int, Frame]] = []
    for pattern in (_PYTEST, _PYTHON):
        for match in pattern.finditer(said):
            file = match["file"].removeprefix(f"{root}/").removeprefix("./")
            if file in known:
                function = (match["function"] or "").strip()
                found.append((match.start(), Frame(file=file, line=int(match["line"]), function=function)))
    ordered = [frame for _, frame in sorted(found, key=lambda item: item[0])]
    return tuple(dict.fromkeys(ordered))[-MAX_FRAMES:]


def last_words(said: str) -> str:
    """Return the last line that says anything: what Python writes of an error that ends a program."""
    return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")[:600]
