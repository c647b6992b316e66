"""The picture: parts in layers, what imports what, and what goes against the layers."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from clones.engines.architecture import digraph, layout
from clones.engines.architecture.packages import Dependency, Structure
from clones.engines.architecture.sizes import COMPLEX
from clones.engines.svg import clean

_WIDTH = 1200.0
_MARGIN = 28.0
_GUTTER = 74.0
"""Left of the boxes, for the names of the layers."""
_TOP = 104.0
_BOX_HEIGHT = 50.0
_BAND_PAD = 15.0
_ROW_GAP = 46.0
_LINE_ROOM = 1.5
"""What each line between two rows adds to their distance, up to `_MOST_ROOM`."""
_MOST_ROOM = 44.0
_VERY_COMPLEX = 25

_FONT = "Inter, 'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
_INK, _SOFT, _FAINT, _LINE, _RED = "#0f172a", "#64748b", "#94a3b8", "#5b7083", "#dc2626"
_PALE, _DEEP = (0xFF, 0xFF, 0xFF), (0x8F, 0xBF, 0xF5)
_FRAME = "#7c93ab"
_AMBER, _ORANGE = "#d97706", "#b3261e"


class PartFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is written in a box beside the name."""

    nloc: int
    modules: int
    max_complexity: int


def labels(names: Sequence[str]) -> dict[str, str]:
    """Return what each part is called in pictures: without the top-level package where all parts share it."""
    tops = {name.partition(".")[0] for name in names}
    if len(tops) != 1 or len(names) == 1:
        return {name: name for name in names}
    return {name: name.partition(".")[2] or name for name in names}


def draw(title: str, subtitle: str, structure: Structure, facts: Mapping[str, PartFacts]) -> str:
    """Return the picture as a self-contained SVG, 1200 units wide and legible at 900 px."""
    names = [part.name for part in structure.parts]
    shown = labels(names)
    sizes = {name: _size(facts[name], _is_init(name, names)) for name in names}
    dependencies = {(item.importer, item.imported): item for item in structure.dependencies if item.runtime}
    widths = {name: max(104.0, 8.7 * len(shown[name]) + 34.0, 6.3 * len(sizes[name]) + 22.0) for name in names}
    placed = layout.arrange(structure.layers, sorted(dependencies), widths, _WIDTH - 2 * _MARGIN - _GUTTER)
    tops = _tops(placed)
    bottom = tops[-1] + _BOX_HEIGHT + _BAND_PAD
    height = bottom + 96.0
    downward = {
        name: {imported for importer, imported in dependencies if importer == name} - _cut_from(name, structure)
        for name in names
    }
    scene = _Scene(placed, tops, widths, dependencies, digraph.implied_arcs(downward))
    most = max((fact.nloc for fact in facts.values()), default=0)
    tangled = {name for group in structure.tangles for name in group}
    return "\n".join(
        [
            _open(height),
            _markers(),
            f'<rect width="{_WIDTH:g}" height="{height:g}" fill="#ffffff"/>',
            _text(_MARGIN, 48, title, size=28, weight=700),
            _text(_MARGIN, 74, subtitle, size=14.5, colour=_SOFT),
            *_bands(placed, tops, len(structure.layers)),
            *scene.lines(),
            *(
                _box(
                    scene.x(item),
                    tops[item.row],
                    widths[item.name],
                    label=shown[item.name],
                    size=sizes[item.name],
                    complexity=facts[item.name].max_complexity,
                    shade=math.sqrt(facts[item.name].nloc / most) if most else 0.0,
                    frame=_RED if item.name in tangled else _FRAME,
                )
                for row in placed.rows
                for item in row
                if item.kind == "box"
            ),
            *_legend(bottom + 30.0, most, bool(structure.upward)),
            "</svg>\n",
        ]
    )


def _open(height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {height:g}" width="{_WIDTH:g}" '
        f'height="{height:g}" font-family="{_FONT}" role="img" aria-label="Import architecture">'
    )


def _cut_from(name: str, structure: Structure) -> set[str]:
    return {imported for importer, imported in structure.upward if importer == name}


def _tops(placed: layout.Layout) -> list[float]:
    """Return the upper edge of each row's boxes: rows with more lines between them stand further apart."""
    lines = [0] * len(placed.rows)
    for segment in placed.segments:
        lines[min(segment.start.row, segment.end.row)] += 1
    tops = [_TOP + _BAND_PAD]
    for count in lines[:-1]:
        tops.append(tops[-1] + _BOX_HEIGHT + _ROW_GAP + min(_MOST_ROOM, _LINE_ROOM * count))
    return tops


class _Scene:
    """The lines between the boxes."""

    def __init__(
        self,
        placed: layout.Layout,
        tops: Sequence[float],
        widths: Mapping[str, float],
        dependencies: Mapping[digraph.Arc, Dependency],
        implied: set[digraph.Arc],
    ) -> None:
        self._placed = placed
        self._tops = tops
        self._widths = widths
        self._dependencies = dependencies
        self._implied = implied
        self._ports = self._spread()

    def x(self, item: layout.Item) -> float:
        return _MARGIN + _GUTTER + self._placed.centre[item]

    def lines(self) -> list[str]:
        """Return the lines, faint ones first and those against the layers last, on top."""
        ordered = sorted(self._placed.segments, key=lambda item: (item.way == "up", not self._is_implied(item)))
        return [self._line(segment) for segment in ordered]

    def _spread(self) -> dict[layout.Segment, float]:
        """Give the lines that leave a box their places along its edge, in the order of where they go."""
        leaving: dict[tuple[layout.Item, layout.Way], list[layout.Segment]] = {}
        for segment in self._placed.segments:
            if segment.start.kind == "box":
                leaving.setdefault((segment.start, segment.way), []).append(segment)
        ports = {}
        for (item, way), segments in leaving.items():
            segments.sort(key=lambda segment: self.x(segment.end))
            # upward lines leave at the right, away from the arrows that come down on the middle
            middle, reach = (0.0, 0.34) if way == "down" else (0.36 * self._widths[item.name], 0.08)
            step = min(9.0, 2 * reach * self._widths[item.name] / max(1, len(segments) - 1))
            for index, segment in enumerate(segments):
                ports[segment] = middle + step * (index - (len(segments) - 1) / 2)
        return ports

    def _line(self, segment: layout.Segment) -> str:
        start, end, down = segment.start, segment.end, segment.way == "down"
        x1 = self.x(start) + self._ports.get(segment, 0.0)
        x2 = self.x(end)
        if end.kind == "box" and not down:
            x2 += 0.36 * self._widths[end.name]
        head = 7.0 if end.kind == "box" else 0.0
        y1 = self._tops[start.row] + (_BOX_HEIGHT if down else 0.0)
        y2 = self._tops[end.row] + (-head if down else _BOX_HEIGHT + head)
        bend = (y2 - y1) * 0.5
        path = f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
        if end.kind != "box":
            path += f"V{self._tops[end.row] + (_BOX_HEIGHT if down else 0.0):.1f}"
        imports = sum(self._dependencies[arc].runtime for arc in segment.arcs)
        colour = _LINE if down else _RED
        opacity = 0.28 if self._is_implied(segment) else 0.8
        marker = ""
        if end.kind == "box":
            marker = f' marker-end="url(#arch-{"faint" if down and self._is_implied(segment) else segment.way})"'
        return (
            f'<path d="{path}" fill="none" stroke="{colour}" stroke-opacity="{opacity if down else 0.85:g}" '
            f'stroke-width="{0.9 + 0.5 * math.log2(max(1, imports)):.2f}"{marker}>{self._tip(segment)}</path>'
        )

    def _is_implied(self, segment: layout.Segment) -> bool:
        return segment.way == "down" and all(arc in self._implied for arc in segment.arcs)

    def _tip(self, segment: layout.Segment) -> str:
        """Return the tool tip: who imports it along this line, and how often."""
        users = ", ".join(f"{arc[0]} ({self._dependencies[arc].runtime})" for arc in segment.arcs)
        return f"<title>{clean(f'{users} → {segment.end.name}')}</title>"


def _bands(placed: layout.Layout, tops: Sequence[float], layers: int) -> list[str]:
    bands = []
    for layer in range(layers):
        rows = [row for row, at in enumerate(placed.layer_of_row) if at == layer]
        top, bottom = tops[rows[0]] - _BAND_PAD, tops[rows[-1]] + _BOX_HEIGHT + _BAND_PAD
        bands.append(
            f'<rect x="{_MARGIN - 8:g}" y="{top:.1f}" width="{_WIDTH - 2 * _MARGIN + 16:g}" '
            f'height="{bottom - top:.1f}" rx="10" fill="#f1f5f9"/>'
        )
        middle = (top + bottom) / 2
        bands.append(_text(_MARGIN + 6, middle - 2, "layer", size=11.5, colour=_FAINT))
        bands.append(_text(_MARGIN + 6, middle + 17, str(layers - layer), size=19, colour=_SOFT, weight=600))
    return bands


def _is_init(name: str, names: Sequence[str]) -> bool:
    """Tell whether a part is only the `__init__` of a package whose other modules are parts of their own."""
    return any(other.startswith(f"{name}.") for other in names)


def _size(fact: PartFacts, is_init: bool) -> str:
    lines = f"{fact.nloc:,} line{'' if fact.nloc == 1 else 's'}"
    return ("__init__ · " if is_init else "") + lines + (f" · {fact.modules} modules" if fact.modules > 1 else "")


def _box(
    x: float, top: float, width: float, *, label: str, size: str, complexity: int, shade: float, frame: str
) -> str:
    red, green, blue = (round(pale + (deep - pale) * shade) for pale, deep in zip(_PALE, _DEEP, strict=True))
    return (
        f'<rect x="{x - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_BOX_HEIGHT:g}" rx="8" '
        f'fill="#{red:02x}{green:02x}{blue:02x}" stroke="{frame}" stroke-width="1.3"/>'
        + _text(x, top + 22, label, size=15, weight=600, anchor="middle")
        + _text(x, top + 39, size, size=11.5, colour="#475569", anchor="middle")
        + (_badge(x + width / 2 - 2, top + 1, complexity) if complexity > COMPLEX else "")
    )


def _badge(x: float, y: float, complexity: int) -> str:
    text = str(complexity)
    width = 12.0 + 6.5 * len(text)
    colour = _ORANGE if complexity > _VERY_COMPLEX else _AMBER
    return (
        f'<rect x="{x - width / 2:.1f}" y="{y - 9:.1f}" width="{width:.1f}" height="17" rx="8.5" fill="{colour}" '
        'stroke="#ffffff" stroke-width="1.5"/>'
        + _text(x, y + 3.6, text, size=11, colour="#ffffff", weight=700, anchor="middle")
    )


def _legend(y: float, most: int, has_upward: bool) -> list[str]:
    second = y + 30
    deep = f"#{_DEEP[0]:02x}{_DEEP[1]:02x}{_DEEP[2]:02x}"
    parts = [
        _sample(_MARGIN, y, "down", _LINE),
        _note(_MARGIN + 50, y, "imports, at run time; wider for more imports"),
        _sample(_MARGIN + 370, y, "faint", _LINE, opacity=0.28),
        _note(_MARGIN + 420, y, "imports what it also reaches by a longer way"),
        '<linearGradient id="arch-lines"><stop offset="0" stop-color="#fff"/>',
        f'<stop offset="1" stop-color="{deep}"/></linearGradient>',
        f'<rect x="{_MARGIN + 740}" y="{y - 12}" width="60" height="14" rx="4" fill="url(#arch-lines)"',
        f' stroke="{_FRAME}" stroke-width="0.8"/>',
        _note(_MARGIN + 812, y, f"lines of code, up to {most:,}"),
        _badge(_MARGIN + 14, second - 4, COMPLEX + 1),
        _badge(_MARGIN + 46, second - 4, _VERY_COMPLEX + 1),
        _note(_MARGIN + 68, second, f"highest complexity of a function inside, above {COMPLEX}"),
    ]
    if has_upward:
        text = "against the layers: without these imports no cycle is left (red frame: is part of a cycle)"
        parts += [_sample(_MARGIN + 420, second, "up", _RED), _note(_MARGIN + 470, second, text)]
    return parts


def _sample(x: float, y: float, marker: str, colour: str, *, opacity: float = 1.0) -> str:
    return (
        f'<path d="M{x} {y - 4}h34" stroke="{colour}" stroke-opacity="{opacity:g}" stroke-width="2" '
        f'marker-end="url(#arch-{marker})"/>'
    )


def _note(x: float, y: float, text: str) -> str:
    return _text(x, y, text, size=12.5, colour=_SOFT)


def _markers() -> str:
    def marker(name: str, colour: str, opacity: float) -> str:
        return (
            f'<marker id="arch-{name}" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="8" markerHeight="8" '
            f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0.6L8 4L0 7.4z" fill="{colour}" '
            f'fill-opacity="{opacity}"/></marker>'
        )

    return f"<defs>{marker('down', _LINE, 1)}{marker('faint', _LINE, 0.45)}{marker('up', _RED, 1)}</defs>"


def _text(
    x: float, y: float, text: str, *, size: float, colour: str = _INK, weight: int = 400, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" fill="{colour}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{clean(text)}</text>'
    )
