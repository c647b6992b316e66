"""Pieces of code that do the same: functions and classes whose shapes are equal, or nearly."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from clones.engines.architecture.shapes import Shape
from clones.engines.statements import Lines, Statement

ALIKE = 0.8
"""Two pieces are alike from this share of shingles that they have in common (Jaccard)."""
MAX_GROUPS = 60
_MAX_MEMBERS = 20
_SKETCH = 20
"""The smallest shingles of a piece, by which candidates are found (Broder, On the resemblance of documents, 1997)."""
_LEAST_COMMON = 5
_MAX_HOLDERS = 40
"""A shingle that more pieces have says nothing."""
_MAX_SHOWN = 12
"""Lines shown of each piece."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Pieces that are all like the first."""

    members: tuple[Shape, ...]
    alike: float
    """The least share of shingles that one has in common with the first; 1.0 where the shapes are equal."""

    @property
    def spare_lines(self) -> int:
        """What one piece instead of all would save."""
        return sum(_length(shape) for shape in self.members[1:])


def find(shapes: Sequence[Shape]) -> list[Group]:
    """Return the groups, those that would save the most lines first; of a class and its methods, the class alone."""
    ordered = sorted(shapes, key=lambda shape: (shape.file, shape.line, -shape.tokens))
    near: dict[int, dict[int, float]] = {}
    for one, other, alike in _pairs(ordered):
        near.setdefault(one, {})[other] = alike
        near.setdefault(other, {})[one] = alike
    taken: set[int] = set()
    groups = []
    # the piece with the most like it first, so that a group is about one thing
    for first in sorted(near, key=lambda index: (-len(near[index]), index)):
        if first in taken:
            continue
        members = [other for other in sorted(near[first]) if other not in taken]
        if members:
            taken.update((first, *members))
            least = min(near[first][other] for other in members)
            groups.append(Group(members=tuple(ordered[at] for at in sorted((first, *members))), alike=least))
    kept = _without_parts(groups)
    return sorted(kept, key=lambda group: (-group.spare_lines, group.members[0].file, group.members[0].line))


def data(groups: Sequence[Group], lines: Lines) -> list[dict[str, Any]]:
    """Return the first `MAX_GROUPS` as JSON values, each with a command that shows how its pieces begin."""
    return [_row(group, lines) for group in groups[:MAX_GROUPS]]


def _pairs(shapes: Sequence[Shape]) -> Iterator[tuple[int, int, float]]:
    holders: dict[int, list[int]] = {}
    for index, shape in enumerate(shapes):
        for shingle in sorted(shape.shingles)[:_SKETCH]:
            holders.setdefault(shingle, []).append(index)
    common: Counter[tuple[int, int]] = Counter()
    for found in holders.values():
        if len(found) <= _MAX_HOLDERS:
            common.update((one, other) for at, one in enumerate(found) for other in found[at + 1 :])
    for (one, other), count in sorted(common.items()):
        if count >= _LEAST_COMMON and (alike := _likeness(shapes[one], shapes[other])) >= ALIKE:
            yield one, other, alike


def _likeness(one: Shape, other: Shape) -> float:
    if one.is_class != other.is_class or _overlap(one, other):
        return 0.0
    if one.digest == other.digest:
        return 1.0
    both = len(one.shingles & other.shingles)
    # the same shingles in another order are not the same shape
    return min(0.99, both / (len(one.shingles) + len(other.shingles) - both))


def _overlap(one: Shape, other: Shape) -> bool:
    return one.file == other.file and one.line <= other.end_line and other.line <= one.end_line


def _without_parts(groups: Sequence[Group]) -> list[Group]:
    """Leave out groups of methods whose classes are a group themselves."""
    classes = [shape for group in groups for shape in group.members if shape.is_class]

    def is_inside(shape: Shape) -> bool:
        return any(shape is not whole and _overlap(shape, whole) for whole in classes)

    return [group for group in groups if group.members[0].is_class or not all(map(is_inside, group.members))]


def _length(shape: Shape) -> int:
    return shape.end_line - shape.line + 1


def _row(group: Group, lines: Lines) -> dict[str, Any]:
    members = group.members[:_MAX_MEMBERS]
    places = ", ".join(f"`{each.name}` ({each.file}:{each.line}-{each.end_line})" for each in members)
    more = f" and {len(group.members) - len(members)} more" if len(group.members) > len(members) else ""
    # two pieces from their beginning; who reads them sees whether they do the same
    shown = [
        (each.file, at)
        for each in members[:2]
        for at in range(each.line, min(each.end_line, each.line + _MAX_SHOWN) + 1)
    ]
    command, expected = lines.shown(shown)
    how = "have the same shape" if group.alike == 1.0 else f"are alike to {int(100 * group.alike)} %"
    return {
        "kind": "class" if group.members[0].is_class else "function",
        "alike": round(group.alike, 3),
        "count": len(group.members),
        "spare_lines": group.spare_lines,
        "members": [
            {"name": each.name, "file": each.file, "line": each.line, "end_line": each.end_line} for each in members
        ],
        **Statement(text=f"These {how}: {places}{more}", how_to_check=command, expected=expected).plain(),
    }
