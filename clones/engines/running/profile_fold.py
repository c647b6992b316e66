"""What a pyinstrument session says: time in each function, and a tree for the flame graph. Pure."""

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any

import msgspec

MODULE = "<module>"


class Kind(StrEnum):
    """Whose code a function is."""

    TARGET = "target"
    TESTS = "tests"
    THIRD_PARTY = "third-party"
    STDLIB = "stdlib"


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One function in a stack."""

    function: str
    """With its class, where pyinstrument knows it."""
    path: str
    """As the interpreter names the file; `<…>` for what has none."""
    short: str
    """As a report names it."""
    line: int
    """Where the function begins."""
    kind: Kind

    @property
    def label(self) -> str:
        """What a picture calls it: a module's own code has only its file's name."""
        return self.short if self.function == MODULE else self.function

    @property
    def key(self) -> tuple[str, str, int]:
        """What makes two frames the same function."""
        return self.path, self.function, self.line


Stack = tuple[tuple[Frame, ...], float]
"""Frames from the outermost to the innermost, and seconds."""


class Hot(msgspec.Struct, kw_only=True):
    """Time spent in one function."""

    frame: Frame
    self_s: float = 0.0
    """In the function itself and the built-in functions that it calls."""
    total_s: float = 0.0
    """In it and all that it calls; a recursion counts once."""


class Node(msgspec.Struct, kw_only=True):
    """A function in the place from which it was called."""

    frame: Frame | None
    seconds: float = 0.0
    hidden: int = 0
    """Frames of other code between this one and its caller that are not drawn."""
    children: dict[tuple[str, str, int], "Node"] = {}


def stacks_of(session: dict[str, Any], place_of: Callable[[str], tuple[Kind, str]], *, skip: str) -> list[Stack]:
    r"""Read the `frame_records` of a session; frames up to the last one of the file `skip`, which started it, are left out.

    `place_of` says whose code a path is and how a report names it. A record is
    `[["function\0path\0line\1attribute…", …], seconds]`, of the attributes `c<class>` is read: the form of pyinstrument's
    `frame_info`.
    """
    places: dict[str, tuple[Kind, str]] = {}
    frames: dict[str, Frame] = {}

    def frame_of(text: str) -> Frame:
        frame = frames.get(text)
        if frame is None:
            identifier, *attributes = text.split("\x01")
            function, path, line = (*identifier.split("\0"), "", "0")[:3]
            owner = next((attribute[1:] for attribute in attributes if attribute[:1] == "c"), "")
            kind, short = places.get(path) or places.setdefault(path, place_of(path))
            frame = frames[text] = Frame(
                function=f"{owner}.{function}" if owner else function,
                path=path,
                short=short,
                line=int(line) if line.isdigit() else 0,
                kind=kind,
            )
        return frame

    found: list[Stack] = []
    for record, seconds in session["frame_records"]:
        stack = [frame_of(text) for text in record]
        start = max((index + 1 for index, frame in enumerate(stack) if frame.path.endswith(skip)), default=0)
        while start < len(stack) and "runpy" in stack[start].path:
            start += 1
        if start < len(stack):
            found.append((tuple(stack[start:]), float(seconds)))
    return found


def hot_functions(stacks: Iterable[Stack]) -> list[Hot]:
    """Sum the time of each function that has a file; the most time in itself first, the target's code before other code."""
    found: dict[tuple[str, str, int], Hot] = {}
    for stack, seconds in stacks:
        located = [frame for frame in stack if not frame.path.startswith("<")]
        if not located:
            continue
        for frame in {frame.key: frame for frame in located}.values():
            hot = found.setdefault(frame.key, Hot(frame=frame))
            hot.total_s += seconds
        inner = located[-1]
        found[inner.key].self_s += seconds
    return sorted(found.values(), key=lambda hot: (hot.frame.kind is not Kind.TARGET, -hot.self_s, -hot.total_s))


def flame_tree(stacks: Iterable[Stack]) -> Node:
    """Build the tree of calls, in which runs of other code are cut to their first and their last frame.

    What the target calls and where the time goes stay visible; the inside of a test runner or of a library does not
    push them off the picture.
    """
    root = Node(frame=None)
    for stack, seconds in stacks:
        root.seconds += seconds
        node = root
        for frame, hidden in _cut(stack):
            child = node.children.get(frame.key)
            if child is None:
                child = node.children[frame.key] = Node(frame=frame)
            child.seconds += seconds
            child.hidden = max(child.hidden, hidden)
            node = child
    return root


def _cut(stack: Sequence[Frame]) -> list[tuple[Frame, int]]:
    """Return the frames to draw and, for each, how many before it are not drawn; tests stand below their file."""
    kept: list[tuple[Frame, int]] = []
    run: list[Frame] = []
    for frame in stack:
        if frame.kind in {Kind.TARGET, Kind.TESTS}:
            kept += _ends(run)
            if frame.kind is Kind.TESTS and frame.function != MODULE and not any(k.path == frame.path for k, _ in kept):
                kept.append((msgspec.structs.replace(frame, function=MODULE, line=0), 0))
            kept.append((frame, 0))
            run = []
        else:
            run.append(frame)
    return kept + _ends(run)


def _ends(run: list[Frame]) -> list[tuple[Frame, int]]:
    if len(run) < 3:
        return [(frame, 0) for frame in run]
    return [(run[0], 0), (run[-1], len(run) - 2)]


def thinned(session: dict[str, Any], *, least_share: float) -> dict[str, Any]:
    """Return `session` without the calls that took less than `least_share` of the time, whose time their callers get.

    The stacks of a test run are deep and seldom equal; in full they take megabytes for each second.
    """
    numbers: dict[tuple[int, str], int] = {}
    seconds_in = [0.0]
    paths: list[tuple[list[int], list[str], float]] = []
    for stack, seconds in session["frame_records"]:
        node, path = 0, []
        for frame in stack:
            node = numbers.setdefault((node, frame), len(numbers) + 1)
            if node == len(seconds_in):
                seconds_in.append(0.0)
            seconds_in[node] += seconds
            path.append(node)
        paths.append((path, stack, seconds))
    least = least_share * sum(seconds for _, _, seconds in paths)
    merged: dict[int, tuple[list[str], float]] = {}
    for path, stack, seconds in paths:
        length = next((index for index, node in enumerate(path) if seconds_in[node] < least), len(path)) or 1
        kept, before = merged.get(path[length - 1], (stack[:length], 0.0))
        merged[path[length - 1]] = kept, before + seconds
    return {**session, "frame_records": [[stack, seconds] for stack, seconds in merged.values()]}
