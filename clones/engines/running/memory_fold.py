"""What tracemalloc saw, by the lines that asked for the memory. Pure."""

from collections.abc import Callable, Sequence

import msgspec

from clones.engines.running.profile_fold import Kind

Trace = tuple[int, int, list[tuple[str, int]]]
"""Bytes, blocks, and the lines on the way to the allocation, the innermost first."""

_PREFERRED = (Kind.TARGET, Kind.TESTS)


class Held(msgspec.Struct, kw_only=True):
    """Memory that was allocated at one line, or by what it called, and not freed yet."""

    path: str
    """As the interpreter names the file."""
    file: str
    """As a report names it."""
    line: int
    kind: Kind
    bytes: int = 0
    blocks: int = 0


def held_by_line(traces: Sequence[Trace], place_of: Callable[[str], tuple[Kind, str]], *, skip: str) -> list[Held]:
    """Sum what each line holds, the most first.

    A trace counts for its innermost line of the target, else of its tests, else of any file: what `json.loads` builds
    is held by the line that called it. Lines of the file `skip`, which started the program, are left out.
    """
    found: dict[tuple[str, int], Held] = {}
    places: dict[str, tuple[Kind, str]] = {}
    for size, blocks, frames in traces:
        located = [frame for frame in frames if not frame[0].startswith("<") and not frame[0].endswith(skip)]
        if not located:
            continue
        for path, _ in located:
            if path not in places:
                places[path] = place_of(path)
        path, line = next(
            (frame for kind in _PREFERRED for frame in located if places[frame[0]][0] is kind), located[0]
        )
        kind, file = places[path]
        held = found.setdefault((file, line), Held(path=path, file=file, line=line, kind=kind))
        held.bytes += size
        held.blocks += blocks
    return sorted(found.values(), key=lambda each: (-each.bytes, each.file, each.line))
