"""Places boxes in rows and lines between them: the layered method of Sugiyama, Tagawa and Toda (1981).

Lines to the same box share their way: past each row in between there is one place for all of them, so that they join
like rivers instead of crossing like threads. Lengths are in the user units of the SVG.
"""

import bisect
import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

Way = Literal["down", "up"]

_SWEEPS = 24
_PULLS = 40
_GAP = 26.0
_WIDE_GAP = 72.0
"""Between boxes, where there is room."""
_PASS_WIDTH = 6.0
_PASS_GAP = 9.0
_WIDE_PASS_GAP = 20.0
_FILL = 0.8
"""Share of the width that boxes may take in a row; the rest is for lines passing between them."""


class Item(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A box, or the place where the lines to `name` pass a row."""

    name: str
    row: int
    kind: Literal["box", "down", "up"] = "box"


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Lines from one row to the next, all with the same end."""

    start: Item
    end: Item
    way: Way
    arcs: tuple[tuple[str, str], ...]
    """The dependencies that run through it."""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Where everything is, except for the heights."""

    rows: tuple[tuple[Item, ...], ...]
    """From top to bottom, each from left to right."""
    layer_of_row: tuple[int, ...]
    """Index in the layers that were given."""
    centre: Mapping[Item, float]
    segments: tuple[Segment, ...]


def arrange(
    layers: Sequence[Sequence[str]],
    arcs: Sequence[tuple[str, str]],
    box_width: Mapping[str, float],
    width: float,
) -> Layout:
    """Place the boxes of `layers` (top to bottom) within `width`, and the lines for `arcs`, none within one row."""
    rows, layer_of_row = _rows(layers, arcs, box_width, width * _FILL)
    row_of = {name: index for index, row in enumerate(rows) for name in row}
    segments = _segments(arcs, row_of)
    items: list[list[Item]] = [[Item(name=name, row=index) for name in row] for index, row in enumerate(rows)]
    for segment in segments:
        if segment.end.kind != "box":
            items[segment.end.row].append(segment.end)
    ordered = _order([list(dict.fromkeys(row)) for row in items], segments)
    return Layout(
        rows=tuple(map(tuple, ordered)),
        layer_of_row=tuple(layer_of_row),
        centre=_place(ordered, segments, box_width, width),
        segments=tuple(segments),
    )


def _rows(
    layers: Sequence[Sequence[str]], arcs: Sequence[tuple[str, str]], box_width: Mapping[str, float], room: float
) -> tuple[list[list[str]], list[int]]:
    """Break layers that are too wide; what is imported most goes up, for its lines come from above."""
    pull = dict.fromkeys(box_width, 0)
    for importer, imported in arcs:
        pull[importer] -= 1
        pull[imported] += 1
    rows: list[list[str]] = []
    layer_of_row: list[int] = []
    for index, layer in enumerate(layers):
        total = sum(box_width[name] + _GAP for name in layer)
        count = int(total // room) + 1
        row: list[str] = []
        filled = 0.0
        for name in sorted(layer, key=lambda name: (-pull[name], name)):
            if row and filled + box_width[name] / 2 > total / count:
                rows.append(row)
                row, filled = [], 0.0
            row.append(name)
            filled += box_width[name] + _GAP
        rows.append(row)
        layer_of_row += [index] * (len(rows) - len(layer_of_row))
    return rows, layer_of_row


def _segments(arcs: Sequence[tuple[str, str]], row_of: Mapping[str, int]) -> list[Segment]:
    through: dict[tuple[Item, Item, Way], list[tuple[str, str]]] = {}
    for importer, imported in sorted(arcs):
        first, last = row_of[importer], row_of[imported]
        way: Way = "down" if first < last else "up"
        step = 1 if way == "down" else -1
        here = Item(name=importer, row=first)
        for row in range(first + step, last + step, step):
            there = Item(name=imported, row=row, kind="box" if row == last else way)
            through.setdefault((here, there, way), []).append((importer, imported))
            here = there
    return [Segment(start=start, end=end, way=way, arcs=tuple(users)) for (start, end, way), users in through.items()]


def _order(rows: list[list[Item]], segments: Sequence[Segment]) -> list[list[Item]]:
    """Sweep down and up, each row sorted by where its neighbours are; keep the best that was seen."""
    neighbours: dict[Item, list[Item]] = {item: [] for row in rows for item in row}
    for segment in segments:
        neighbours[segment.start].append(segment.end)
        neighbours[segment.end].append(segment.start)
    rows = [sorted(row) for row in rows]
    best, fewest = [list(row) for row in rows], _crossings(rows, neighbours)
    for sweep in range(_SWEEPS):
        downward = sweep % 2 == 0
        indices = range(1, len(rows)) if downward else range(len(rows) - 2, -1, -1)
        for index in indices:
            beside = rows[index - 1 if downward else index + 1]
            # half-way positions, so that rows of different lengths have the same middle
            at = {item: (position + 0.5) / len(beside) for position, item in enumerate(beside)}
            own = {item: (position + 0.5) / len(rows[index]) for position, item in enumerate(rows[index])}
            pull = {item: _mean([at[other] for other in neighbours[item] if other in at], own[item]) for item in own}
            rows[index] = sorted(rows[index], key=lambda item: (pull[item], own[item]))
        crossings = _crossings(rows, neighbours)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return _swapped(best, neighbours)


def _swapped(rows: list[list[Item]], neighbours: Mapping[Item, Sequence[Item]]) -> list[list[Item]]:
    """Swap items beside each other while that takes crossings away."""
    at = {item: position for row in rows for position, item in enumerate(row)}
    for _ in range(_SWEEPS):
        improved = False
        for row in rows:
            for position in range(len(row) - 1):
                left, right = row[position], row[position + 1]
                if _pair(left, right, neighbours, at) > _pair(right, left, neighbours, at):
                    row[position], row[position + 1] = right, left
                    at[left], at[right] = position + 1, position
                    improved = True
        if not improved:
            break
    return rows


def _pair(left: Item, right: Item, neighbours: Mapping[Item, Sequence[Item]], at: Mapping[Item, int]) -> int:
    """Count the crossings between the lines of two items when `left` stands left of `right`."""
    return sum(one.row == other.row and at[one] > at[other] for one in neighbours[left] for other in neighbours[right])


def _crossings(rows: Sequence[Sequence[Item]], neighbours: Mapping[Item, Sequence[Item]]) -> int:
    count = 0
    for upper, lower in itertools.pairwise(rows):
        at = {item: position for position, item in enumerate(lower)}
        seen: list[int] = []
        for item in upper:
            ends = sorted(at[other] for other in neighbours[item] if other in at)
            count += sum(len(seen) - bisect.bisect_right(seen, end) for end in ends)
            for end in ends:
                bisect.insort(seen, end)
    return count


def _place(
    rows: Sequence[Sequence[Item]], segments: Sequence[Segment], box_width: Mapping[str, float], width: float
) -> dict[Item, float]:
    """Pull each item towards its neighbours, again and again, with the order and the distances kept."""
    neighbours: dict[Item, list[Item]] = {item: [] for row in rows for item in row}
    for segment in segments:
        neighbours[segment.start].append(segment.end)
        neighbours[segment.end].append(segment.start)

    def wide(item: Item) -> float:
        return box_width[item.name] if item.kind == "box" else _PASS_WIDTH

    def distances(row: Sequence[Item], ease: float) -> list[float]:
        """Return the places of the items, with gaps from narrow (ease 0) to wide (1)."""
        offset = [0.0]
        for left, right in itertools.pairwise(row):
            boxes = left.kind == right.kind == "box"
            narrow, loose = (_GAP, _WIDE_GAP) if boxes else (_PASS_GAP, _WIDE_PASS_GAP)
            gap = narrow + ease * (loose - narrow)
            offset.append(offset[-1] + (wide(left) + wide(right)) / 2 + gap)
        return offset

    offsets: list[list[float]] = []
    centre: dict[Item, float] = {}
    for row in rows:
        tight, loose = distances(row, 0.0)[-1], distances(row, 1.0)[-1]
        room = 0.9 * width - tight
        offset = distances(row, min(1.0, max(0.0, room / (loose - tight))) if loose > tight else 0.0)
        offsets.append(offset)
        if not row:
            continue
        middle = (width - offset[-1]) / 2
        centre.update({item: middle + at for item, at in zip(row, offset, strict=True)})
    for pull in range(_PULLS):
        order = range(len(rows)) if pull % 2 == 0 else range(len(rows) - 1, -1, -1)
        for index in order:
            row, offset = rows[index], offsets[index]
            if not row:
                continue
            wanted = [
                _mean([centre[other] for other in neighbours[item]], centre[item]) - at
                for item, at in zip(row, offset, strict=True)
            ]
            # lines that pass stay straight before boxes stand in the middle
            weights = [1.0 if item.kind == "box" else 2.0 for item in row]
            low, high = wide(row[0]) / 2, width - wide(row[-1]) / 2 - offset[-1]
            for item, at, place in zip(row, offset, _isotonic(wanted, weights), strict=True):
                centre[item] = min(max(place, low), max(low, high)) + at
    left = min((centre[item] - wide(item) / 2 for item in centre), default=0.0)
    right = max((centre[item] + wide(item) / 2 for item in centre), default=0.0)
    shift = (width - left - right) / 2
    return {item: place + shift for item, place in centre.items()}


def _isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the non-decreasing values nearest to `values` by weighted least squares (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        mean, total, count = value, weight, 1
        while blocks and blocks[-1][0] > mean:
            before, heavy, many = blocks.pop()
            mean = (before * heavy + mean * total) / (heavy + total)
            total, count = heavy + total, many + count
        blocks.append((mean, total, count))
    return [mean for mean, _, count in blocks for _ in range(count)]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
