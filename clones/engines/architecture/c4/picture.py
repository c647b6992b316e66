"""A C4 view as a self-contained SVG: who uses it on top, what it uses below, and in between its parts, users above used."""

import textwrap
from collections.abc import Mapping, Sequence

from clones.engines.architecture import digraph, layout
from clones.engines.architecture.c4.model import OUTSIDE, Element, ElementKind, View
from clones.engines.svg import FAINT, INK, PAPER, Picture, shortened_right

_WIDTH = 1200.0
_MARGIN = 34.0
_TOP = 92.0
_HEAD = 30.0
"""Of the boundary, for its name."""
_BOX_WIDTH, _BOX_HEIGHT = 184.0, 88.0
_GAP = 64.0
_ROUND = 10.0
_MAX_LABELS = 10
"""With more arrows than this, their labels would stand on each other; the Mermaid text has them."""
_NAME_CHARS, _TYPE_CHARS, _ABOUT_CHARS = 20, 30, 30
_LINE, _PALE, _AGAINST = "#6b7280", "#ccd2db", "#dc2626"
_LABEL_SHIFTS = (0.0, 17.0, -17.0)
_COLOURS: Mapping[ElementKind, tuple[str, str]] = {
    "person": ("#08427b", "#ffffff"),
    "system": ("#1168bd", "#ffffff"),
    "container": ("#2f74bd", "#ffffff"),
    "component": ("#a9d0f5", INK),
    "database": ("#5f6673", "#ffffff"),
    "queue": ("#5f6673", "#ffffff"),
    "service": ("#5f6673", "#ffffff"),
}
_TYPE: Mapping[ElementKind, str] = {
    "person": "Person",
    "system": "Software system",
    "container": "Container",
    "component": "Component",
    "database": "External database",
    "queue": "External queue",
    "service": "External system",
}


def draw(view: View) -> str:
    """Return the picture's SVG."""
    labels: dict[digraph.Arc, list[str]] = {}
    for relation in view.relations:
        labels.setdefault((relation.start, relation.end), []).append(relation.label)
    of_key = {element.key: element for element in view.elements}
    rows = _rows(view, labels)
    room = _WIDTH - 2 * _MARGIN
    placed = layout.arrange(rows, sorted(labels), dict.fromkeys(of_key, _BOX_WIDTH), room)
    held = _held(view, of_key, placed)
    first = _TOP + (_HEAD if view.boundary and held and held[0] == 0 else 0.0)
    tops = [first + index * (_BOX_HEIGHT + _GAP) for index in range(len(placed.rows))]
    picture = Picture(_WIDTH, tops[-1] + _BOX_HEIGHT + 70, view.title)
    picture.text(_MARGIN, 42, view.title, size=24, weight=700)
    more = f"; {view.omitted} more are not drawn" if view.omitted else ""
    picture.text(_MARGIN, 64, f"C4 {view.name}, from the code: who uses what{more}", size=13, fill=FAINT)
    if view.boundary and held:
        _boundary(picture, view, tops[held[0]] - _HEAD, tops[held[-1]] + _BOX_HEIGHT + 14)
    pale = _implied(rows, labels) if len(labels) > _MAX_LABELS else set()
    # the pale ones first, so that they cross below the others
    for segment in sorted(placed.segments, key=lambda segment: not pale.issuperset(segment.arcs)):
        _line(picture, segment, placed, tops, is_pale=pale.issuperset(segment.arcs))
    for row, items in enumerate(placed.rows):
        for item in items:
            if item.kind == "box":
                _box(picture, of_key[item.name], _MARGIN + placed.centre[item], tops[row])
    if len(labels) <= _MAX_LABELS:
        _labels(picture, labels, placed, tops)
    _legend(picture, view, has_pale=bool(pale))
    return picture.render()


def _rows(view: View, labels: Mapping[digraph.Arc, Sequence[str]]) -> list[list[str]]:
    """Return the elements in rows: people, the target's own parts by who uses whom, what is outside."""
    people = [element.key for element in view.elements if element.kind == "person"]
    outside = [element.key for element in view.elements if element.kind in OUTSIDE]
    inner = {element.key for element in view.elements} - set(people) - set(outside)
    weights = dict.fromkeys(labels, 0.0)
    for relation in view.relations:
        weights[relation.start, relation.end] += relation.weight
    graph = {name: {to: weights[start, to] for start, to in labels if start == name and to in inner} for name in inner}
    cut = digraph.feedback_arcs(graph)
    levels = digraph.levels({name: [to for to in graph[name] if (name, to) not in cut] for name in inner})
    by_level: dict[int, list[str]] = {}
    for name in sorted(levels):
        by_level.setdefault(levels[name], []).append(name)
    rows = [people, *(by_level[level] for level in sorted(by_level, reverse=True)), outside]
    return [row for row in rows if row]


def _implied(rows: Sequence[Sequence[str]], arcs: Mapping[digraph.Arc, object]) -> set[digraph.Arc]:
    """Return the arrows downwards that a longer way says too."""
    row_of = {name: row for row, names in enumerate(rows) for name in names}
    downward = {name: {to for start, to in arcs if start == name and row_of[name] < row_of[to]} for name in row_of}
    return digraph.implied_arcs(downward)


def _held(view: View, of_key: Mapping[str, Element], placed: layout.Layout) -> list[int]:
    """Return the rows that hold the target's own parts."""
    outside = {element.key for element in view.elements if element.kind == "person" or element.kind in OUTSIDE}
    return [
        row
        for row, items in enumerate(placed.rows)
        if any(item.kind == "box" and of_key[item.name].key not in outside for item in items)
    ]


def _boundary(picture: Picture, view: View, top: float, bottom: float) -> None:
    picture.rect(
        _MARGIN - 16,
        top,
        _WIDTH - 2 * _MARGIN + 32,
        bottom - top,
        fill="#f6f8fb",
        radius=_ROUND,
        frame="#9aa5b5",
        dashed=True,
    )
    picture.text(_MARGIN - 4, top + 17, f"{view.boundary} [software system]", size=12, fill=FAINT, weight=600)


def _line(
    picture: Picture, segment: layout.Segment, placed: layout.Layout, tops: Sequence[float], *, is_pale: bool
) -> None:
    """Draw a line from row to row; one against the direction of the others is dashed and red, and points up."""
    down = segment.way == "down"
    upper, lower = (segment.start, segment.end) if down else (segment.end, segment.start)
    colour = (_PALE if is_pale else _LINE) if down else _AGAINST
    start, end = _MARGIN + placed.centre[upper], _MARGIN + placed.centre[lower]
    top = tops[upper.row] + (_BOX_HEIGHT if upper.kind == "box" else 0.0)
    if upper.kind != "box":
        picture.line(start, top, start, top + _BOX_HEIGHT, stroke=colour)
        top += _BOX_HEIGHT
    if not down:
        # beside the arrows that go down, so that both are seen
        start, end = start + (24 if upper.kind == "box" else 0), end + (24 if lower.kind == "box" else 0)
    picture.descent(start, top, end, tops[lower.row], stroke=colour, dashed=not down)
    if down and lower.kind == "box":
        picture.point_down(end, tops[lower.row], fill=colour)
    if not down and upper.kind == "box":
        picture.point_up(start, top, fill=colour)


def _box(picture: Picture, element: Element, x: float, top: float) -> None:
    fill, ink = _COLOURS[element.kind]
    left = x - _BOX_WIDTH / 2
    radius = 26.0 if element.kind == "person" else 4.0
    hover = ". ".join(filter(None, (element.name, element.technology, element.about)))
    picture.rect(left, top, _BOX_WIDTH, _BOX_HEIGHT, fill=fill, radius=radius, hover=hover)
    kind = _TYPE[element.kind] + (f": {element.technology}" if element.technology else "")
    picture.text(
        x, top + 24, shortened_right(element.name, _NAME_CHARS), size=13.5, fill=ink, anchor="middle", weight=700
    )
    picture.text(x, top + 40, f"[{shortened_right(kind, _TYPE_CHARS)}]", size=9.5, fill=ink, anchor="middle")
    for index, line in enumerate(textwrap.wrap(element.about, _ABOUT_CHARS, max_lines=2, placeholder=" …")):
        picture.text(x, top + 59 + 14 * index, line, size=10.5, fill=ink, anchor="middle")


def _labels(
    picture: Picture, labels: Mapping[digraph.Arc, Sequence[str]], placed: layout.Layout, tops: Sequence[float]
) -> None:
    written: list[tuple[float, float, float]] = []
    for segment in placed.segments:
        if segment.start.kind != "box" or segment.way != "down":
            continue
        texts = list(dict.fromkeys(text for arc in segment.arcs for text in labels[arc]))
        x = _MARGIN + (placed.centre[segment.start] + placed.centre[segment.end]) / 2
        y = (tops[segment.start.row] + _BOX_HEIGHT + tops[segment.end.row]) / 2
        text = shortened_right("; ".join(texts), 30)
        width = 5.6 * len(text) + 8
        free = (shift for shift in _LABEL_SHIFTS if not _meets(written, x, y + shift, width))
        y += next(free, 0.0)
        written.append((x, y, width))
        picture.rect(x - width / 2, y - 8, width, 15, fill=PAPER, radius=3)
        picture.text(x, y + 3.5, text, size=10, fill=FAINT, anchor="middle")


def _meets(written: Sequence[tuple[float, float, float]], x: float, y: float, width: float) -> bool:
    return any(abs(x - left) < (width + wide) / 2 and abs(y - up) < 16 for left, up, wide in written)


def _legend(picture: Picture, view: View, *, has_pale: bool) -> None:
    x, y = _MARGIN, picture.height - 30
    for kind in dict.fromkeys(element.kind for element in view.elements):
        picture.rect(x, y - 11, 16, 14, fill=_COLOURS[kind][0], radius=3)
        picture.text(x + 22, y, _TYPE[kind], size=11.5, fill=FAINT)
        x += 38 + 6.6 * len(_TYPE[kind])
    text = "arrows: who uses it → what is used; dashed red: against the direction of the others"
    text += "; pale: also by a longer way" if has_pale else ""
    picture.text(x + 8, y, text, size=11.5, fill=FAINT)
