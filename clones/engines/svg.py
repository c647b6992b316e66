"""Small self-contained SVG pictures: dark on light, plain fonts, no scripts, no outside references."""

import re
from xml.sax.saxutils import escape

FONT = "ui-sans-serif, -apple-system, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif"
MONO = "ui-monospace, 'SF Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace"
INK, FAINT, LINE, PAPER = "#1f2430", "#5d6575", "#d9dde4", "#ffffff"

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

MONO_WIDTH = 0.62
"""Width of a character of `MONO` in parts of the font size, on the safe side."""


class Picture:
    """Elements in drawing order; coordinates and sizes are user units (pixels at 100 %)."""

    def __init__(self, width: float, height: float, title: str) -> None:
        self.width = width
        self.height = height
        self._title = title
        self._parts: list[str] = []

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: str,
        radius: float = 0,
        hover: str = "",
        frame: str = "",
        dashed: bool = False,
    ) -> None:
        """Draw a rectangle; `hover` is what a pointer over it shows, `frame` the colour of its border, which `dashed` breaks."""
        corner = f' rx="{radius:g}"' if radius else ""
        open_tag = f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}" fill="{fill}"{corner}'
        if frame:
            open_tag += f' stroke="{frame}" stroke-width="1.5"' + (' stroke-dasharray="5 4"' if dashed else "")
        self._parts.append(f"{open_tag}><title>{clean(hover)}</title></rect>" if hover else f"{open_tag}/>")

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12,
        fill: str = INK,
        anchor: str = "start",
        weight: int = 400,
        mono: bool = False,
    ) -> None:
        """Write `text` with its baseline at `y`; `anchor` is start, middle or end."""
        attributes = f'x="{x:.2f}" y="{y:.2f}" font-size="{size:g}" fill="{fill}"'
        if anchor != "start":
            attributes += f' text-anchor="{anchor}"'
        if weight != 400:
            attributes += f' font-weight="{weight}"'
        if mono:
            attributes += ' class="m"'
        self._parts.append(f"<text {attributes}>{clean(text)}</text>")

    def line(self, x1: float, y1: float, x2: float, y2: float, *, stroke: str = LINE) -> None:
        """Draw a hairline."""
        self._parts.append(f'<path d="M{x1:.2f} {y1:.2f}L{x2:.2f} {y2:.2f}" stroke="{stroke}" stroke-width="1"/>')

    def descent(self, x1: float, y1: float, x2: float, y2: float, *, stroke: str, dashed: bool = False) -> None:
        """Draw a line that leaves downwards and comes from above."""
        bend = (y2 - y1) / 2
        path = f"M{x1:.2f} {y1:.2f}C{x1:.2f} {y1 + bend:.2f} {x2:.2f} {y2 - bend:.2f} {x2:.2f} {y2:.2f}"
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(f'<path d="{path}" fill="none" stroke="{stroke}" stroke-width="1.5"{dashes}/>')

    def point_down(self, x: float, y: float, *, fill: str) -> None:
        """Draw the tip of an arrow that comes from above to `y`."""
        self._tip(x, y, y - 7, fill)

    def point_up(self, x: float, y: float, *, fill: str) -> None:
        """Draw the tip of an arrow that comes from below to `y`."""
        self._tip(x, y, y + 7, fill)

    def _tip(self, x: float, y: float, base: float, fill: str) -> None:
        self._parts.append(f'<path d="M{x - 4:.2f} {base:.2f}L{x + 4:.2f} {base:.2f}L{x:.2f} {y:.2f}z" fill="{fill}"/>')

    def render(self) -> str:
        """Return the document."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width:g} {self.height:g}" '
            f'width="{self.width:g}" height="{self.height:g}" role="img" font-family="{FONT}">'
            f"<title>{clean(self._title)}</title><style>.m{{font-family:{MONO}}}text{{pointer-events:none}}</style>"
            f'<rect width="100%" height="100%" fill="{PAPER}"/>{"".join(self._parts)}</svg>\n'
        )


def clean(text: str) -> str:
    """Escape for XML; characters that XML 1.0 does not allow become U+FFFD."""
    return escape(_NOT_XML.sub("\ufffd", text), {'"': "&quot;"})


def shortened(text: str, characters: int) -> str:
    """Cut from the left, where paths say least, to at most `characters`."""
    return text if len(text) <= characters else "…" + text[len(text) - max(characters - 1, 0) :]


def shortened_right(text: str, characters: int) -> str:
    """Cut from the right to at most `characters`."""
    return text if len(text) <= characters else text[: max(characters - 1, 0)] + "…"
